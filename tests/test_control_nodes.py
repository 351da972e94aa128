"""Load Soft Edge Network, Soft Edge (PiDiNet) and Face Pose Map in the real host.

Wanted is a map, or an error that names the node, the input or file, and the cure; afterwards the
next prompt works.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import handmade
import numpy as np
import pytest
import torch
from graphs import node, put, refused
from pack.likeness import demo
from pack.likeness.detect import detect
from pack.likeness.frontal import cascade
from pack.likeness.nets.pidinet import FILE, load
from pack.likeness.pose_map.drawing import draw
from pack.likeness.pose_map.figures import Figure, Parts, from_faces, from_mesh, with_pupils
from pack.likeness.pose_map.pose_map import pose_maps
from pack.likeness.setup.standins.edges import write_pidinet
from pack.likeness.soft_edge import Levels, soft_edges
from pickles import Touches
from standins.fan import write_fan

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent

# What no weights are there for: poses and landmarks, and anything in the place of anything.
GIVES = '''
import json

import numpy as np


class Anything(str):
    __ne__ = lambda self, other: False
    __hash__ = str.__hash__


class Give:
    """What is written in the text; of a face mesh as core has it."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("STRING",)}})
    RETURN_TYPES, FUNCTION, CATEGORY = (Anything("*"),), "give", "test"

    def give(self, value):
        value = json.loads(value)
        if isinstance(value, dict) and "frames" in value:
            for face in (face for frame in value["frames"] for face in frame):
                for name in ("bbox_xyxy", "landmarks_xy"):
                    face[name] = np.array(face[name], np.float32)
        return (value,)


