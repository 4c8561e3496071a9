"""A conflict to a resolution; one strategy a file."""
