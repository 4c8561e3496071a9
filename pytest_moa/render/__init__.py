"""A view to Markdown, terminal, HTML or JSON. Knows the model alone."""
