"""What came back. So far: what a mail server says at once about a recipient."""
