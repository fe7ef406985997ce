"""What there is to read for staff: set-based queries that take a ``Session`` and return plain rows, never entities."""
