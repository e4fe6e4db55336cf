"""Notes that are kept as long as the process lives."""
