"""A padded crop to inpaint in, and its stitch into the picture."""
