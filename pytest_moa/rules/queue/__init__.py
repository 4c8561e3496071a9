"""The queue's decisions: rounds, suspects, and whose lines are whose in a chain of merges. Pure."""
