"""GitHub's side: outputs, summaries, comments."""
