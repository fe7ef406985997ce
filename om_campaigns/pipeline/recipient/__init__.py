"""What readers do at our doors: leave, choose, answer, sign up, read the archive, find help, be forgotten."""
