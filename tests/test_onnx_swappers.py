"""Every swapper of the table, by stand-ins whose answer tells what they were given."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
import torch
from pack.likeness.face import Face
from pack.likeness.geometry import transform
from pack.likeness.identity import Identity, Portrait
from pack.likeness.models import MODELS, Task, find
from pack.likeness.outline import outline
from pack.likeness.swapping import load, onnx_swapper
from pack.likeness.swapping.table import ROWS
from standins import onnx_swappers as standins
from standins.onnx_swappers import GAINS, LENGTH, SHARE

CPU = "CPUExecutionProvider"
SPACE = "w600k_r50"

# The facts once more, as they are published: shares of the crop.
ARCFACE_128 = (
    (0.36167656, 0.40387734),
    (0.63696719, 0.40235469),
    (0.50019687, 0.56044219),
    (0.38710391, 0.72160547),
    (0.61507734, 0.72034453),
)
ARCFACE_112_V1 = (
    (0.35473214, 0.45658929),
    (0.64526786, 0.45658929),
    (0.5, 0.61154464),
    (0.37913393, 0.776875),
    (0.62086607, 0.776875),
)
ARCFACE_112_V2 = (
    (0.34191607, 0.46157411),
    (0.65653393, 0.45983393),
    (0.50022500, 0.64050536),
    (0.37097589, 0.82469196),
    (0.63151696, 0.82325089),
)
MTCNN_512 = (
    (0.36562865, 0.46733799),
    (0.63305391, 0.46585885),
    (0.50019127, 0.61942959),
    (0.39032951, 0.77598822),
    (0.61178945, 0.77476328),
)
FFHQ_512 = (
    (0.37691676, 0.46864664),
    (0.62285697, 0.46912813),
    (0.50123859, 0.61331904),
    (0.39308822, 0.725411),
    (0.61150205, 0.72490465),
)
HALF, NONE, ONE = (0.5, 0.5, 0.5), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HYPERSWAP = (256, ARCFACE_128, HALF, HALF, True)
GHOST = (256, ARCFACE_112_V1, HALF, HALF, True)
# Name -> side, where the points go, mean, deviation, whether -1..1 comes out.
FACTS = {
    "hyperswap_1a_256": HYPERSWAP,
    "hyperswap_1b_256": HYPERSWAP,
    "hyperswap_1c_256": HYPERSWAP,
    "ghost_1_256": GHOST,
    "ghost_2_256": GHOST,
    "ghost_3_256": GHOST,
    "hififace_unofficial_256": (256, MTCNN_512, HALF, HALF, True),
    "simswap_256": (256, ARCFACE_112_V1, *IMAGENET, False),
    "simswap_unofficial_512": (512, ARCFACE_112_V1, NONE, ONE, False),
    "blendswap_256": (256, FFHQ_512, NONE, ONE, False),
    "uniface_256": (256, FFHQ_512, HALF, HALF, True),
}
# Name -> the converter, and whether its answer is brought to length 1.
CONVERTED = {
    "ghost_1_256": ("crossface_ghost", False),
    "ghost_2_256": ("crossface_ghost", False),
    "ghost_3_256": ("crossface_ghost", False),
    "hififace_unofficial_256": ("crossface_hififace", True),
    "simswap_256": ("crossface_simswap", True),
    "simswap_unofficial_512": ("crossface_simswap", True),
}
# Name -> side and points of the crop of the person's portrait.
PICTURES = {"blendswap_256": (112, ARCFACE_112_V2), "uniface_256": (256, FFHQ_512)}
EMBEDDINGS = [name for name in FACTS if name not in PICTURES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return standins.write_all(tmp_path_factory.mktemp("models") / "insightface")


@pytest.fixture(scope="module")
def opened(folder):
    return {name: onnx_swapper.load(folder / f"{name}.onnx") for name in FACTS}


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def embedding(seed: int, length: float) -> torch.Tensor:
    values = torch.randn(LENGTH, generator=torch.Generator().manual_seed(seed))
    return values / values.norm() * length


def somebody(name: str = "Ada") -> Identity:
    return Identity(name, embedding(1, 1.0), SPACE, length=21.5, portrait=portrait())


def portrait() -> Portrait:
    """A face leaning aside in a picture of which each channel grows evenly, in its own way."""
    y, x = torch.meshgrid(torch.arange(300.0), torch.arange(300.0), indexing="ij")
    image = torch.stack([x / 300, y / 300, (x + 2 * y) / 900], dim=2)
    points = [(118.0, 131.0), (187.0, 122.0), (158.0, 166.0), (133.0, 205.0), (192.0, 197.0)]
    return Portrait(image, Face(0, (90, 80, 220, 240), torch.tensor(points), 0.9))


def latent(name: str, raw: torch.Tensor) -> np.ndarray:
    """What the network must be given for an embedding, calculated apart."""
    given = raw.double().numpy()
    converter, unit = CONVERTED.get(name, (None, True))
    if converter:
        turn, offset = standins.mapping(converter)
        given = given @ turn.astype(float) + offset
    return given / np.sqrt((given**2).sum()) if unit else given


def test_the_rows_are_the_files_of_the_table():
    files = {model.file for model in MODELS if model.task is Task.SWAP}
    ours = {file for file in files if file.endswith(".onnx") and "swapper" not in file}
    assert {f"{name}.onnx" for name in ROWS} == ours
    assert ROWS.keys() == FACTS.keys() == standins.SWAPPERS.keys()
    for name, (converter, _) in CONVERTED.items():
        assert ROWS[name].person.converter == f"{converter}.onnx"
        assert find(converter).task is Task.CONVERT


@pytest.mark.parametrize("name", FACTS)
def test_a_face_is_framed_by_the_rows_points(opened, name):
    swapper, (size, points, *_) = opened[name], FACTS[name]
    assert swapper.size == size
    assert swapper.name == f"{name}.onnx"
    wanted = torch.tensor(points, dtype=torch.float64) * size
    # Turned, enlarged and moved, so that the way back is exactly the crop.
    turn = torch.tensor([[1.2, -0.7], [0.7, 1.2]], dtype=torch.float64)
    face = Face(0, (0, 0, 9, 9), wanted @ turn.T + torch.tensor([40.0, -25.0]), 1.0)
    found = transform(face.points, swapper.frame(face))
    assert (found - wanted).abs().max() < 2e-6 * size


@pytest.mark.parametrize("name", FACTS)
def test_crops_go_in_and_out_as_the_row_says(opened, name):
    """The source's share is taken out by an answer without it: what is left is the target's."""
    size, _, mean, deviation, signed = FACTS[name]
    swapper = opened[name]
    crops = drawn(2, size, size, 3)
    before = crops.clone()
    sources = torch.zeros(2, *np.shape(swapper.source(somebody())))
    results = swapper.swap(crops, sources)
    assert results.shape == crops.shape
    assert results.dtype == torch.float32
    assert torch.equal(crops, before)
    seen = (crops.double().numpy() - mean) / deviation * GAINS
    wanted = seen / 2 + 0.5 if signed else seen
    assert np.abs(results.numpy() - wanted).max() < 1e-5


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_the_person_goes_in_as_the_row_says(opened, name):
    swapper, person = opened[name], somebody()
    assert swapper.space == SPACE
    source = swapper.source(person)
    wanted = latent(name, person.embedding * person.length)
    assert source.shape == (LENGTH,)
    assert np.abs(source.numpy() - wanted).max() < 1e-5
    size, *_, signed = FACTS[name]
    crops = drawn(2, size, size, 3)
    others = torch.stack([source, source.flip(0)])
    more = swapper.swap(crops, others) - swapper.swap(crops, torch.zeros(2, LENGTH))
    share = SHARE / 2 if signed else SHARE
    rows = LENGTH // size
    for added, given in zip(more, (wanted, wanted[::-1]), strict=True):
        assert np.abs(added[:rows, :, 0].numpy().ravel() / share - given).max() < 1e-4
        assert added[rows:].abs().max() == added[..., 1:].abs().max() == 0


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_a_faces_own_identity_goes_in_as_a_persons_does(opened, name):
    swapper, person = opened[name], somebody()
    raw = person.embedding * person.length
    face = Face(0, (0, 0, 9, 9), torch.zeros(5, 2), 1.0, embedding=raw, space=SPACE)
    own = swapper.own(face, drawn(swapper.size, swapper.size, 3))
    assert torch.equal(own, swapper.source(person))
    other = Face(0, (0, 0, 9, 9), torch.zeros(5, 2), 1.0, embedding=raw.flip(0), space=SPACE)
    wanted = latent(name, raw.flip(0))
    assert np.abs(swapper.own(other, drawn(1, 1, 3)).numpy() - wanted).max() < 1e-5


@pytest.mark.parametrize("name", PICTURES)
def test_the_persons_picture_is_cut_as_the_row_says(opened, name):
    swapper, person = opened[name], somebody()
    side, points = PICTURES[name]
    assert swapper.space is None
    assert swapper.own(person.portrait.face, drawn(256, 256, 3)) is None
    source = swapper.source(person)
    assert source.shape == (side, side, 3)
    # By least squares from the portrait to the crop, then back: what grows evenly is read off.
    x, y = (np.array(points) * side).T
    u, v = person.portrait.face.points.double().numpy().T
    rows, none, one = np.zeros((10, 4)), np.zeros(5), np.ones(5)
    rows[::2], rows[1::2] = np.c_[u, -v, one, none], np.c_[v, u, none, one]
    a, b, s, t = np.linalg.lstsq(rows, np.c_[x, y].ravel(), rcond=None)[0]
    back = np.linalg.inv([[a, -b, s], [b, a, t], [0, 0, 1]])
    j, i = np.meshgrid(np.arange(side), np.arange(side))
    px, py, _ = back @ np.stack([j.ravel(), i.ravel(), np.ones(side * side)])
    wanted = np.stack([px / 300, py / 300, (px + 2 * py) / 900], 1).reshape(side, side, 3)
    inside = ((px > 1) & (px < 298) & (py > 1) & (py < 298)).reshape(side, side)
    assert inside.mean() > 0.9
    assert np.abs(source.numpy() - wanted)[inside].max() < 2e-3
    *_, signed = FACTS[name]
    crops = drawn(1, 256, 256, 3)
    more = swapper.swap(crops, source[None]) - swapper.swap(crops, source[None] * 0)
    share = SHARE / 2 if signed else SHARE
    assert (more[0, :side, :side] / share - source).abs().max() < 1e-5
    assert more[0, side:].numel() == 0 or more[0, side:].abs().max() == 0


def test_a_picture_is_repeated_where_the_crop_leaves_it(opened):
    """A face at the edge of its portrait is not framed by black."""
    person = somebody()
    face = person.portrait.face
    beyond = Face(0, face.box, face.points - torch.tensor([110.0, 60.0]), 1.0)
    image = torch.full((300, 300, 3), 0.25)
    image[:2] = image[:, :2] = 0.75
    source = opened["uniface_256"].source(Identity("Ada", portrait=Portrait(image, beyond)))
    assert (source[:, :30] == 0.75).all()
    assert source[160, 160, 0] == 0.25


def test_what_it_runs_on_is_told(opened):
    for name, swapper in opened.items():
        assert f"{name}.onnx runs on {swapper.session.get_providers()[0]}" in swapper.notes[0]
        if swapper.session.get_providers() == [CPU]:
            assert swapper.safer() is None


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_told(folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    wanted = ["CUDAExecutionProvider", CPU]
    swapper = onnx_swapper.load(folder / "hyperswap_1a_256.onnx", wanted)
    told, note = swapper.notes
    assert told == f"hyperswap_1a_256.onnx runs on {CPU}"
    assert "could not start CUDAExecutionProvider for hyperswap_1a_256.onnx" in note


def test_what_ran_elsewhere_falls_back_to_the_cpu(folder):
    import onnxruntime

    others = [name for name in onnxruntime.get_available_providers() if name != CPU]
    if not others:
        pytest.skip("this onnxruntime offers the CPU alone")
    swapper = onnx_swapper.load(folder / "simswap_256.onnx", [others[0], CPU])
    assert swapper.session.get_providers()[0] == others[0]
    assert swapper.safer().session.get_providers() == [CPU]
    assert swapper.safer().safer() is None
    crops, source = drawn(1, 256, 256, 3), swapper.source(somebody())[None]
    assert (swapper.safer().swap(crops, source) - swapper.swap(crops, source)).abs().max() < 1e-4


def test_names_are_read_in_any_case(tmp_path, folder):
    shutil.copy(folder / "uniface_256.onnx", tmp_path / "UniFace_256.ONNX")
    assert load.load(tmp_path / "UniFace_256.ONNX").row is ROWS["uniface_256"]


def test_crops_of_any_float_go_in(opened):
    swapper = opened["hyperswap_1b_256"]
    crops, source = drawn(1, 256, 256, 3), swapper.source(somebody())[None]
    plain = swapper.swap(crops, source)
    half = swapper.swap(crops.half(), source.half())
    assert half.dtype == torch.float32
    assert (half - plain).abs().max() < 1e-3
    assert swapper.swap(crops[:0], source[:0]).shape == (0, 256, 256, 3)


def test_an_outline_is_what_onnx_reads(folder, tmp_path):
    """Weights of many sorts and shapes; a file written by onnx itself."""
    random = np.random.default_rng(0)
    shapes = [(), (1,), (3, 0), (2, 3, 4, 5), (200, 300), (70000,)]
    arrays = {f"w{n}": random.normal(size=shape) for n, shape in enumerate(shapes)}
    arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    arrays["half"] = np.ones((4, 4), np.float16)
    arrays["whole"] = np.arange(7)
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    model = standins.network([node], arrays, {"x": [1]}, {"y": [1]})
    packed = onnx.helper.make_tensor("packed", onnx.TensorProto.FLOAT, [2, 9], [1.0] * 18)
    model.graph.initializer.append(packed)
    onnx.save(model, tmp_path / "many.onnx")
    assert outline(tmp_path / "many.onnx") == (*shapes, (4, 4), (7,), (2, 9))
    # Fields that ONNX has not, of every way of writing one, are passed over.
    held = (tmp_path / "many.onnx").read_bytes()
    unknown = {0: b"\x96\x01", 1: b"\xff" * 8, 2: b"\x03" + b"\xff" * 3, 5: b"\xff" * 4}
    strange = b"".join(bytes([31 << 3 & 127 | 128 | way, 1]) + unknown[way] for way in unknown)
    (tmp_path / "more.onnx").write_bytes(strange + held)
    assert outline(tmp_path / "more.onnx") == outline(tmp_path / "many.onnx")
    for file in folder.iterdir():
        read = onnx.load(file).graph.initializer
        assert outline(file) == tuple(tuple(each.dims) for each in read)


def test_inswapper_is_known_by_its_weights():
    def weights(width: int) -> list[tuple[int, ...]]:
        steps = [(3, 1, 7), (1, 2, 3), (2, 4, 3), (4, 8, 3)]
        shapes = [(b * width, a if a == 3 else a * width, k, k) for a, b, k in steps]
        block = [(8 * width, 8 * width, 3, 3), (16 * width, LENGTH)] * 2
        ends = [(4, 8), (2, 4), (1, 2)]
        shapes += block * 6 + [(b * width, a * width, 3, 3) for b, a in ends]
        return [*shapes, (3, width, 7, 7), (LENGTH, LENGTH)]

    for width in (1, 16, 128):
        assert load.is_inswapper(weights(width))
        assert load.is_inswapper(weights(width)[::-1])
        assert not load.is_inswapper(weights(width)[:-2])  # no way out
        assert not load.is_inswapper(weights(width)[:8] + weights(width)[10:])  # a block less
    assert not load.is_inswapper([])