NODE_CLASS_MAPPINGS = {"TestGive": Give}
'''
FACE_MASK = {
    "region": "face",
    "masks": "one for each picture",
    "unit": "share of the face",
    "unit.grow": 0.0,
    "unit.feather": 0.0,
    "blur": 0.0,
    "add": "",
    "subtract": "",
}
CROP = {
    "target": "fixed size",
    "target.width": 320,
    "target.height": 256,
    "padding": "pixels",
    "padding.pixels": 8,
    "mask_blur": 0.0,
    "outside": "shift inside",
    "empty": "leave the picture as it is",
    "context_blur": 0.0,
    "blend_blur": 0.0,
}
SIZE = (160, 97)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """With a node that gives anything, and the one network."""
    base = tmp_path_factory.mktemp("control")
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "give.py").write_text(GIVES, "utf-8")
    write_pidinet(base / "models/detection" / FILE, width=8, side_width=4)
    return base


@pytest.fixture(scope="module")
def host(start_server, base):
    started = start_server(base=base, standins=False)
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def lives_on(host):
    yield
    picture = torch.rand(1, 16, 24, 3)
    assert host.run(edged(host, picture, resolution=0)).texts["edges"].startswith("1 edge map")


@pytest.fixture
def folder(host):
    """The host's folder of networks; what a test puts there is taken away after it."""
    folder = host.base / "models/detection"
    before = set(folder.iterdir())
    yield folder
    for path in set(folder.iterdir()) - before:
        path.unlink()


def edged(host, images: torch.Tensor, network: str = FILE, **changes: object) -> dict:
    settings = {"resolution": 64, "levels": Levels.SMOOTH.value}
    wires = {"image": ["picture", 0], "network": ["network", 0]}
    return put(host, images) | {
        "network": node("LikenessLoadSoftEdge", network=network),
        "edges": node("LikenessSoftEdge", **(wires | settings | changes)),
        "save": node("PreviewImage", images=["edges", 0]),
    }


def mapped(pictures: dict, **inputs: object) -> dict:
    return pictures | {
        "map": node("LikenessFacePoseMap", **({"draw": Parts.FACE_AND_BODY.value} | inputs)),
        "save": node("PreviewImage", images=["map", 0]),
    }


def found(name: str = "harbour") -> dict:
    """A demo portrait and its face, by the built-in finder."""
    wires = {"image": ["picture", 0], "analyzer": ["load", 0]}
    api = json.loads((ROOT / "workflows" / "api" / "Find faces.json").read_text("utf-8"))
    [settings] = [each["inputs"] for each in api.values() if "Detect" in each["class_type"]]
    return {
        "picture": node("LikenessLoadPortrait", portrait=name),
        "load": node("LikenessLoadFaceAnalyzer", analyzer="built in"),
        "detect": node("LikenessDetectFaces", **(settings | wires)),
    }


def cropped(**changes: object) -> dict:
    wires = {"image": ["picture", 0], "mask": ["mask", 0]}
    return found() | {
        "mask": node("LikenessFaceMask", faces=["detect", 0], **FACE_MASK),
        "crop": node("LikenessCropForInpaint", **(CROP | wires | changes)),
    }


def given(value: object) -> dict:
    return {"given": node("TestGive", value=json.dumps(value))}


def posed(*people: dict, size: tuple[int, int] = SIZE) -> list[dict]:
    return [{"canvas_height": size[0], "canvas_width": size[1], "people": list(people)}]


def a_person() -> tuple[dict, torch.Tensor]:
    """A face alone, and its points."""
    points = with_pupils(handmade.measured(24, 50, 60).landmarks68)
    rows = torch.cat([points, torch.ones(len(points), 1)], 1)
    return {"pose_keypoints_2d": None, "face_keypoints_2d": rows.flatten().tolist()}, points


def same(shown: np.ndarray, wanted: torch.Tensor) -> bool:
    """But for the rounding to 8 bits."""
    return shown.shape == wanted.shape and np.abs(shown / 255 - wanted.numpy()).max() < 1 / 255


def test_edges_in_the_host(host):
    network = load(host.base / "models/detection" / FILE)
    pictures = torch.rand(2, 20, 12, 3).repeat_interleave(8, 1).repeat_interleave(8, 2)
    told = ""
    host.forget()
    for levels in Levels:
        result = host.run(edged(host, pictures, levels=levels.value))
        told = result.texts.get("network", told)
        wanted = soft_edges(pictures, network, 64, levels)
        assert wanted.std() > 0.1
        shown = result.images("save")
        assert len(shown) == 2
        # What was saved as a latent is not bit for bit the picture: where a level ends it shows.
        off = [
            (np.abs(each / 255 - want[..., None].numpy()) > 0.01).mean()
            for each, want in zip(shown, wanted, strict=True)
        ]
        assert max(off) < 0.01
        assert f"2 edge maps of 96 x 160 px, {levels.value}" in result.texts["edges"]
    assert told.startswith(f"{FILE}: PiDiNet\nruns on ")


@pytest.mark.parametrize("size", [(8, 8), (97, 160), (1, 40)])
def test_edges_of_any_size(host, size):
    shown = host.run(edged(host, torch.rand(1, *size, 3), resolution=0)).images("save")
    assert [each.shape for each in shown] == [(*size, 3)]


def test_edges_of_alpha_and_of_what_is_no_number(host):
    pictures = torch.rand(1, 64, 96, 4)
    pictures[0, :8, :8] = float("nan")
    result = host.run(edged(host, pictures))
    assert result.images("save")[0].shape == (64, 96, 3)
    assert "not a number in the picture was taken as black" in result.texts["edges"]
    words = ("image", "need 1 channel, 3, or 4")
    refused(host, edged(host, torch.rand(1, 64, 96, 2)), "edges", *words)


def test_a_file_that_is_not_there(host, folder):
    aside = (folder / FILE).rename(folder / f"{FILE}.aside")
    try:
        words = (FILE, "models/detection", f"python install.py models {FILE}")
        refused(host, edged(host, torch.rand(1, 16, 16, 3)), "network", *words)
    finally:
        aside.rename(folder / FILE)


def test_files_that_are_no_such_network(host, folder, tmp_path):
    touched = tmp_path / "touched"
    whole = (folder / FILE).read_bytes()
    held = {"state_dict": {"module.init_block.weight": Touches(touched)}}
    (folder / "half.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "empty é.safetensors").write_bytes(b"")
    (folder / "pickled.pth").write_bytes(pickle.dumps(held))
    torch.save(held, folder / "program.pth")
    write_fan(folder / "fan.pth")
    cures = {
        "half.pth": "put a whole copy in its place",
        "empty é.safetensors": "put a whole copy in its place",
        "pickled.pth": "put a whole copy in its place",
        "program.pth": f"python install.py models {FILE}",
        "fan.pth": f"python install.py models {FILE}",
    }
    for name, cure in cures.items():
        prompt = edged(host, torch.rand(1, 16, 16, 3), name)
        refused(host, prompt, "network", str(folder / name), cure)
    assert not touched.exists()
    pickle.loads(pickle.dumps(held))
    assert touched.exists()  # it would have


def test_other_things_in_the_place_of_the_network(host):
    picture = torch.rand(1, 16, 16, 3)
    others = given("a network") | {"load": node("LikenessLoadFaceAnalyzer", analyzer="built in")}
    for source, words in (
        ("given", ("a str came in", "Load Soft Edge Network")),
        ("load", ("LIKENESS_ANALYZER",)),
    ):
        prompt = edged(host, picture) | others
        prompt["edges"]["inputs"]["network"] = [source, 0]
        refused(host, prompt, "edges", "network", *words)


def test_a_pose_map_of_a_portrait(host):
    result = host.run(mapped(found(), faces=["detect", 0]))
    portrait = demo.read("harbour")
    wanted = pose_maps(from_faces(detect(portrait, cascade.load()))).maps
    [shown] = result.images("save")
    assert wanted.max() == 1
    assert same(shown, wanted[0])
    assert "0: frame 0, 1 face (1 guessed)" in result.texts["map"]


@pytest.mark.parametrize("draw_", [part.value for part in Parts])
def test_every_choice(host, draw_):
    person, points = a_person()
    prompt = mapped(given(posed(person)), pose=["given", 0], draw=draw_)
    result = host.run(prompt)
    [shown] = result.images("save")
    black = Parts(draw_) is Parts.BODY
    wanted = torch.zeros(*SIZE, 3) if black else draw([Figure(0, points)], SIZE)
    assert same(shown, wanted)
    assert result.texts["map"].startswith(f"1 map of 97 x 160 px, {draw_}")
    assert ("nobody" in result.texts["map"]) is black


def test_maps_of_crops_that_are_inpainted(host):
    prompt = mapped(cropped(), faces=["detect", 0], stitch=["crop", 2])
    prompt |= {"crops": node("PreviewImage", images=["crop", 0])}
    result = host.run(prompt)
    [shown], [crop] = result.images("save"), result.images("crops")
    assert shown.shape == crop.shape == (256, 320, 3)
    assert shown.max() == 255
    assert "1 face (1 guessed)" in result.texts["map"]
    with_image = mapped(cropped(), faces=["detect", 0], stitch=["crop", 2], image=["picture", 0])
    [again] = host.run(with_image).images("save")
    assert (again == shown).all()


def test_maps_of_faces_that_were_aligned(host):
    settings = {"template": "ffhq 512", "template.fit": "least squares", "size": 256}
    wires = {"image": ["picture", 0], "faces": ["detect", 0], "outside": "mirror"}
    cut = found("cafe") | {"align": node("LikenessAlignFaces", **(settings | wires))}
    [shown] = host.run(mapped(cut, faces=["detect", 0], stitch=["align", 1])).images("save")
    assert shown.shape == (256, 256, 3)
    # The eyes of ffhq, where the pupils are drawn.
    assert shown[117:124, 93:100].max() > 200
    assert shown[117:124, 156:163].max() > 200
    assert shown[:80].max() == 0 == shown[210:, :60].max()


def test_nothing_was_cut(host):
    empty = {"mask": ["none", 0]}
    prompt = mapped(cropped(**empty), faces=["detect", 0], stitch=["crop", 2])
    prompt |= {"none": node("SolidMask", value=0.0, width=400, height=400)}
    result = host.run(prompt)
    [shown] = result.images("save")
    assert shown.max() == 0
    assert "nothing was cut: a black map stands in" in result.texts["map"]


def test_pictures_without_a_face(host):
    black = put(host, torch.zeros(2, 97, 160, 3)) | {
        name: each for name, each in found().items() if name != "picture"
    }
    result = host.run(mapped(black, faces=["detect", 0]))
    assert [image.shape for image in result.images("save")] == [(97, 160, 3)] * 2
    assert max(image.max() for image in result.images("save")) == 0
    assert "1: frame 1, nobody: the map is black" in result.texts["map"]


def test_cores_landmarks(host):
    face = handmade.meshed(24, 50, 60)
    mesh = {name: np.asarray(face.mesh[name]).tolist() for name in ("bbox_xyxy", "landmarks_xy")}
    landmarks = {"frames": [[mesh | {"score": 0.9}]], "image_size": SIZE, "connection_sets": {}}
    prompt = mapped(given(landmarks), faces=["given", 0])
    [shown] = host.run(prompt).images("save")
    points = from_mesh(torch.from_numpy(face.mesh["landmarks_xy"]))
    assert same(shown, draw([Figure(0, points)], SIZE))
    image = {"image": ["picture", 0]}
    prompt = mapped(given(landmarks) | put(host, torch.zeros(1, 97, 160, 3)), faces=["given", 0])
    prompt["map"]["inputs"] |= image
    refused(host, prompt, "map", "faces", "97 x 160 px", "160 x 97 px", "connect")


def test_poses_fit_a_larger_picture(host):
    person, _ = a_person()
    prompt = mapped(given(posed(person)), pose=["given", 0], image=["picture", 0])
    prompt |= put(host, torch.zeros(1, 320, 194, 3))
    [shown] = host.run(prompt).images("save")
    assert shown.shape == (320, 194, 3)
    assert shown.max() == 255


def test_what_fits_nothing(host):
    person, _ = a_person()
    pose = given(posed(person))
    refused(host, mapped({}), "map", "connect faces, or pose, or both")
    other = put(host, torch.zeros(1, 97, 160, 3))
    prompt = mapped(pose | other, pose=["given", 0], image=["picture", 0])
    refused(host, prompt, "map", "pose", "97 x 160 px", "160 x 97 px", "another shape")
    two = put(host, torch.zeros(2, *SIZE, 3))
    prompt = mapped(pose | two, pose=["given", 0], image=["picture", 0])
    refused(host, prompt, "map", "pose", "poses for 1 frames, the picture has 2")
    small = {"small": node("EmptyImage", width=64, height=64, batch_size=1, color=0)}
    prompt = mapped(found() | small, faces=["detect", 0], image=["small", 0])
    refused(host, prompt, "map", "faces", "1 picture of 400 x 400 px", "64 x 64 px", "connect")
    prompt = mapped(cropped() | small, faces=["detect", 0], stitch=["crop", 2], image=["small", 0])
    refused(host, prompt, "map", "image", "1 picture of 64 x 64 px", "or no image")
    prompt = mapped(cropped() | pose, pose=["given", 0], stitch=["crop", 2])
    refused(host, prompt, "map", "pose", "97 x 160 px", "400 x 400 px")


@pytest.mark.parametrize("value", ["a text", 7, {"people": []}, [{"x": 1}], [[]]])
def test_other_things_in_the_sockets(host, value):
    for socket, source in (("faces", "Detect Faces"), ("pose", "SDPose"), ("stitch", "Crop For")):
        inputs = {"faces": ["detect", 0]} | {socket: ["given", 0]}
        prompt = mapped(found() | given(value), **inputs)
        refused(host, prompt, "map", f"{socket}: a {type(value).__name__} came in", source)
