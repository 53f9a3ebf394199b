"""Verbs, one a file: load, ask a rule, write. The transaction belongs to the caller."""
