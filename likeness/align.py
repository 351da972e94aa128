"""Cutting faces out upright: where each template wants a face to be, and how it is laid there."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from .crop import Crop, Crops, as_crops, take
from .face import Face, Faces
from .ffhq import pad, quad_matrix
from .geometry import compose, scale_of, similarity, transform, turn
from .mean_shape import place
from .pixels.raster import Border
from .progress import Progress, ignore


class Template(str, Enum):
    """What a crop is framed for; the values are what a user reads."""

    UPRIGHT = "upright with margin"
    FFHQ = "ffhq 512"
    QUAD = "ffhq, by 68 landmarks"
    ARCFACE_112 = "arcface 112"
    ARCFACE_128 = "arcface 128"
    INSWAPPER_256 = "inswapper 256"
    MTCNN = "mtcnn 512"
    GHOST = "ghost, best of five"


class Fit(str, Enum):
    LEAST_SQUARES = "least squares"
    ROBUST = "robust"  # least median of squares, as facexlib does


class Outside(str, Enum):
    """What a crop shows where it leaves the picture."""

    MIRROR = "mirror"
    REPEAT = "repeat edge"
    BLACK = "black"
    GREY = "grey"  # facexlib's
    BLURRED = "blurred mirror, as ffhq"


# Left eye, right eye, nose, left and right mouth corner as seen, in pixels of a crop of 112.
ARCFACE = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
# The same points in pixels of a crop of 512.
FFHQ = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)
# And as shares of the crop.
MTCNN = (
    (0.36562865, 0.46733799),
    (0.63305391, 0.46585885),
    (0.50019127, 0.61942959),
    (0.39032951, 0.77598822),
    (0.61178945, 0.77476328),
)
# From one profile over frontal to the other, in pixels of a crop of 112.
GHOST = (
    ((51.642, 50.115), (57.617, 49.990), (35.740, 69.007), (51.157, 89.050), (57.025, 89.702)),
    ((45.031, 50.118), (65.568, 50.872), (39.677, 68.111), (45.177, 86.190), (64.246, 86.758)),
    ((39.730, 51.138), (72.270, 51.138), (56.000, 68.493), (42.463, 87.010), (69.537, 87.010)),
    ((46.845, 50.872), (67.382, 50.118), (72.737, 68.111), (48.167, 86.758), (67.236, 86.190)),
    ((54.796, 49.990), (60.771, 50.115), (76.673, 69.007), (55.388, 89.702), (61.257, 89.050)),
)
SMALLEST, LARGEST = 8, 8192  # pixels of a crop's side
WIDEST = 100  # of a margin, shares of the face box
FACEXLIB_GREY = (132 / 255, 133 / 255, 135 / 255)
BORDERS = {
    Outside.MIRROR: (Border.REFLECT, None),
    Outside.REPEAT: (Border.REPLICATE, None),
    Outside.BLACK: (Border.BLACK, None),
    Outside.GREY: (Border.BLACK, FACEXLIB_GREY),
    Outside.BLURRED: (Border.REPLICATE, None),  # of the picture that `pad` has made larger
}


def targets(template: Template, size: int) -> Tensor:
    """Where a square crop of `size` wants the five points: (K, 5, 2), K to choose the best of.

    The pixel arithmetic is that of each template's own field: arcface and ffhq are scaled about
    the centre of the first pixel, inswapper 256 about its corner.
    """
    arcface, aside = torch.tensor([ARCFACE], dtype=torch.float64), size / 128 * 8
    shift = torch.tensor([aside, 0.0], dtype=torch.float64)
    made = {
        Template.ARCFACE_112: lambda: arcface * size / 112,
        Template.ARCFACE_128: lambda: arcface * size / 128 + shift,
        Template.INSWAPPER_256: lambda: arcface * size / 128 + shift + (size / 256 - 0.5),
        Template.FFHQ: lambda: torch.tensor([FFHQ], dtype=torch.float64) * size / 512,
        Template.MTCNN: lambda: torch.tensor([MTCNN], dtype=torch.float64) * size,
        Template.GHOST: lambda: torch.tensor(GHOST, dtype=torch.float64) * size / 112,
    }
    return made[template]()


def face_matrix(
    face: Face, template: Template, size: int, fit: Fit = Fit.LEAST_SQUARES, margin: float = 1.0
) -> Tensor:
    """From the picture to the crop of `size` that the template frames the face in.

    `margin` counts for "upright with margin" alone: shares of the face box on every side.
    """
    if not torch.isfinite(face.points).all():
        raise ValueError(f"its points are not numbers: {face.points.tolist()}")
    if template is Template.UPRIGHT:
        side = max(face.width, face.height) * (1 + 2 * margin)
        if not side > 0:
            raise ValueError(f"its box has no size: {face.box}")
        return turn(face.centre, face.roll, size / side, ((size - 1) / 2, (size - 1) / 2))
    if template is Template.QUAD:
        return quad_matrix(landmarks(face), size)
    aims = targets(template, size)
    found = [FITS[fit](face.points, aim) for aim in aims]
    misses = [
        (transform(face.points.double(), matrix) - aim).norm(dim=1).sum()
        for matrix, aim in zip(found, aims, strict=True)
    ]
    return found[int(torch.stack(misses).argmin())]


def align(
    images: Tensor,
    faces: Faces,
    template: Template = Template.UPRIGHT,
    size: int = 512,
    fit: Fit = Fit.LEAST_SQUARES,
    margin: float = 1.0,
    outside: Outside = Outside.MIRROR,
    progress: Progress = ignore,
) -> Crops:
    """Every face of `images` (B, H, W, C) as a square crop, in the order of `faces`."""
    faces.require(images)
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size is {size}: choose {SMALLEST} to {LARGEST}")
    if not 0 <= margin <= WIDEST:
        raise ValueError(f"margin is {100 * margin:g} %: choose 0 to {100 * WIDEST} %")
    if images.shape[3] not in (3, 4):
        raise ValueError(
            f"faces cannot be cut out of pictures of shape {tuple(images.shape)}: they need 3 "
            "channels, or 4 with alpha"
        )
    border, fill = BORDERS[outside]
    made: list[Crop] = []
    patches = images.new_empty(len(faces), size, size, 3)
    for number, face in enumerate(faces):
        picture, moved = images[face.frame, ..., :3], None
        try:
            matrix = face_matrix(face, template, size, fit, margin)
        except ValueError as problem:
            raise ValueError(
                f"face {number} (frame {face.frame}) cannot be aligned: {problem}. Leave it out "
                "with Select Faces, or take its points from Refine Landmarks."
            ) from problem
        if outside is Outside.BLURRED:
            picture, moved = pad(picture, matrix, size)
        way = matrix if moved is None else compose(matrix, moved)
        patches[number] = take(picture, way, (size, size), border, fill)
        extent = max(face.width, face.height) * scale_of(matrix)
        made.append(Crop(face.frame, matrix, patches[number], extent))
        progress(number + 1, len(faces))
    return as_crops(made, images, patches, [*faces.notes, *_notes(faces, template)])


def landmarks(face: Face) -> Tensor:
    """(68, 2), the mean shape where nothing was measured."""
    return place(face.points) if face.landmarks68 is None else face.landmarks68


def _notes(faces: Faces, template: Template) -> list[str]:
    if template is not Template.QUAD:
        return []
    guessed = sum(face.landmarks68 is None or face.estimated for face in faces)
    return [f"{guessed} faces framed by the mean shape: they have no 68 landmarks"] * bool(guessed)


def _robust(points: Tensor, target: Tensor) -> Tensor:
    """Least median of squares: a point that does not fit the others does not count."""
    import cv2

    matrix, _ = cv2.estimateAffinePartial2D(
        points.double().numpy(), target.numpy(), method=cv2.LMEDS
    )
    if matrix is None:
        raise ValueError("no similarity can be fitted to its points")
    return torch.from_numpy(matrix)


FITS = {Fit.LEAST_SQUARES: similarity, Fit.ROBUST: _robust}
