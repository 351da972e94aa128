"""The built-in finder of frontal faces: no download, no identity. `cascade` is the way in."""
