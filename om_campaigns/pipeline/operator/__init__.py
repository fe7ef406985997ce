"""What whoever runs the installation does: set it up, look after it, keep copies, switch it on and off."""
