"""Tags as a prompt wants them: spaces for underscores, brackets that are not taken for weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

# Of a face drawn in letters, such as o_o or (o)_(o), each half holds one letter or digit at most.
HALF = r"\W*[^\W_]?\W*"
KAOMOJI = re.compile(f"{HALF}_{HALF}")


def spaced(tag: str) -> str:
    """With spaces for underscores, but for faces drawn in letters, which stay as they are."""
    return tag if KAOMOJI.fullmatch(tag) else tag.replace("_", " ")


def escaped(tag: str) -> str:
    """With brackets that a prompt takes for brackets, and not for a weight."""
    return re.sub(r"([()])", r"\\\1", tag)


def patterns(text: str) -> tuple[str, ...]:
    """What a text such as "1girl, *_hair" leaves out, for `excluded`; * and ? as in file names.

    Tags may be written with underscores, with spaces, or as they come out of a prompt.
    """
    bare = (re.sub(r"\\([()])", r"\1", " ".join(part.split())) for part in re.split("[,\n]", text))
    # "*_v" looks like a face drawn in letters, and may mean "double v".
    ways = (way.lower() for part in bare if part for way in (spaced(part), part.replace("_", " ")))
    return tuple(dict.fromkeys(ways))


def excluded(tag: str, unwanted: Sequence[str]) -> bool:
    """Whether a tag, by the underscore rule and not escaped, is one of the `patterns`."""
    name = tag.lower()
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in unwanted)
