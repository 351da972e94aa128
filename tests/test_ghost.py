"""ghost as a swapper: its crops, whom it takes for whom, and its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import handmade
import numpy as np
import pytest
import torch
from pack.likeness.align import GHOST
from pack.likeness.crop import take
from pack.likeness.face import Face
from pack.likeness.geometry import transform
from pack.likeness.identity import Identity, Portrait
from pack.likeness.nets.aei import FILE, Kind
from pack.likeness.pixels.raster import Border
from pack.likeness.swapping.ghost import SPACE, Ghost, load
from pack.likeness.weights import OtherNetwork
from skimage import data
from skimage.transform import SimilarityTransform
from standins.ghost import generator, recogniser, write_backbone, write_ghost
from standins.reswapper import write_reswapper
from torch.nn import functional

BACKBONE = "backbone.pth"
# The eyes, the nose and the corners of the mouth in scikit-image's picture of an astronaut.
ASTRONAUT = torch.tensor(
    [[200.0, 104.0], [246.0, 104.0], [222.0, 128.0], [204.0, 147.0], [242.0, 147.0]]
)


@pytest.fixture(scope="module")
def swapper(tmp_path_factory) -> Ghost:
    return load(write_ghost(tmp_path_factory.mktemp("ghost") / FILE))


def photograph() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()).float() / 255


def astronaut(shift: float = 0.0) -> Face:
    return Face(0, (165, 45, 275, 190), ASTRONAUT + shift, 1.0)


def ann(space: str | None = "w600k_r50") -> Identity:
    embedding = torch.from_numpy(np.random.default_rng(3).normal(size=512)).float()
    portrait = Portrait(photograph(), astronaut())
    return Identity("Ann", embedding / embedding.norm(), space, 21.5, portrait=portrait)


def crop_224(picture: torch.Tensor, points: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The crop (224, 224, 3) as ghost cuts it, and its matrix: the best of five templates."""
    found = []
    for template in np.array(GHOST) * 2:
        fitted = SimilarityTransform.from_estimate(points.double().numpy(), template)
        miss = np.linalg.norm(fitted(points.double().numpy()) - template, axis=1).sum()
        found.append((miss, fitted.params[:2]))
    matrix = min(found, key=lambda each: each[0])[1]
    return cv2.warpAffine(picture.numpy(), matrix, (224, 224), borderValue=0), matrix


def identity_of(crop: np.ndarray) -> torch.Tensor:
    """What ghost's recogniser makes of a crop (224, 224, 3), 0..1."""
    seen = ((torch.from_numpy(crop) - 0.5) / 0.5).permute(2, 0, 1)[None]
    halved = functional.interpolate(seen, scale_factor=0.5, mode="bilinear", align_corners=True)
    return recogniser()(halved)[0]


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


def looking_aside(degrees: float) -> Face:
    """The nose and the mouth nearer to one eye."""
    face = handmade.measured(60, 200, 150)
    moved = torch.tensor([[0.0, 0], [0, 0], [degrees, 0], [degrees / 2, 0], [degrees / 2, 0]])
    return replace(face, points=face.points + moved)


@pytest.mark.parametrize("aside", [-60, -30, 0, 30, 60])
def test_crops(swapper, aside):
    """Those of 224 pixels, enlarged to 256 edge to edge."""
    face = looking_aside(aside)
    _, matrix = crop_224(photograph(), face.points)
    points = face.points.double().numpy() @ matrix[:, :2].T + matrix[:, 2]
    enlarged = (points + 0.5) * 256 / 224 - 0.5
    assert (
        np.abs(transform(face.points.double(), swapper.frame(face)).numpy() - enlarged).max() < 1e-4
    )


def test_a_crop_of_a_photograph(swapper):
    """One warp here, a warp and OpenCV's resize there."""
    theirs = cv2.resize(crop_224(photograph(), ASTRONAUT)[0], (256, 256))
    ours = take(photograph(), swapper.frame(astronaut()), (256, 256), Border.BLACK).numpy()
    assert np.abs(ours - theirs).mean() < 0.01
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.998


def test_a_person_is_who_is_in_the_portrait(swapper):
    """The embedding of another network is not looked at."""
    wanted = identity_of(crop_224(photograph(), ASTRONAUT)[0])
    for space in ("w600k_r50", None):
        source = swapper.source(ann(space))
        assert (source.shape, source.dtype) == ((512,), torch.float32)
        assert apart(source, wanted) < 1e-3
    other = replace(ann(), portrait=Portrait(photograph().flip(-1), astronaut()))
    assert apart(swapper.source(other), wanted) > 0.01


def test_a_person_in_its_own_space(swapper):
    """As long as the network gave it."""
    known = ann(SPACE)
    assert torch.equal(swapper.source(known), known.embedding * 21.5)
    assert torch.equal(swapper.source(replace(known, portrait=None)), known.embedding * 21.5)


