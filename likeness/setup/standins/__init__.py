"""Stand-ins for models that are not there: files of the real layout with random weights."""
