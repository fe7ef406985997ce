"""What whoever runs the installation does: make it, watch it, back it up, switch it on."""
