"""What the layout in memory is worth to the networks that restoring takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import torch
from entry_paste import picture
from entry_restore import SIDE
from measure import Goal, Kind, Row, in_turn

PAIRS = 3


def rows() -> Iterator[Row]:
    yield _parser_row()
    yield _restoreformer_row()


def _parser_row() -> Row:
    """Against facexlib's network in the layout that it comes in."""
    from pack.likeness.parse import load
    from standins import parsers

    with tempfile.TemporaryDirectory() as folder:
        parser = load(parsers.write_parsenet(Path(folder, parsers.PARSENET), small=False))
    plain = deepcopy(parser.network).to(memory_format=torch.contiguous_format)
    crop = picture((SIDE, SIDE))
    seen = (crop * 2 - 1).movedim(-1, 1).contiguous()
    with torch.no_grad():
        same = plain(seen)[0].argmax(1) == parser(crop)
        assert same.float().mean() > 0.9999, "parsed otherwise"
        pairs = in_turn(lambda: plain(seen)[0].argmax(1), lambda: parser(crop), PAIRS)
    return Row("layout", "ParseNet, against it as facexlib has it", pairs, Goal(Kind.FASTER, 1.2))


def _restoreformer_row() -> Row:
    """Against spandrel's network in the layout that it comes in."""
    from pack.likeness.restoring.load import from_tensors
    from spandrel import MAIN_REGISTRY
    from standins import restorers

    tensors = restorers.restoreformer_tensors()
    plain = MAIN_REGISTRY.load(dict(tensors)).model.eval()
    restorer = from_tensors(tensors, Path("RestoreFormer.pth"))
    crop = picture((SIDE, SIDE))
    seen = (crop * 2 - 1).movedim(-1, 1).contiguous()
    with torch.no_grad():
        theirs = plain(seen)[0].clamp(-1, 1).add(1).div(2).movedim(1, -1)
        assert (restorer.restore(crop, 0.7) - theirs).abs().mean() < 0.01, "restored otherwise"
        pairs = in_turn(lambda: plain(seen), lambda: restorer.restore(crop, 0.7), PAIRS)
    what = "RestoreFormer, against it as spandrel has it"
    return Row("layout", what, pairs, Goal(Kind.FASTER, 1.2))
