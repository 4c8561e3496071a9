"""The verbs of the program: what a person, a workflow or an API asks for."""
