"""Neural networks whose layers run on analog arrays."""
