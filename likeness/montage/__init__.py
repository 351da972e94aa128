"""The built-in swap: the photo of a person bent over a face, without any network."""
