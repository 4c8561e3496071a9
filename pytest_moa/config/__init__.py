"""Bytes to a policy: files, variables, the JSON Schema."""
