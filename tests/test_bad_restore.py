"""Restoring what should not be: faces, pictures, networks, upscalers, parsers as they may come.

Wanted is a result that is as it should be, a face that is left with a reason, or an error that says
what is wrong and the cure.
"""

from __future__ import annotations

import os
from dataclasses import replace
from math import inf, nan

import pytest
import torch
from pack.likeness.face import Face, Faces
from pack.likeness.laid import Way
from pack.likeness.paste import Blend, Method
from pack.likeness.report import describe_restored
from pack.likeness.restoring.covering import Covers
from pack.likeness.restoring.load import load
from pack.likeness.restoring.restore import Restored, Settings, restore_faces
from shapes import smooth
from standins import restorers
from test_align import face_at
from test_guard import Brightness
from test_restore import half_left
from tiny_restorer import TinyRestorer
from torch import Tensor

SIZE = (97, 160)
FINE = face_at(80, 45, 20, 8)
by_method = pytest.mark.parametrize("method", Method)


def pictures(frames: int = 1) -> Tensor:
    return torch.stack([smooth(SIZE, seed) for seed in range(frames)])


def restored(
    images: Tensor | None = None,
    *found: Face,
    restorer=None,
    parser=None,
    analyzer=None,
    enlarge=None,
    **settings,
) -> Restored:
    images = pictures() if images is None else images
    faces = Faces(found or (FINE,), len(images), tuple(images.shape[1:3]))
    settings = {"min_pixels": 0, "max_pixels": 8192} | settings
    done = restore_faces(
        images,
        faces,
        restorer or TinyRestorer(),
        Settings(**settings),
        parser,
        analyzer,
        enlarge,
    )
    assert len(describe_restored(done).splitlines()) > len(faces)
    return done


def with_points(*points: tuple[float, float]) -> Face:
    return replace(FINE, points=torch.tensor(points), landmarks68=None)


def in_place(done: Restored, images: Tensor) -> None:
    """All numbers, in range, and nothing changed but under the mask."""
    assert done.images.isfinite().all()
    assert 0 <= done.images.min() <= done.images.max() <= 1
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])


# --- faces ------------------------------------------------------------------------------------

ODD = {
    "8 px": face_at(80, 45, 4),
    "2 px": face_at(80, 45, 1.1),
    "a box without size": replace(FINE, box=(70.0, 40.0, 70.0, 40.0)),
    "a box of no numbers": replace(FINE, box=(nan, nan, nan, nan)),
    "points on a line": with_points(*((8.0 * number, 5.0 * number) for number in range(5))),
    "points at two places": with_points(*((50.0, 40.0),) * 3, *((60.0, 49.0),) * 2),
    "points mirrored": with_points((60, 30), (40, 30), (50, 42), (58, 52), (42, 52)),
    "upside down": face_at(80, 45, 20, 180),
    "just outside": face_at(170, 45, 20),
    "much larger than the picture": face_at(80, 45, 900),
}


@by_method
@pytest.mark.parametrize("face", ODD.values(), ids=ODD)
@pytest.mark.parametrize("way", Way)
def test_odd_faces_are_restored_where_they_are(face, method, way):
    images = pictures()
    done = restored(images, face, way=way, blend=Blend(method), guard=0.3, analyzer=Brightness())
    assert done.restorations[0].left is None
    in_place(done, images)
    # insightface's edge takes ten pixels.
    assert bool(done.masks.any()) == (method is not Method.INSIGHTFACE or face is not ODD["2 px"])


@pytest.mark.parametrize(
    ("face", "reason"),
    [
        (face_at(5000, -3000, 20), "its points lie outside the picture, around (5000, -2990)"),
        (face_at(1e7, 1e7, 20), "its points lie outside the picture"),
        (face_at(80, -2000, 60), "its points lie outside the picture"),
        (with_points(*((50.0, 40.0),) * 5), "its points are within 0 px of each other"),
        (face_at(80, 45, 0.5), "its points are within 0.5"),
        (face_at(80, 45, 1e-6), "its points are within"),
        (replace(FINE, box=(100.0, 60.0, 20.0, 10.0)), "px, too little to go by"),
        (replace(FINE, box=(-inf, -inf, inf, inf)), "is more than the 8192 px"),
        (face_at(80, 45, 1e6), "is more than the 8192 px"),
    ],
)
def test_faces_that_are_left(face, reason):
    images = pictures()
    done = restored(images, face, FINE)
    assert reason in done.restorations[0].left
    assert done.restorations[1].left is None
    assert torch.equal(done.images, restored(images).images)


@pytest.mark.parametrize("value", [nan, inf])
def test_points_that_are_no_numbers(value):
    points = FINE.points.clone()
    points[2, 0] = value
    done = restored(None, FINE, replace(FINE, points=points), restorer=TinyRestorer())
    assert done.restorations[0].left is None
    assert "its points are not numbers" in done.restorations[1].left
    assert torch.equal(done.images, restored(None, FINE, restorer=TinyRestorer()).images)


