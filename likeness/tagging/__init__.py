"""Tags of pictures by WD14 networks: which words of a fixed list fit."""
