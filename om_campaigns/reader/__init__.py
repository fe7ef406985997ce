"""What readers do, and what we do for one of them: subscribe, choose, answer, leave, be forgotten."""
