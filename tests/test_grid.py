"""Captioned grids: the pictures bit for bit, the words where they have room."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.grid import NARROWEST, Line, Tile, broken, draw, fitted
from pack.likeness.sheet import GAP, INK, PAPER, plain
from PIL import ImageFont

FONT = ImageFont.load_default(size=16)
RED = (200, 0, 0)


def tile(number: int, *caption: Line, size=(97, 300)) -> Tile:
    random = torch.Generator().manual_seed(number)
    return Tile(torch.rand(*size, 3, generator=random), caption)


def has(part: torch.Tensor, colour: tuple[int, int, int]) -> bool:
    return bool(((part * 255).round() == torch.tensor(colour)).all(-1).any())


def test_pictures_are_in_their_places_bit_for_bit():
    rows = [[tile(0), tile(1)], [tile(2), tile(3)]]
    made = draw(rows)
    assert (made.dtype, made.shape[::3]) == (torch.float32, (1, 3))
    for down, row in enumerate(rows):
        for across, each in enumerate(row):
            top, left = GAP + down * (97 + GAP), GAP + across * (300 + GAP)
            assert torch.equal(made[0, top : top + 97, left : left + 300], each.picture)
    assert made.shape[1:3] == (2 * (97 + GAP) + GAP, 2 * (300 + GAP) + GAP)
    covered = sum(each.picture[..., 0].numel() for row in rows for each in row)
    paper = ((made[0] * 255).round() == torch.tensor(PAPER)).all(-1).sum()
    assert paper == made[0, ..., 0].numel() - covered


def test_captions_are_under_their_pictures_and_nowhere_else():
    short, long = [Line("one")], [Line("red", RED), Line("two"), Line("three")]
    made = draw([[tile(0, *short), tile(1, *long)], [tile(2), tile(3)]])[0]
    below = slice(GAP + 97, None)
    first, second = made[below, : GAP + 300], made[below, GAP + 300 :]
    assert has(first[:30], INK)
    assert not has(first, RED)
    assert has(second[:30], RED)
    plainly = draw([[tile(0), tile(1)], [tile(2), tile(3)]])[0]
    # The next row lies below the longest caption.
    lower = made.shape[0] - plainly.shape[0]
    assert lower > 2 * 16
    assert torch.equal(made[-GAP - 97 : -GAP], plainly[-GAP - 97 : -GAP])


def test_lines_above_and_below_lie_over_the_whole_width():
    bare = draw([[tile(0)]])
    made = draw([[tile(0)]], [Line("above", RED)], [Line("below", INK)])
    assert made.shape[1] > bare.shape[1] + 2 * 16
    assert has(made[0, :40], RED)
    assert has(made[0, -40:], INK)
    assert draw([[tile(0)]], [Line("")]).shape == bare.shape


def test_a_narrow_picture_leaves_room_for_words():
    assert draw([[tile(0, size=(9, 3))]]).shape[2] == NARROWEST


def test_nothing_is_written_beyond_a_pictures_width():
    words = "word " * 40
    for text in (words, "w" * 200):
        made = draw([[tile(0, Line(text, RED, 3)), tile(1)]])[0]
        assert has(made[:, : GAP + 300], RED)
        assert not has(made[:, GAP + 300 :], RED)


@pytest.mark.parametrize("text", ["GFPGANv1.4", "a" * 300, "", "W" * 50])
@pytest.mark.parametrize("width", [4, 60, 200])
def test_a_long_text_loses_its_middle(text, width):
    short = fitted(text, width, FONT)
    ends = short.split("...")
    if FONT.getlength(text) <= width:
        assert short == text
    elif width > 20:
        assert FONT.getlength(short) <= width
        assert text.startswith(ends[0])
        assert text.endswith(ends[1])
        assert 0 <= len(ends[0]) - len(ends[1]) <= 1
        kept = sum(map(len, ends)) + 1
        longer = text[: kept - kept // 2] + "..." + text[len(text) - kept // 2 :]
        assert FONT.getlength(longer) > width
        wider = fitted(text, width + 20, FONT)
        assert len(wider) > len(short)


def test_text_breaks_between_words_and_keeps_them_all_where_they_fit():
    text = "left as it was: the network gave no picture"
    rows = broken(text, 150, 5, FONT)
    assert len(rows) > 1
    assert " ".join(rows) == text
    assert all(FONT.getlength(row) <= 150 for row in rows)
    few = broken(text, 150, 2, FONT)
    assert few[0] == rows[0]
    assert "..." in few[1]
    assert few[1].endswith("picture")
    assert broken("a\nb\t c", 150, 1, FONT) == ["a b c"]
    assert broken("", 150, 3, FONT) == []


def test_accents_are_left_out():
    assert plain("café Ångström…") == "cafe Angstrom..."
    marked, bare = (draw([[tile(0, Line(text))]]) for text in ("café", "cafe"))
    assert torch.equal(marked, bare)
