"""Long-running processes: the scheduler that wakes the pipeline."""
