"""Whether it left: claim, send, record; states, pacing and transports."""
