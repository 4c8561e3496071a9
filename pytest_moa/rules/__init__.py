"""What we decide: pure functions of facts. No I/O, no clock, no environment, no randomness."""
