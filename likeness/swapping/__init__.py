"""Swapping faces: the networks, the montage that needs none, and what goes around them."""
