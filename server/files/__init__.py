"""Readers of the files that merchants and researchers bring."""
