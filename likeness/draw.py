"""Showing faces on a picture: a numbered box, the points and the score of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .face import Face, Faces
from .progress import Progress, ignore

if TYPE_CHECKING:
    from PIL.Image import Image as Canvas

COLOURS = ("#00d1b2", "#ffb000", "#ff5c8a", "#7aa2ff", "#b4e14b", "#d78bff")
SMOOTHED = 2048  # pictures up to this long side are drawn at twice their size


def draw_faces(images: Tensor, faces: Faces, progress: Progress = ignore) -> Tensor:
    """The pictures (B, H, W, C) as (B, H, W, 3), drawn on; elsewhere bit for bit the same."""
    faces.require(images)
    rgb = images.expand(-1, -1, -1, 3) if images.shape[-1] == 1 else images[..., :3]
    drawn = rgb.clone(memory_format=torch.contiguous_format)
    for frame, image in enumerate(drawn):
        if here := faces.of(frame):
            _lay_over(image, _canvas(here, faces.size))
        progress(frame + 1, len(images))
    return drawn


def _lay_over(image: Tensor, canvas: Canvas) -> None:
    """Draw into `image`, in the rectangle that something was drawn in."""
    zoom = canvas.height // image.shape[0]
    box = canvas.getbbox()
    if box is None:
        return
    left, top = box[0] // zoom, box[1] // zoom
    right, bottom = -(-box[2] // zoom), -(-box[3] // zoom)
    part = canvas.crop((left * zoom, top * zoom, right * zoom, bottom * zoom))
    overlay = _reduce(part, zoom).to(image)
    colour, coverage = overlay[..., :3], overlay[..., 3:]
    below = image[top:bottom, left:right]
    below.copy_(torch.where(coverage > 0, below.lerp(colour, coverage), below))


def _canvas(faces: list[Face], size: tuple[int, int]) -> Canvas:
    """What is drawn over a frame, a transparent picture of it or of twice its size."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = size
    zoom = 2 if max(size) <= SMOOTHED else 1
    canvas = Image.new("RGBA", (width * zoom, height * zoom))
    pen = ImageDraw.Draw(canvas)
    line = max(1, round(max(size) * zoom / 300))
    font = ImageFont.load_default(size=max(10, line * 9))
    for number, face in enumerate(faces):
        colour = COLOURS[number % len(COLOURS)]
        x0, y0, x1, y1 = ((edge + 0.5) * zoom for edge in face.box)
        pen.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=colour, width=line)
        _draw_points(pen, face, colour, zoom, line)
        label = f" {number}  {face.score:.2f} "
        _draw_label(pen, label, (x0, y0), canvas.size, colour, font)
    return canvas


def _draw_points(pen, face: Face, colour: str, zoom: int, line: int) -> None:
    dense = [] if face.landmarks68 is None else face.landmarks68.tolist()
    for x, y in dense:
        pen.circle(((x + 0.5) * zoom, (y + 0.5) * zoom), line * 0.6, fill=colour)
    for x, y in face.points.tolist():
        pen.circle(((x + 0.5) * zoom, (y + 0.5) * zoom), line * 1.5, fill=colour, outline="black")


def _draw_label(
    pen, label: str, corner: tuple[float, float], size: tuple[int, int], colour: str, font
) -> None:
    """A filled tag on top of the box, moved to where it is inside the picture (width, height)."""
    x, y = corner
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    width, height = right - left, bottom + top
    y = y - height if y >= height else y
    x, y = max(min(x, size[0] - 1 - width), 0), max(min(y, size[1] - 1 - height), 0)
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x, y), label, font=font, fill="black")


def _reduce(canvas: Canvas, zoom: int) -> Tensor:
    """Colour and coverage, (H, W, 4), 0..1: averages of zoom x zoom pixels, weighed by coverage."""
    pixels = torch.from_numpy(np.array(canvas)).float().div(255)
    height, width = (side // zoom for side in pixels.shape[:2])
    blocks = pixels.view(height, zoom, width, zoom, 4)
    alpha = blocks[..., 3:]
    coverage = alpha.mean((1, 3))
    colour = (blocks[..., :3] * alpha).mean((1, 3)) / coverage.clamp(min=1e-6)
    return torch.cat([colour, coverage], dim=-1)
