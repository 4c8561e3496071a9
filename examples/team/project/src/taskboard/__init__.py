"""Tasks in a JSON file, on a command line, with a small query language."""

__version__ = "0.4.0"