def test_no_faces_in_many_pictures():
    images = pictures(3)
    done = restore_faces(images, Faces((), 3, SIZE), TinyRestorer())
    assert torch.equal(done.images, images)
    nothing = restore_faces(images[:0], Faces((), 0, SIZE), TinyRestorer(), Settings(factor=2))
    assert nothing.images.shape == (0, 194, 320, 3)


@pytest.mark.parametrize(
    "faces", [Faces((FINE,), 2, SIZE), Faces((FINE,), 1, (160, 97)), Faces((), 1, (1, 1))]
)
def test_faces_of_other_pictures(faces):
    with pytest.raises(ValueError, match="connect the image that went into Detect Faces"):
        restore_faces(pictures(), faces, TinyRestorer())


# --- pictures ---------------------------------------------------------------------------------


@by_method
@pytest.mark.parametrize("factor", [1.0, 1.7, 2.0])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 200), (200, 1)])
def test_pictures_of_next_to_no_pixels(size, factor, method):
    images = torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(1))
    face = face_at(0.5, 0.5, 10, 5)
    done = restored(
        images, face, factor=factor, blend=Blend(method), guard=0.1, analyzer=Brightness()
    )
    assert done.images.shape[1:3] == tuple(int(side * factor) for side in size)
    assert done.images.isfinite().all()


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_pictures_of_other_channels(channels):
    with pytest.raises(ValueError, match=rf"shape \(1, 97, 160, {channels}\): they need 3 channe"):
        restored(torch.rand(1, *SIZE, channels))


@by_method
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_in_other_precision(dtype, channels, method):
    images = torch.rand(1, *SIZE, channels, generator=torch.Generator().manual_seed(1))
    done = restored(images.to(dtype), blend=Blend(method), guard=0.1, analyzer=Brightness())
    assert done.images.dtype == dtype
    assert torch.equal(done.images[..., 3:], images.to(dtype)[..., 3:])
    single = restored(images, blend=Blend(method), guard=0.1, analyzer=Brightness())
    torch.testing.assert_close(done.images.float(), single.images, atol=0.03, rtol=0)


@pytest.mark.parametrize("value", [nan, inf, -inf, 5.0, -5.0])
@pytest.mark.parametrize("whole", [False, True])
def test_pictures_with_other_values(value, whole):
    images = pictures()
    images[:, 40:44, 70:80] = value
    images = torch.full_like(images, value) if whole else images
    restorer = TinyRestorer()
    done = restored(images, restorer=restorer, guard=0.3, analyzer=Brightness())
    (crops, _), *_ = restorer.given
    assert 0 <= crops.min() <= crops.max() <= 1
    outside = done.masks == 0
    assert outside.any()
    torch.testing.assert_close(
        done.images[outside], images[outside], rtol=0, atol=0, equal_nan=True
    )


def test_many_pictures_with_a_face_each():
    images = pictures(32)
    found = [replace(FINE, frame=number) for number in range(32)]
    done = restored(images, *found)
    assert (done.images != images).flatten(1).any(1).all()
    assert len(done.patches) == 32
    in_place(done, images)


# --- networks ---------------------------------------------------------------------------------

OTHERS = {
    "smaller": lambda crops, fidelity: crops[:, ::2, ::2],
    "larger": lambda crops, fidelity: crops.repeat_interleave(2, 1).repeat_interleave(2, 2),
    "oblong": lambda crops, fidelity: crops[:, :, ::2],
    "fewer": lambda crops, fidelity: crops[:0],
    "more": lambda crops, fidelity: crops.repeat(2, 1, 1, 1),
    "channels first": lambda crops, fidelity: crops.movedim(-1, 1),
    "grey": lambda crops, fidelity: crops[..., :1],
    "with alpha": lambda crops, fidelity: torch.cat([crops, crops[..., :1]], -1),
    "one picture": lambda crops, fidelity: crops[0],
}


@pytest.mark.parametrize("answer", OTHERS.values(), ids=OTHERS)
def test_answers_of_another_shape(answer):
    with pytest.raises(
        ValueError, match=r"^tiny.pth makes \(.*\) of crops of shape \(1, 64, 64, 3\)"
    ):
        restored(restorer=TinyRestorer(answer))


EMPTY = {
    "no numbers": lambda crops, fidelity: crops * nan,
    "one that is none": lambda crops, fidelity: crops.index_fill(1, torch.tensor(5), nan),
    "infinite": lambda crops, fidelity: crops / 0,
    "black": lambda crops, fidelity: torch.zeros_like(crops),
    "far above": lambda crops, fidelity: crops * 0 + 3.0,
}


