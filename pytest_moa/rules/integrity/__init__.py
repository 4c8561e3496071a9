"""Rules against gamed gates, one a file."""
