"""Cutting six faces out for a restorer and pasting them back, against facexlib's helper."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from entry_paste import as_bgr, picture
from measure import Goal, Kind, Row, in_turn

PAIRS = 5
SIDE = 512
FRAME = (2160, 3840)
CROPS = (250, 300, 360, 430, 540, 700)  # sides of the crops in the picture


def rows() -> Iterator[Row]:
    for parse, what in ((True, "parsed mask"), (False, "square mask")):
        yield _row(parse, f"six faces in 4K, {what}, against facexlib's align and paste")


def _row(parse: bool, what: str) -> Row:
    from pack.likeness.align import Fit, Outside, Template, align
    from pack.likeness.paste import Blend, Method, paste

    images, faces, blend = picture(FRAME), _six_faces(), Blend(Method.FACEXLIB)
    bgr = as_bgr(images[0])
    points = [face.points.numpy() for face in faces]
    helper, kept = _helper(parse), _oval() if parse else None
    results = []

    def theirs() -> None:
        helper.clean_all()
        helper.read_image(bgr)
        helper.all_landmarks_5 = points
        helper.align_warp_face()
        helper.get_inverse_affine()
        for crop in helper.cropped_faces:
            helper.add_restored_face(255 - crop)
        results[:] = [helper.paste_faces_to_input_image()]

    def ours() -> None:
        crops = align(images, faces, Template.FFHQ, SIDE, Fit.ROBUST, outside=Outside.GREY)
        patches = 1 - crops.patches
        pasted = paste(images, patches, crops, blend=blend, patch_masks=kept)
        results.append(pasted.images[0])

    theirs(), ours()
    difference = (results[1] * 255 - torch.from_numpy(results[0][..., ::-1].copy())).abs()
    assert difference.mean() < 0.5, f"pasted otherwise than facexlib: {difference.mean()}"
    return Row("restore", what, in_turn(theirs, ours, PAIRS), Goal(Kind.FASTER, 10))


def _six_faces():
    from pack.likeness.align import FFHQ
    from pack.likeness.face import Face, Faces
    from pack.likeness.geometry import invert, transform, turn

    found, middle = [], ((SIDE - 1) / 2, (SIDE - 1) / 2)
    for number, side in enumerate(CROPS):
        centre = (650.0 + 1250 * (number % 3), 600.0 + 950 * (number // 3))
        matrix = invert(turn(centre, 10 - 4 * number, SIDE / side, middle))
        points = transform(torch.tensor(FFHQ), matrix)
        x, y, half = *centre, side / 3
        found.append(Face(0, (x - half, y - half, x + half, y + half), points, 1.0))
    return Faces(tuple(found), 1, FRAME)


def _oval() -> torch.Tensor:
    """What every face is parsed to: (1, h, w), 1 inside."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return ((((x - 256) / 150) ** 2 + ((y - 270) / 200) ** 2) < 1).float()[None]


def _helper(parse: bool):
    """facexlib's own, without the networks that it would fetch; the parser's answer is ready."""
    from facexlib.utils import face_restoration_helper as module

    found = torch.zeros(1, 19, SIDE, SIDE)
    found[:, :2] = torch.stack([1 - _oval(), _oval()], dim=1)
    module.init_detection_model = lambda *_, **__: None
    module.init_parsing_model = lambda *_, **__: lambda face: (found, face)
    return module.FaceRestoreHelper(1, face_size=SIDE, device="cpu", use_parse=parse)
