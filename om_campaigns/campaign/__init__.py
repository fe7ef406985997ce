"""What is due: published campaign versions, who is enrolled, which step comes when, and why not."""
