"""Drawing leaves alone what it does not draw on."""

from __future__ import annotations

import pytest
import torch
from pack.likeness.draw import draw_faces
from pack.likeness.face import Face, Faces

POINTS = torch.tensor([[50.0, 40], [70, 40], [60, 50], [52, 60], [68, 60]])


def faces(size: tuple[int, int], frames: int = 2) -> Faces:
    return Faces((Face(1, (40.0, 25.0, 80.0, 75.0), POINTS, 0.9),), frames, size)


@pytest.mark.parametrize("size", [(97, 160), (160, 97)])
def test_only_the_drawing_changes(size):
    images = torch.rand(2, *size, 3)
    before = images.clone()
    drawn = draw_faces(images, faces(size))
    assert torch.equal(images, before)
    assert torch.equal(drawn[0], images[0])
    changed = (drawn[1] != images[1]).any(-1)
    assert changed[25, 41:80].all()  # the top edge of the box
    assert changed[75, 41:80].all()
    assert changed[40, 50]
    assert not changed[30, 75]  # inside the box, beside the tag and the points
    assert not changed[90:, :].any()
    assert not changed[:, 90:].any()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_and_rgba_pictures_come_out_as_rgb(channels):
    drawn = draw_faces(torch.rand(2, 97, 160, channels), faces((97, 160)))
    assert drawn.shape == (2, 97, 160, 3)


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match="Detect Faces"):
        draw_faces(torch.rand(2, 98, 160, 3), faces((97, 160)))


def test_a_face_far_outside_and_a_picture_of_one_pixel_are_drawn():
    face = Face(0, (-500.0, -500.0, -400.0, -400.0), POINTS, 0.1)
    assert draw_faces(torch.rand(1, 1, 1, 3), Faces((face,), 1, (1, 1))).shape == (1, 1, 1, 3)


@pytest.mark.parametrize(
    "box",
    [(40, -60, 80, 75), (-60, 60, 80, 120), (150, 60, 200, 120), (40, 400, 80, 460)],
    ids=["above", "left", "right", "below"],
)
def test_the_number_of_a_face_that_leaves_the_picture_is_in_it(box):
    def tag(box) -> torch.Tensor:
        """Pixels in the middle of 3 x 3 that are all drawn on: no line is as thick."""
        face = Face(0, tuple(map(float, box)), POINTS + 1000, 0.9)
        images = torch.full((1, 200, 160, 3), 0.5)
        kept = (draw_faces(images, Faces((face,), 1, (200, 160))) == images).all(-1).float()
        return torch.nn.functional.max_pool2d(kept[None], 3, 1) == 0

    whole = tag((60, 100, 100, 140)).sum()
    assert whole > 50
    assert tag(box).sum() > 0.9 * whole


def test_progress_hears_every_frame():
    heard = []
    draw_faces(torch.rand(2, 97, 160, 3), faces((97, 160)), lambda *done: heard.append(done))
    assert heard == [(1, 2), (2, 2)]
