"""What our communications staff do: import, check, publish, look, explain, correct."""
