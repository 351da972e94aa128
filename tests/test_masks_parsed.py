"""Masks with what a parser saw: parts taken in, parts left out, each face by its own parsing."""

from __future__ import annotations

from dataclasses import replace

import handmade
import pytest
import torch
from pack.likeness.align import Template, align
from pack.likeness.face import Faces
from pack.likeness.masks import Edge, Parts, face_masks
from pack.likeness.parse import CLASSES, FaceClass, Parsing
from pack.likeness.pixels.coverage import grow
from pack.likeness.regions import Region

SIZES = [(197, 230), (230, 197)]
WHOLE = [Region.FOREHEAD]
SIDE = 128
BACKGROUND, HAIR, NECK = FaceClass.BACKGROUND, FaceClass.HAIR, FaceClass.NECK


def two(size: tuple[int, int]) -> Faces:
    found = [handmade.measured(24, 70, 70, 0), handmade.measured(30, 110, 90, 1, degrees=15)]
    return Faces(tuple(found), 2, size)


def parsed(faces: Faces, *parts: tuple[FaceClass, slice, slice]) -> Parsing:
    """Skin everywhere on the crops, but for these parts: class, rows and columns."""
    images = torch.zeros(faces.frames, *faces.size, 3)
    classes = torch.full((len(faces), SIDE, SIDE), CLASSES.index(FaceClass.SKIN))
    for name, rows, columns in parts:
        classes[:, rows, columns] = CLASSES.index(name)
    return Parsing(faces, align(images, faces, Template.FFHQ, SIDE), classes.to(torch.uint8))


FRINGE = (HAIR, slice(0, 45), slice(0, SIDE))
HAND = (BACKGROUND, slice(70, 110), slice(70, 110))
THROAT = (NECK, slice(108, SIDE), slice(30, 100))


def masks(faces: Faces, *settings, parsing=None, add=(), subtract=(), regions=WHOLE, **options):
    parts = Parts(parsing, tuple(add), tuple(subtract)) if parsing else None
    return face_masks(faces, regions, *settings, parts=parts, **options).masks


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("part", [FRINGE, HAND])
def test_what_is_subtracted_is_free_and_the_rest_as_it_was(size, together, part):
    faces = two(size)
    parsing = parsed(faces, part)
    seen = parsing.masks([part[0]], together)
    plain = masks(faces, together=together)
    assert ((seen > 0.9) & (plain > 0.9)).any()
    left = masks(faces, parsing=parsing, subtract=[part[0]], together=together)
    assert torch.allclose(left, torch.minimum(plain, 1 - seen), atol=1e-4)


def test_the_whole_picture_is_masked_whatever_is_subtracted():
    faces = two(SIZES[0])
    whole = masks(faces, parsing=parsed(faces, FRINGE), subtract=[HAIR], regions=[Region.PICTURE])
    assert torch.equal(whole, torch.ones_like(whole))


def test_what_is_subtracted_stays_free_however_far_the_mask_grows():
    faces = two(SIZES[0])
    parsing = parsed(faces, FRINGE)
    grown = masks(faces, Edge(0.3, 0, True), parsing=parsing, subtract=[HAIR])
    assert (grown <= 1 - parsing.masks([HAIR]) + 1e-4).all()
    assert (grown > masks(faces)).any()


def test_a_mask_grows_into_the_background_and_over_the_edge_of_a_hand():
    faces = two(SIZES[0])
    parsing = parsed(faces, HAND)
    hole = torch.minimum(masks(faces), 1 - parsing.masks([BACKGROUND]))
    grown = masks(faces, Edge(4), parsing=parsing, subtract=[BACKGROUND])
    assert torch.allclose(grown, torch.stack([grow(mask, 4) for mask in hole]), atol=1e-4)
    everything = parsed(faces, (BACKGROUND, slice(0, 30), slice(0, SIDE)))
    above = masks(faces, Edge(30), parsing=everything, subtract=[BACKGROUND])
    assert (above * everything.masks([BACKGROUND])).sum() > 100


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("together", [True, False])
def test_what_is_added_is_masked_too(size, together):
    faces = two(size)
    parsing = parsed(faces, THROAT)
    seen = parsing.masks([NECK], together)
    plain = masks(faces, together=together)
    both = masks(faces, parsing=parsing, add=[NECK], together=together)
    assert ((seen > 0.9) & (plain < 0.1)).any()
    assert torch.allclose(both, torch.maximum(plain, seen), atol=1e-4)
    alone = masks(faces, parsing=parsing, add=[NECK], regions=[], together=together)
    assert torch.allclose(alone, seen, atol=1e-4)


def test_add_and_subtract_go_together():
    faces = two(SIZES[0])
    parsing = parsed(faces, FRINGE, HAND, THROAT)
    both = masks(faces, parsing=parsing, add=[NECK], subtract=[HAIR, BACKGROUND])
    wanted = torch.maximum(masks(faces), parsing.masks([NECK]))
    wanted = torch.minimum(wanted, 1 - parsing.masks([BACKGROUND]))
    wanted = torch.minimum(wanted, 1 - parsing.masks([HAIR]))
    assert torch.allclose(both, wanted, atol=1e-4)


def test_no_line_is_left_between_two_parts_that_are_subtracted():
    faces = two(SIZES[0])
    beside = (BACKGROUND, slice(45, SIDE), slice(0, SIDE))
    parsing = parsed(faces, FRINGE, beside)
    assert not masks(faces, parsing=parsing, subtract=[HAIR, BACKGROUND]).any()


def test_nothing_named_changes_nothing():
    faces = two(SIZES[0])
    assert torch.allclose(masks(faces, parsing=parsed(faces, FRINGE)), masks(faces), atol=1e-6)


def test_fewer_faces_than_were_parsed_keep_their_own_parsing():
    faces = two(SIZES[0])
    parsing = parsed(faces, FRINGE, HAND)
    parsing.classes[0] = CLASSES.index(FaceClass.SKIN)
    settings = {"parsing": parsing, "subtract": [HAIR, BACKGROUND], "together": False}
    both = masks(faces, **settings)
    last, swapped = replace(faces, found=faces.found[1:]), replace(faces, found=faces.found[::-1])
    assert torch.allclose(masks(last, **settings)[0], both[1], atol=1e-6)
    assert torch.allclose(masks(swapped, **settings), both.flip(0), atol=1e-6)
    refined = replace(last.found[0], landmarks68=last.found[0].landmarks68 + 0.01)
    assert masks(replace(last, found=(refined,)), **settings).any()


@pytest.mark.parametrize(
    "other",
    [
        Faces((handmade.measured(24, 71, 70),), 2, SIZES[0]),
        replace(two(SIZES[0]), frames=3),
        replace(two(SIZES[0]), size=SIZES[1]),
    ],
)
def test_the_parsing_of_other_faces_is_refused(other):
    with pytest.raises(ValueError, match="the same faces"):
        masks(other, parsing=parsed(two(SIZES[0])), subtract=[HAIR])


def test_no_faces_and_their_parsing_give_empty_masks():
    nobody = Faces((), 2, SIZES[0])
    assert not masks(nobody, parsing=parsed(nobody), subtract=[HAIR], add=[NECK]).any()


def test_the_parsing_is_not_written_to():
    faces = two(SIZES[0])
    parsing = parsed(faces, FRINGE)
    before = parsing.classes.clone()
    masks(faces, Edge(2, 2), parsing=parsing, subtract=[HAIR], add=[NECK], softness=3)
    assert torch.equal(parsing.classes, before)
