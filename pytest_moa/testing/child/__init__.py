"""What travels to the tests' own interpreter: the standard library, pytest and coverage only."""
