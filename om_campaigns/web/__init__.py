"""The doors for people outside: pages without JavaScript, without anything of third parties, without a cookie before a login."""
