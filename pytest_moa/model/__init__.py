"""What things are: frozen dataclasses, no behaviour beyond what their own facts imply."""