@pytest.mark.parametrize("answer", EMPTY.values(), ids=EMPTY)
def test_answers_that_show_nothing(answer):
    images = pictures()
    done = restored(images, restorer=TinyRestorer(answer), analyzer=Brightness())
    assert done.restorations[0].left == "the network gave no picture"
    assert torch.equal(done.images, images)
    assert not done.masks.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_answers_in_other_precision(dtype):
    done = restored(restorer=TinyRestorer(lambda crops, fidelity: (1 - crops).to(dtype)))
    torch.testing.assert_close(done.images, restored().images, atol=0.005, rtol=0)
    assert done.patches.dtype == torch.float32


def test_answers_beyond_black_and_white():
    images = pictures()
    beyond = TinyRestorer(lambda crops, fidelity: crops * 9 - 4)
    done = restored(images, restorer=beyond)
    in_place(done, images)
    assert done.patches.max() == 1


def test_answers_that_share_memory_or_can_learn():
    images = pictures(2)
    found = [replace(FINE, frame=number) for number in range(2)]
    factor = torch.ones(1, requires_grad=True)
    shared = TinyRestorer(
        lambda crops, fidelity: (1 - crops[:1] * factor).expand(len(crops), -1, -1, -1)
    )
    done = restored(images, *found, restorer=shared)
    assert not done.images.requires_grad
    assert torch.equal(done.patches[0], done.patches[1])


def test_weights_in_half_precision_on_the_cpu(tmp_path):
    """They are made single: a CPU has next to nothing for the others."""
    tensors = restorers.restoreformer_tensors(restorers.NARROW)
    halves = {name: value.half() for name, value in tensors.items()}
    file = restorers.write(tmp_path / "RestoreFormer.pth", halves)
    done = restored(pictures().half(), restorer=load(file))
    assert done.restorations[0].left is None
    assert done.images.dtype == torch.float16
    assert done.images.isfinite().all()


# --- upscalers and parsers --------------------------------------------------------------------

UPSCALERS = {
    "another shape": lambda image: image.repeat(1, 2, 1, 1),
    "grey": lambda image: image[..., :1],
    "with alpha": lambda image: torch.cat([image, image[..., :1]], -1),
    "two": lambda image: image.repeat(2, 1, 1, 1),
    "none": lambda image: image[:, :0],
    "without a batch": lambda image: image[0],
}


@pytest.mark.parametrize("enlarge", UPSCALERS.values(), ids=UPSCALERS)
def test_upscalers_that_make_something_else(enlarge):
    with pytest.raises(ValueError, match=r"upscale model makes a picture of shape .* choose one"):
        restored(enlarge=enlarge, factor=2)


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_an_upscaler_that_gives_no_numbers(value):
    done = restored(enlarge=lambda image: image * value, factor=2)
    assert done.images.isfinite().all()
    assert done.masks.any()


@pytest.mark.parametrize("times", [0.5, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_an_upscaler_of_any_factor_and_precision(times, dtype):
    images = pictures()

    def enlarge(image: Tensor) -> Tensor:
        made = torch.nn.functional.interpolate(
            image.movedim(-1, 1), scale_factor=times, mode="bilinear"
        )
        return made.movedim(1, -1).to(dtype)

    done = restored(images, enlarge=enlarge, factor=2)
    plain = restored(images, factor=2)
    assert done.images.shape == (1, 194, 320, 3)
    assert done.images.dtype == torch.float32
    assert (done.images - plain.images).abs().max() < 0.05


@by_method
@pytest.mark.parametrize("covers", [Covers.PARSED, Covers.BOTH])
@pytest.mark.parametrize("value", [0.0, nan])
def test_a_parser_that_sees_no_head(value, covers, method):
    """Nothing is put back, and the face is like itself."""
    parser, images = half_left(), pictures()
    parser.network.forward = lambda crops: (torch.full((len(crops), 19, 512, 512), value),)
    done = restored(
        images,
        parser=parser,
        covers=covers,
        blend=Blend(method, colour=1.0, grain=1.0),
        guard=0.1,
        analyzer=Brightness(),
    )
    assert torch.equal(done.images, images)
    (one,) = done.restorations
    assert (one.amount, one.change, one.seam) == (1.0, 0.0, None)
    assert one.likeness == pytest.approx(1.0)


# --- what comes by a wrong wire ---------------------------------------------------------------


@pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="needs ComfyUI's own modules")
@pytest.mark.parametrize("wire", [None, torch.zeros(1, 8, 8, 3), "GFPGANv1.4.pth", Brightness()])
def test_wires_that_bring_something_else(wire):
    from pack.nodes.restore import enlarger, taken

    with pytest.raises(ValueError, match=r"^restorer: a .* restores no faces: connect Load Face"):
        taken(wire)
    if wire is not None:
        with pytest.raises(ValueError, match=r"^upscale_model: a .* makes nothing larger: connect"):
            enlarger(wire)
