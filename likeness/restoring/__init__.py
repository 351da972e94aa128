"""Restoring faces: small, blurred or swapped ones in the resolution of a restoring network."""
