"""A folder of pictures in, a data set with the swapped ones out, the broken ones sorted apart."""
