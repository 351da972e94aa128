"""insightface's and facexlib's paste masks, held against the formulas on the whole picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from pack.likeness.blending.classic import facexlib_alpha, facexlib_parsed, insightface_alpha
from pack.likeness.geometry import compose, shift, transform_box, turn

SIZES = [(97, 160), (160, 97), (700, 900)]


def placed(size: tuple[int, int], patch: int, share: float, degrees: float, at=(0.5, 0.5)):
    """From a square patch to a picture: so large a share of its shorter side, turned, there."""
    centre = (size[1] * at[0], size[0] * at[1])
    middle = ((patch - 1) / 2, (patch - 1) / 2)
    return turn(middle, -degrees, share * min(size) / patch, centre)


def window_of(matrix, patch: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = transform_box((-1, -1, patch, patch), matrix)
    x0, y0, x1, y1 = int(x0) - 2, int(y0) - 2, int(x1) + 3, int(y1) + 3
    return max(x0, 0), max(y0, 0), min(x1, size[1]), min(y1, size[0])


def in_window(make, matrix, patch: int, size: tuple[int, int], **options) -> np.ndarray:
    """What `make` says on the window, laid into the whole picture."""
    x0, y0, x1, y1 = window_of(matrix, patch, size)
    alpha = make(compose(shift(-x0, -y0), matrix), (patch, patch), (y1 - y0, x1 - x0), **options)
    assert alpha.dtype is torch.float32
    whole = np.zeros(size, np.float32)
    whole[y0:y1, x0:x1] = alpha.numpy()
    return whole


def insightface_mask(matrix, patch: int, size: tuple[int, int]) -> np.ndarray:
    white = np.full((patch, patch), 255, np.float32)
    mask = cv2.warpAffine(white, matrix.numpy(), size[::-1], borderValue=0.0)
    mask[mask > 20] = 255
    rows, columns = np.where(mask == 255)
    side = int(np.sqrt((rows.max() - rows.min()) * (columns.max() - columns.min())))
    k, b = max(side // 10, 10), max(side // 20, 5)
    mask = cv2.erode(mask, np.ones((k, k), np.uint8), iterations=1)
    return cv2.GaussianBlur(mask, (2 * b + 1, 2 * b + 1), 0) / 255


def facexlib_mask(matrix, patch: int, size: tuple[int, int]) -> np.ndarray:
    mask = cv2.warpAffine(np.ones((patch, patch), np.float32), matrix.numpy(), size[::-1])
    mask = cv2.erode(mask, np.ones((2, 2), np.uint8))
    edge = int(np.sum(mask) ** 0.5) // 20
    mask = cv2.erode(mask, np.ones((2 * edge, 2 * edge), np.uint8))
    return cv2.GaussianBlur(mask, (2 * edge + 1, 2 * edge + 1), 0)


FORMULAS = [(insightface_alpha, insightface_mask), (facexlib_alpha, facexlib_mask)]
everywhere = pytest.mark.parametrize(
    ("share", "degrees", "at"),
    [
        (0.6, 0, (0.5, 0.5)),
        (0.6, 20, (0.5, 0.5)),
        (0.3, -70, (0.6, 0.4)),
        (0.8, 35, (0.02, 0.5)),
        (0.8, -12, (0.9, 1.0)),
        (1.9, 5, (0.5, 0.6)),
        (4.0, 25, (0.5, 0.5)),
        (0.13, 15, (0.3, 0.7)),
    ],
)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("patch", [128, 37])
@pytest.mark.parametrize(("ours", "theirs"), FORMULAS)
@everywhere
def test_the_window_gives_what_the_whole_picture_does(
    ours, theirs, size, patch, share, degrees, at
):
    matrix = placed(size, patch, share, degrees, at)
    expected = theirs(matrix, patch, size)
    exact = np.abs(in_window(ours, matrix, patch, size, exact_blur=True) - expected)
    assert exact.max() < 1 / 255  # a pixel at the threshold may fall to either side of it
    assert (exact > 0.05 / 255).mean() < 0.005
    reduced = np.abs(in_window(ours, matrix, patch, size) - expected) * 255
    assert reduced.max() < 1
    assert reduced.mean() < 0.1


@pytest.mark.parametrize("ours", [insightface_alpha, facexlib_alpha])
def test_outside_the_picture_nothing_changes(ours):
    assert not ours(shift(500, 0), (64, 64), (97, 160)).any()


@pytest.mark.parametrize("ours", [insightface_alpha, facexlib_alpha])
def test_a_picture_wholly_under_the_patch_changes_everywhere(ours):
    alpha = ours(shift(-900, -800), (2000, 2000), (97, 160))
    assert alpha.min() > 1 - 1e-5


def parsed_by_facexlib(parsed: np.ndarray) -> np.ndarray:
    mask = parsed.astype(float) * 255
    mask = cv2.GaussianBlur(cv2.GaussianBlur(mask, (101, 101), 11), (101, 101), 11)
    mask[:10, :] = mask[-10:, :] = 0
    mask[:, :10] = mask[:, -10:] = 0
    return mask / 255


@pytest.mark.parametrize("kind", ["none", "all", "half", "ellipse"])
def test_a_parsed_mask_is_softened_as_facexlib_does(kind):
    y, x = np.indices((512, 512))
    parsed = {
        "none": np.zeros((512, 512)),
        "all": np.ones((512, 512)),
        "half": x < 256,
        "ellipse": ((x - 240) / 150) ** 2 + ((y - 300) / 205) ** 2 < 1,
    }[kind].astype(np.float32)
    theirs, given = parsed_by_facexlib(parsed), torch.from_numpy(parsed.copy())
    assert np.abs(facexlib_parsed(given, exact_blur=True).numpy() - theirs).max() < 0.1 / 255
    reduced = np.abs(facexlib_parsed(given).numpy() - theirs) * 255
    assert reduced.max() < 1
    assert reduced.mean() < 0.2
    assert np.array_equal(given.numpy(), parsed)


@pytest.mark.parametrize("side", [256, 1024])
def test_a_parsed_mask_of_another_size_is_softened_as_much(side):
    y, x = np.indices((side, side))
    disc = (((x + 0.5) / side - 0.5) ** 2 + ((y + 0.5) / side - 0.5) ** 2 < 0.1).astype(np.float32)
    y, x = np.indices((512, 512))
    same = (((x + 0.5) / 512 - 0.5) ** 2 + ((y + 0.5) / 512 - 0.5) ** 2 < 0.1).astype(np.float32)
    theirs = cv2.resize(parsed_by_facexlib(same), (side, side))
    assert np.abs(facexlib_parsed(torch.from_numpy(disc)).numpy() - theirs).max() < 4 / 255
