"""Captions: what is said of a picture, for training and for prompts."""
