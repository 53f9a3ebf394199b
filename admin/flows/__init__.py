"""Verbs of the console, one a file."""
