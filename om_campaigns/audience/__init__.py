"""Who may get mail: organisations, people, their seats and addresses, and what has touched them."""
