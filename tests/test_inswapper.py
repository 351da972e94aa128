"""Swapping with inswapper and ReSwapper, held against insightface's own."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import handmade
import numpy as np
import pytest
import torch
from pack.likeness.align import Outside, Template, align
from pack.likeness.crop import Crops
from pack.likeness.face import Face, Faces
from pack.likeness.identity import Identity
from pack.likeness.paste import Blend, Method, paste
from pack.likeness.swapping.inswapper import SPACE, load
from standins.reswapper import random_emap, write_reswapper

NAME = "inswapper_128.onnx"
# The eyes, the nose and the corners of the mouth in scikit-image's picture of an astronaut.
ASTRONAUT = ((200.0, 104.0), (246.0, 104.0), (222.0, 128.0), (204.0, 147.0), (242.0, 147.0))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write_reswapper(tmp_path_factory.mktemp("swapper") / NAME)


def example(count: int = 1, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (N, S, S, 3) and latents."""
    random = torch.Generator().manual_seed(1)
    latents = torch.randn(count, 512, generator=random)
    crops = torch.rand(count, size, size, 3, generator=random)
    return crops, latents / latents.norm(dim=1, keepdim=True)


def person(seed: int = 5, space: str = SPACE) -> Identity:
    embedding = np.random.default_rng(seed).normal(size=512).astype(np.float32)
    return Identity("Ann", torch.from_numpy(embedding / np.linalg.norm(embedding)), space)


def test_a_file_for_256_pixels(tmp_path):
    """insightface takes it for a recogniser; its size is that of its input."""
    swapper = load(write_reswapper(tmp_path / "inswapper_128.onnx", size=256))
    assert swapper.size == 256
    face = handmade.measured(60, 200, 150)
    points = torch.cat([face.points.double(), torch.ones(5, 1)], 1) @ swapper.frame(face).T
    smaller = load(write_reswapper(tmp_path / NAME)).frame(face)
    before = torch.cat([face.points.double(), torch.ones(5, 1)], 1) @ smaller.T
    assert (points - (2 * before + 0.5)).abs().max() < 1e-6


def test_the_latent(file):
    """The row of the embedding times the map, then of length 1."""
    swapper = load(file)
    embedding = person().embedding.numpy()
    row = embedding @ random_emap()
    found = swapper.source(person())
    assert np.abs(found.numpy() - row / np.linalg.norm(row)).max() < 1e-6
    face = Face(0, (0, 0, 9, 9), torch.zeros(5, 2), 1.0, embedding=person().embedding * 23)
    own = swapper.own(replace(face, space=SPACE), torch.zeros(128, 128, 3))
    assert (own - found).abs().max() < 1e-6


def test_embeddings_of_other_networks_are_refused(file):
    swapper = load(file)
    with pytest.raises(ValueError, match=r"of Ann is by glintr100.*inswapper_128\.onnx needs one"):
        swapper.source(person(space="glintr100"))
    face = Face(0, (0, 0, 9, 9), torch.zeros(5, 2), 1.0)
    with pytest.raises(ValueError, match=r"a face in the picture has no embedding.*strength to 1"):
        swapper.own(face, torch.zeros(128, 128, 3))
    other = replace(face, embedding=person().embedding, space="glintr100")
    with pytest.raises(
        ValueError, match=r"by glintr100, and inswapper_128\.onnx needs one by w600k"
    ):
        swapper.own(other, torch.zeros(128, 128, 3))


def test_a_batch(file):
    swapper, (crops, latents) = load(file), example(3)
    kept = crops.clone()
    together = swapper.swap(crops, latents)
    assert torch.equal(crops, kept)
    assert (together.shape, together.dtype) == (crops.shape, torch.float32)
    for number in range(3):
        alone = swapper.swap(crops[number : number + 1], latents[number : number + 1])
        assert (alone[0] - together[number]).abs().max() < 1e-5


@pytest.mark.parametrize(("dtype", "least"), [(torch.bfloat16, 0.02), (torch.float16, 0.003)])
def test_half_precision_and_the_safer_way(file, dtype, least):
    swapper, (crops, latents) = load(file), example()
    assert swapper.safer() is None
    exact = swapper.swap(crops, latents)
    half = swapper.to(dtype)
    made = half.swap(crops, latents)
    assert made.dtype == torch.float32
    assert 0 < (made - exact).abs().mean() < least
    assert torch.equal(half.source(person()), load(file).source(person()))
    safer = half.safer()
    assert {weight.dtype for weight in safer.parameters()} == {torch.float32}
    assert {weight.dtype for weight in half.parameters()} == {dtype}
    assert (safer.swap(crops, latents) - exact).abs().mean() < least  # its weights were rounded
    assert (safer.name, safer.size, safer.notes) == (half.name, half.size, half.notes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_on_a_gpu(file, dtype):
    swapper, (crops, latents) = load(file), example(3)
    exact = swapper.swap(crops, latents)
    swapper = swapper.to("cuda", dtype)
    made = swapper.swap(crops, latents)
    assert (made.device.type, made.dtype) == ("cpu", torch.float32)
    assert (made - exact).abs().mean() < 0.02
    assert swapper.swap(crops.cuda(), latents).is_cuda
    assert swapper.batch > 1


def test_a_whole_swap_is_insightfaces(file):
    """Its own INSwapper on a photograph with the same file: the crop, the latent, the network.

    It rounds the crop to 8 bits before the network and cuts the answer off at 8 bits.
    """
    from insightface.model_zoo.inswapper import INSwapper
    from skimage import data

    with contextlib.redirect_stdout(io.StringIO()):
        theirs = INSwapper(str(file))
    picture, points = data.astronaut(), np.array(ASTRONAUT, np.float32)
    face = Face(0, (165, 45, 275, 190), torch.from_numpy(points), 1.0)
    given = (
        SimpleNamespace(kps=points),
        SimpleNamespace(normed_embedding=person().embedding.numpy()),
    )
    bgr = np.ascontiguousarray(picture[..., ::-1])
    patch, matrix = theirs.get(bgr, *given, paste_back=False)

    swapper, images = load(file), torch.from_numpy(picture)[None].float() / 255
    crops = cut(images, face)
    assert torch.equal(crops.cut[0].matrix, swapper.frame(face))
    assert np.abs(crops.cut[0].matrix.numpy() - matrix).max() < 1e-4
    made = swapper.swap(crops.patches, swapper.source(person())[None])
    ours = np.floor(made[0].numpy() * 255 + 1e-3)
    apart = np.abs(ours - patch[..., ::-1])
    assert patch.std() > 20
    assert apart.max() <= 2
    assert apart.mean() < 0.3
    assert (apart > 1).mean() < 5e-4

    pasted = theirs.get(bgr, *given, paste_back=True)[..., ::-1]
    own = torch.from_numpy(np.ascontiguousarray(patch[..., ::-1]))[None].float() / 255
    laid = paste(images, own, crops, blend=Blend(Method.INSIGHTFACE)).images[0]
    apart = np.abs(np.floor(laid.numpy() * 255 + 1e-3) - pasted)
    assert (pasted != picture).any(-1).mean() > 0.01
    assert apart.max() <= 2
    assert apart.mean() < 0.06
    assert (apart > 1).mean() < 1e-4


def cut(images: torch.Tensor, face: Face) -> Crops:
    faces = Faces((face,), 1, tuple(images.shape[1:3]))
    return align(images, faces, Template.INSWAPPER_256, 128, outside=Outside.BLACK)
