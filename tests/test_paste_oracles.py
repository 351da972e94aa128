"""Cutting and pasting against insightface's INSwapper and facexlib's FaceRestoreHelper themselves.

Faces that insightface pastes into less than half of the patch's size are another matter: they are
averaged here, while it picks single pixels.
"""

from __future__ import annotations

import contextlib
import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pack.likeness.align import Fit, Outside, Template, align
from pack.likeness.crop import Crop
from pack.likeness.face import Faces
from pack.likeness.geometry import scale_of
from pack.likeness.paste import Blend, Method, paste
from standins.swapper import write_swapper
from test_align import batch, face_at, smooth

SIZES = [(97, 160), (160, 97), (700, 900)]
# The middle of the face and the distance of its eyes, as shares of the picture, and its turn.
PLACES = {
    "nearly upright": (0.5, 0.45, 0.22, 3),
    "turned": (0.45, 0.5, 0.25, 25),
    "on its side": (0.55, 0.5, 0.23, -70),
    "half outside": (0.02, 0.5, 0.3, 12),
    "over the corner": (0.98, 0.96, 0.32, -20),
    "larger than the picture": (0.5, 0.55, 1.1, 8),
}
everywhere = pytest.mark.parametrize("place", PLACES)
every_size = pytest.mark.parametrize("size", SIZES)


def picture(size: tuple[int, int]) -> torch.Tensor:
    """(1, H, W, 3) of whole numbers out of 255."""
    return (smooth(*size, seed=3) * 255).round() / 255


def as_bgr(image: torch.Tensor) -> np.ndarray:
    """(H, W, 3) as OpenCV has it."""
    return np.ascontiguousarray((image * 255).round().byte().numpy()[..., ::-1])


def as_rgb(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).float() / 255


def one_face(size: tuple[int, int], place: str) -> Faces:
    x, y, eyes, roll = PLACES[place]
    return batch(size, face_at(x * size[1], y * size[0], eyes * min(size), roll))


def hold(ours: torch.Tensor, theirs: np.ndarray, before: torch.Tensor, crop: Crop) -> None:
    """Ours (H, W, 3), cut off as theirs (BGR) are, may differ by 2, hardly ever by more than 1.

    They round the patch before they cut off, which makes 0.5 on average where it takes the place.
    Along the outer edge of the patch small faces get a dark fringe from them, which ours do not:
    their masks reach out there, and farther where the edge meets the picture's own.
    """
    theirs = theirs[..., ::-1]
    cut_off = (ours * 255 + 1e-3).clamp(0, 255).floor().numpy()
    difference = np.abs(cut_off - theirs)
    changed = (theirs != (before * 255).round().numpy()).any(-1).mean()
    assert changed > 0
    inside, fringe = under(crop, before.shape[:2], 1), under(crop, before.shape[:2], -1.5)
    assert difference[inside].max(initial=0) <= 2
    assert (difference[inside] > 1).sum() <= 1e-4 * difference.size
    assert difference[~fringe].max(initial=0) <= 2
    assert difference.mean() < 0.06 + 0.5 * changed


def under(crop: Crop, size: tuple[int, int], pixels: float) -> np.ndarray:
    """The pixels (H, W) of the picture that are so many pixels of either inside the patch."""
    y, x = np.indices(size)
    at = np.stack([x, y], axis=-1) @ crop.matrix[:, :2].numpy().T + crop.matrix[:, 2].numpy()
    pixels *= max(1.0, scale_of(crop.matrix))
    last = np.array(crop.original.shape[1::-1]) - 1
    return ((at >= pixels) & (at <= last - pixels)).all(-1)


# --- insightface -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swapper(tmp_path_factory):
    """insightface's own class on a network that answers with the negative of the face."""
    from insightface.model_zoo.inswapper import INSwapper

    file = write_swapper(tmp_path_factory.mktemp("swapper") / "inswapper_128.onnx")
    with contextlib.redirect_stdout(io.StringIO()):
        return INSwapper(str(file))


def swapped(swapper, bgr: np.ndarray, faces: Faces, paste_back: bool):
    face = SimpleNamespace(kps=faces.found[0].points.numpy())
    source = SimpleNamespace(normed_embedding=np.full(512, 512**-0.5, np.float32))
    return swapper.get(bgr, face, source, paste_back=paste_back)


@every_size
@everywhere
def test_insightface_cuts_the_same_crop(size, place):
    from insightface.utils.face_align import norm_crop2

    images, faces = picture(size), one_face(size, place)
    crops = align(images, faces, Template.ARCFACE_128, 128, outside=Outside.BLACK)
    theirs, matrix = norm_crop2(as_bgr(images[0]), faces.found[0].points.numpy(), 128)
    assert np.abs(matrix - crops.cut[0].matrix.numpy()).max() < 1e-3
    if scale_of(crops.cut[0].matrix) > 0.5:  # what is reduced by more is averaged
        assert (crops.patches[0] - as_rgb(theirs)).abs().max() < 0.6 / 255


