"""The FFHQ crop against its published steps, done with PIL and scipy on whole pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pack.likeness.align import Outside, Template, align, face_matrix
from pack.likeness.geometry import invert, scale_of, transform
from test_align import batch, face_at, smooth


def published(picture: np.ndarray, quad: np.ndarray, out: int) -> np.ndarray:
    """Crop, pad with a blurred mirror, transform at four times the size, reduce: (out, out, 3)."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    side = np.hypot(*(quad[3] - quad[0]))
    height, width = picture.shape[:2]
    border = max(int(np.rint(side * 0.1)), 3)
    low = np.floor(quad.min(0)).astype(int) - border
    high = np.ceil(quad.max(0)).astype(int) + border
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, (width, height))
    picture, quad = picture[y0:y1, x0:x1] * 255, quad - (x0, y0)
    over = [*np.maximum(-low, 0), *np.maximum(high - (width, height), 0)]
    if max(over) > border - 4:
        left, top, right, bottom = np.maximum(over, int(np.rint(side * 0.3)))
        picture = np.pad(picture, ((top, bottom), (left, right), (0, 0)), "reflect")
        y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
        mask = np.maximum(
            1.0 - np.minimum(x / left, (picture.shape[1] - 1 - x) / right),
            1.0 - np.minimum(y / top, (picture.shape[0] - 1 - y) / bottom),
        )[..., None]
        blurred = gaussian_filter(picture, [side * 0.02, side * 0.02, 0])
        picture = picture + (blurred - picture) * np.clip(mask * 3.0 + 1.0, 0.0, 1.0)
        picture += (np.median(picture, axis=(0, 1)) - picture) * np.clip(mask, 0.0, 1.0)
        quad = quad + np.array([left, top])
    planes = []
    for channel in range(3):
        plane = Image.fromarray(picture[..., channel].astype(np.float32))
        corners = (quad + 0.5).flatten()
        how = Image.Transform.QUAD, corners, Image.Resampling.BILINEAR
        plane = plane.transform((out * 4, out * 4), *how)
        planes.append(np.asarray(plane.resize((out, out), Image.Resampling.BOX)))
    return np.stack(planes, axis=-1) / 255


@pytest.mark.parametrize("place", [(230, 190), (40, 60), (380, 290)])
@pytest.mark.parametrize("roll", [0, 25])
def test_the_crop_is_the_published_one(place, roll):
    images = smooth(330, 420)
    face = face_at(*place, 36, roll)
    corners = torch.tensor([[0, 0], [0, 256], [256, 256], [256, 0]], dtype=torch.float64) - 0.5
    matrix = face_matrix(face, Template.QUAD, 256)
    quad = transform(corners, invert(matrix)).numpy()
    expected = published(images[0].numpy(), quad, 256)
    outside = Outside.BLURRED
    crops = align(images, batch((330, 420), face), Template.QUAD, 256, outside=outside)
    difference = np.abs(crops.patches[0].numpy() - expected) * 255
    assert scale_of(matrix) > 1
    assert difference.max() < 2
    assert difference.mean() < 0.1
