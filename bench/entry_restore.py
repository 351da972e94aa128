"""Six faces cut out, given to a network of one line and pasted back, against facexlib's helper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import torch
from entry_paste import as_bgr, picture
from measure import Goal, Kind, Row, in_turn
from torch import Tensor

PAIRS = 5
SIDE = 512
FRAME = (2160, 3840)
CROPS = (250, 300, 360, 430, 540, 700)  # sides of the crops in the picture


def rows() -> Iterator[Row]:
    for parse, told in ((True, "parsed mask"), (False, "square mask")):
        images, faces = picture(FRAME), _six_faces()
        theirs = _theirs(images, faces, parse)
        for ours, what in (
            (_align_and_paste(images, faces, parse), "six faces in 4K"),
            (_restore_faces(images, faces, parse), "all of Restore Faces"),
        ):
            theirs_now = torch.from_numpy(theirs()[..., ::-1].copy())
            difference = (ours() * 255 - theirs_now).abs()
            assert difference.mean() < 0.5, f"pasted otherwise than facexlib: {difference.mean()}"
            pairs = in_turn(theirs, ours, PAIRS)
            what = f"{what}, {told}, against facexlib's align and paste"
            yield Row("restore", what, pairs, Goal(Kind.FASTER, 10))


def _theirs(images: Tensor, faces, parse: bool) -> Callable[[], np.ndarray]:
    bgr, helper = as_bgr(images[0]), _helper(parse)
    points = [face.points.numpy() for face in faces]

    def theirs() -> np.ndarray:
        helper.clean_all()
        helper.read_image(bgr)
        helper.all_landmarks_5 = points
        helper.align_warp_face()
        helper.get_inverse_affine()
        for crop in helper.cropped_faces:
            helper.add_restored_face(255 - crop)
        return helper.paste_faces_to_input_image()

    return theirs


def _align_and_paste(images: Tensor, faces, parse: bool) -> Callable[[], Tensor]:
    from pack.likeness.align import Fit, Outside, Template, align
    from pack.likeness.paste import Blend, Method, paste

    blend, kept = Blend(Method.FACEXLIB), oval() if parse else None

    def ours() -> Tensor:
        crops = align(images, faces, Template.FFHQ, SIDE, Fit.ROBUST, outside=Outside.GREY)
        patches = 1 - crops.patches
        return paste(images, patches, crops, blend=blend, patch_masks=kept).images[0]

    return ours


def _restore_faces(images: Tensor, faces, parse: bool) -> Callable[[], Tensor]:
    from pack.likeness.paste import Blend, Method
    from pack.likeness.restoring.covering import Covers
    from pack.likeness.restoring.restore import Settings, restore_faces

    covers = Covers.PARSED if parse else Covers.SQUARE
    settings = Settings(covers=covers, blend=Blend(Method.FACEXLIB))
    classes, restorer = oval().to(torch.uint8), negative()

    def parser(crops: Tensor) -> Tensor:
        return classes.expand(len(crops), -1, -1)

    return lambda: restore_faces(images, faces, restorer, settings, parser).images[0]


def negative():
    """A restorer of one line."""
    from pack.likeness.align import Template

    return SimpleNamespace(
        name="negative",
        size=SIDE,
        template=Template.FFHQ,
        batch=1,  # as on a CPU
        has_fidelity=False,
        notes=(),
        restore=lambda crops, fidelity: 1 - crops,
        safer=lambda: None,
    )


def _six_faces():
    from pack.likeness.face import Faces

    found = [
        face_at((650.0 + 1250 * (number % 3), 600.0 + 950 * (number // 3)), side, 10 - 4 * number)
        for number, side in enumerate(CROPS)
    ]
    return Faces(tuple(found), 1, FRAME)


def face_at(centre: tuple[float, float], side: float, roll: float):
    """A face whose crop has this centre, side and turn in degrees."""
    from pack.likeness.align import FFHQ
    from pack.likeness.face import Face
    from pack.likeness.geometry import invert, transform, turn

    matrix = invert(turn(centre, roll, SIDE / side, ((SIDE - 1) / 2, (SIDE - 1) / 2)))
    (x, y), half = centre, side / 3
    points = transform(torch.tensor(FFHQ), matrix)
    return Face(0, (x - half, y - half, x + half, y + half), points, 1.0)


def oval() -> Tensor:
    """What every face is parsed to: (1, h, w), 1 inside."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return ((((x - 256) / 150) ** 2 + ((y - 270) / 200) ** 2) < 1).float()[None]


def _helper(parse: bool):
    """facexlib's own, without the networks that it would fetch; the parser's answer is ready."""
    from facexlib.utils import face_restoration_helper as module

    found = torch.zeros(1, 19, SIDE, SIDE)
    found[:, :2] = torch.stack([1 - oval(), oval()], dim=1)
    module.init_detection_model = lambda *_, **__: None
    module.init_parsing_model = lambda *_, **__: lambda face: (found, face)
    return module.FaceRestoreHelper(1, face_size=SIDE, device="cpu", use_parse=parse)