@every_size
@everywhere
def test_insightface_pastes_the_same(swapper, size, place):
    images, faces = picture(size), one_face(size, place)
    kept, bgr = images.clone(), as_bgr(images[0])
    theirs = swapped(swapper, bgr, faces, paste_back=True)
    fake, _ = swapped(swapper, bgr, faces, paste_back=False)
    crops = align(images, faces, Template.ARCFACE_128, 128, outside=Outside.BLACK)
    patches = as_rgb(fake)[None]
    ours = paste(images, patches, crops, blend=Blend(Method.INSIGHTFACE)).images
    hold(ours[0], theirs, images[0], crops.cut[0])
    assert torch.equal(images, kept)


@pytest.mark.parametrize("eyes", [4, 1000])
def test_insightface_pastes_tiny_and_huge_faces_the_same(swapper, eyes):
    """Crops of 12 and of 3000 pixels of the picture."""
    size = (700, 900)
    images, faces = picture(size), batch(size, face_at(450, 330, eyes, 9))
    bgr = as_bgr(images[0])
    theirs = swapped(swapper, bgr, faces, paste_back=True)
    fake, _ = swapped(swapper, bgr, faces, paste_back=False)
    crops = align(images, faces, Template.ARCFACE_128, 128, outside=Outside.BLACK)
    blend = Blend(Method.INSIGHTFACE)
    ours = paste(images, as_rgb(fake)[None], crops, blend=blend).images
    hold(ours[0], theirs, images[0], crops.cut[0])


# --- facexlib --------------------------------------------------------------------------------


def classes(side: int) -> torch.Tensor:
    """What a parsing network could have found: skin, a mouth, hair, a hat, a neck.

    What is kept stays away from the outer edge: facexlib cuts it off there, and OpenCV, which puts
    a mask of doubles down to 1/32 of a pixel, is 4 of 255 off along such a cut.
    """
    middles = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    found = torch.zeros(side, side, dtype=torch.long)
    found[y > 0.8] = 17
    found[((x - 0.5) / 0.31) ** 2 + ((y - 0.52) / 0.3) ** 2 < 1] = 1
    found[((x - 0.5) / 0.12) ** 2 + ((y - 0.72) / 0.05) ** 2 < 1] = 10
    found[((x - 0.5) / 0.2) ** 2 + ((y - 0.3) / 0.1) ** 2 < 1] = 13
    found[(y < 0.35) & (x < 0.4)] = 14
    return found


def helper_of(monkeypatch, parse: bool, side: int):
    """facexlib's own class; its networks, which it would fetch, find what is given to them."""
    from facexlib.utils import face_restoration_helper as module

    logits = torch.nn.functional.one_hot(classes(512), 19).movedim(-1, 0)[None].float()
    monkeypatch.setattr(module, "init_detection_model", lambda *_, **__: None)
    monkeypatch.setattr(module, "init_parsing_model", lambda *_, **__: lambda face: (logits, face))
    return module.FaceRestoreHelper(1, face_size=side, device="cpu", use_parse=parse)


KEPT = [*range(1, 14), 15]  # the classes that facexlib pastes


@every_size
@everywhere
@pytest.mark.parametrize("parse", [False, True], ids=["square", "parsed"])
def test_facexlib_cuts_and_pastes_the_same(monkeypatch, size, place, parse):
    images, faces = picture(size), one_face(size, place)
    side = 512 if min(size) > 500 else 128
    theirs = helper_of(monkeypatch, parse, side)
    theirs.read_image(as_bgr(images[0]))
    theirs.all_landmarks_5 = [faces.found[0].points.numpy()]
    theirs.align_warp_face()
    crops = align(images, faces, Template.FFHQ, side, Fit.ROBUST, outside=Outside.GREY)
    crop = crops.cut[0]
    if scale_of(crop.matrix) > 0.5:  # what is reduced by more is averaged
        aligned = as_rgb(theirs.cropped_faces[0])
        assert (crops.patches[0] - aligned).abs().max() < 0.6 / 255
    restored = 255 - theirs.cropped_faces[0]
    theirs.get_inverse_affine()
    theirs.add_restored_face(restored)
    pasted = theirs.paste_faces_to_input_image()
    masks = torch.isin(classes(512), torch.tensor(KEPT)).float()[None] if parse else None
    blend = Blend(Method.FACEXLIB)
    ours = paste(images, as_rgb(restored)[None], crops, blend=blend, patch_masks=masks).images
    hold(ours[0], pasted, images[0], crop)
