"""Describing pictures by the answers of a network to questions about them."""