def test_a_person_without_a_portrait(swapper):
    with pytest.raises(ValueError, match=rf"Ann has no picture, and {FILE} swaps by one: make"):
        swapper.source(replace(ann(), portrait=None))


def test_the_targets_own_identity(swapper):
    """From its crop; what differs is that the crop was enlarged."""
    crop = take(photograph(), swapper.frame(astronaut()), (256, 256), Border.BLACK)
    wanted = identity_of(crop_224(photograph(), ASTRONAUT)[0])
    own = swapper.own(astronaut(), crop)
    assert apart(own, wanted) < 0.02
    assert apart(swapper.own(astronaut(), crop.flip(-1)), wanted) > 0.02
    known = replace(astronaut(), embedding=torch.full((512,), 2.0), space=SPACE)
    assert torch.equal(swapper.own(known, crop), known.embedding)
    elsewhere = replace(known, space="w600k_r50")
    assert torch.equal(swapper.own(elsewhere, crop), own)


def example(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    crops = torch.rand(count, 256, 256, 3, generator=random)
    return crops, torch.randn(count, 512, generator=random)


def test_a_swap_is_the_network(swapper):
    crops, sources = example(2)
    kept = crops.clone()
    made = swapper.swap(crops, sources)
    wanted = generator()(((crops - 0.5) / 0.5).permute(0, 3, 1, 2), sources)
    assert torch.equal(crops, kept)
    assert (made.shape, made.dtype) == (crops.shape, torch.float32)
    assert 0 <= made.min() < 0.2 < 0.8 < made.max() <= 1
    assert (made - (wanted * 0.5 + 0.5).permute(0, 2, 3, 1)).abs().mean() < 1e-5
    assert (made[:1] - swapper.swap(crops[:1], sources[:1])).abs().mean() < 1e-5
    assert (swapper.size, swapper.batch, swapper.space) == (256, 1, SPACE)


def test_half_precision_and_the_safer_way(tmp_path):
    swapper, (crops, sources) = load(write_ghost(tmp_path / FILE)), example(1)
    assert swapper.safer() is None
    exact, person = swapper.swap(crops, sources), swapper.source(ann())
    half = swapper.bfloat16()
    made = half.swap(crops, sources)
    assert made.dtype == torch.float32
    assert 0 < (made - exact).abs().mean() < 0.03
    assert apart(half.source(ann()), person) < 0.05
    safer = half.safer()
    assert {weight.dtype for weight in safer.parameters()} == {torch.float32}
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    assert (safer.swap(crops, sources) - exact).abs().mean() < 0.03
    assert safer.name == half.name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_on_a_gpu(tmp_path, dtype):
    swapper, (crops, sources) = load(write_ghost(tmp_path / FILE)), example(3)
    exact, person = swapper.swap(crops, sources), swapper.source(ann())
    swapper = swapper.to("cuda", dtype)
    made = swapper.swap(crops, sources)
    assert (made.device.type, made.dtype) == ("cpu", torch.float32)
    assert (made - exact).abs().mean() < 0.03
    assert apart(swapper.source(ann()), person) < 0.05
    assert swapper.batch > 1


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind(tmp_path, kind):
    crops, sources = example(1)
    made = load(write_ghost(tmp_path / "mine.pth", kind, 1, 32)).swap(crops, sources)
    assert made.shape == crops.shape
    assert made.std() > 0.02


def test_without_its_recogniser(tmp_path):
    file = write_ghost(tmp_path / FILE, width=32)
    elsewhere = (tmp_path / BACKBONE).rename(tmp_path / "arcface.pth")
    told = rf"{BACKBONE} is not there, and {FILE} .*'python install\.py models {BACKBONE}'"
    with pytest.raises(FileNotFoundError, match=told):
        load(file)
    assert load(file, elsewhere).name == FILE


def test_another_recogniser(tmp_path):
    file = write_ghost(tmp_path / FILE, width=32)
    write_reswapper(tmp_path / BACKBONE, width=4)
    with pytest.raises(OtherNetwork, match=rf"{BACKBONE} holds no face recogniser of ghost"):
        load(file)


def test_a_recogniser_is_no_swapper(tmp_path):
    with pytest.raises(OtherNetwork, match=rf"{BACKBONE} holds no swapping network.* Use {FILE}"):
        load(write_backbone(tmp_path / BACKBONE))


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("name", [FILE, BACKBONE])
def test_a_file_that_was_cut_off(tmp_path, name):
    file = write_ghost(tmp_path / FILE, width=32)
    cut_off(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} \([\d,]* bytes\) cannot be used: .*Delete it"):
        load(file)
