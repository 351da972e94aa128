"""Workflows without the page: found by title, set by name, run on a server, fetched."""
