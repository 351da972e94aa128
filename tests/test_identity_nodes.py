"""Identities in the real host: made, kept, loaded and compared; and what is refused, by name."""

from __future__ import annotations

import json
import shutil
import urllib.parse
from dataclasses import replace
from pathlib import Path

import graphs
import numpy as np
import pytest
import torch
from graphs import marked, node, put, refused
from pack.likeness import demo, identity_file
from safetensors.torch import save_file
from standins import insightface_pack as standins

pytestmark = pytest.mark.slow

KNOWN = "known faces"
NAN = float("nan")


@pytest.fixture(scope="module", autouse=True)
def known(server):
    """A pack in the host whose detector finds the markers that `marked` draws."""
    folder = server.base / "models/insightface/models" / KNOWN
    yield standins.write_pack(folder, known_answer=True)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def library(server):
    """The folder of identities, empty before and after; the server must live on."""
    folder = server.base / "models/identities"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    graphs.assert_works(server)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def reactor(server):
    folder = server.base / "models/reactor/faces"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder.parent)


def album(server, *photos: torch.Tensor) -> dict:
    """Batches of photos of any sizes as one list: the node "photos"."""
    prompt, wires = {}, {}
    for number, batch in enumerate(photos):
        for name, each in put(server, batch).items():
            inputs = {
                key: [f"{value[0]} {number}", value[1]] if isinstance(value, list) else value
                for key, value in each["inputs"].items()
            }
            prompt[f"{name} {number}"] = node(each["class_type"], **inputs)
        wires[f"inputs.input{number}"] = [f"picture {number}", 0]
    return prompt | {"photos": node("CreateList", **wires)}


def made(pictures: dict, analyzer: str = KNOWN, **changes) -> dict:
    wanted = {
        "photos": ["photos", 0],
        "analyzer": ["load", 0],
        "name": "Ann",
        "people": "one person",
        "agreement": 0.3,
        "threshold": 0.5,
    }
    return pictures | {
        "load": node("LikenessLoadFaceAnalyzer", analyzer=analyzer),
        "make": node("LikenessMakeIdentity", **(wanted | changes)),
        "show": node("PreviewImage", images=["make", 1]),
    }


def saved(prompt: dict, name: str = "", **changes) -> dict:
    wanted = {"identity": ["make", 0], "name": name, "if_it_exists": "number it"}
    return prompt | {"save": node("LikenessSaveIdentity", **(wanted | changes))}


def compared(server, images, identity: dict, person=("make", 0), analyzer: str = KNOWN) -> dict:
    """Detect Faces and Compare Faces beside what makes or loads the identity."""
    found = graphs.find(put(server, images), analyzer)
    return identity | {
        "latent": found["latent"],
        "space": found["space"],
        "picture": found["picture"],
        "finder": found["load"],
        "detect": node(
            "LikenessDetectFaces", **(found["detect"]["inputs"] | {"analyzer": ["finder", 0]})
        ),
        "compare": node(
            "LikenessCompareFaces", faces=["detect", 0], identity=list(person), threshold=0.35
        ),
        "similarity": node("PreviewAny", source=["compare", 0]),
        "matching": node("LikenessFacesToBoxes", faces=["compare", 1]),
        "best": node("LikenessFacesToBoxes", faces=["compare", 2]),
        "a": node("PreviewAny", source=["matching", 2]),
        "b": node("PreviewAny", source=["best", 2]),
    }


def markers(*sizes: tuple[int, int]) -> list[torch.Tensor]:
    return [marked(height, width, (64, 64))[None] for height, width in sizes]


def test_made_saved_loaded_and_compared(server, library):
    server.forget()
    photos = markers((192, 320), (192, 320), (640, 640))
    result = server.run(saved(made(album(server, torch.cat(photos[:2]), photos[2])), "Ann Ä"))
    told = result.texts
    assert told["make"].startswith("Ann: 3 photos, agreement 0.9")
    assert "embedding by w600k_r50, portrait of 256 x 256 px" in told["make"]
    [shown] = result.images("show")
    assert shown.shape == (256, 256, 3)
    assert "Ann Ä.safetensors" in told["save"]
    [file] = library.iterdir()
    assert identity_file.load(file).name == "Ann Ä"

    loading = {"who": node("LikenessLoadIdentity", identity=file.name)}
    result = server.run(compared(server, photos[0], loading, ("who", 0)))
    assert float(result.texts["similarity"]) > 0.9
    assert result.texts["who"].startswith("Ann Ä: 3 photos")
    assert np.abs(result.images("who")[0].astype(int) - shown).max() <= 1
    assert "1 of 1 face at 0.35 or more" in result.texts["a"]
    similarity = f"{float(result.texts['similarity']):.3f}"
    assert result.texts["compare"].splitlines()[1] == f"0: {similarity}, Ann Ä"


def test_a_plain_batch_and_a_portrait_by_the_built_in_finder(server):
    batch = demo.read("cafe")
    prompt = made(put(server, batch), "built in", photos=["picture", 0])
    result = server.run(saved(prompt))
    assert "Ann: 1 photo, no embedding, portrait of" in result.texts["make"]
    assert "knows no identity" in result.texts["make"]
    again = {"who": node("LikenessLoadIdentity", identity="Ann.safetensors")}
    refused(
        server,
        compared(server, markers((192, 320))[0], again, ("who", 0)),
        "compare",
        "identity: Ann has no embedding",
        "w600k_r50",
        "Load Face Analyzer",
    )


def test_a_person_for_each_photo_and_two_joined(server):
    photos = markers((192, 320), (640, 640))
    prompt = made(album(server, *photos), people="a person for each photo", name="Ann, Bo,")
    prompt |= {"join": node("LikenessJoinIdentities", first=["make", 0], second=["make", 0])}
    prompt |= {"told": node("PreviewAny", source=["join", 1])}
    result = server.run(prompt)
    assert result.texts["make"].startswith("2 people\nAnn: 1 photo")
    assert "Bo: 1 photo" in result.texts["make"]
    assert len(result.images("show")) == 2
    assert result.texts["told"].startswith("4 people")
    words = ("identity", "2 people came in", "one by one")
    refused(server, saved(prompt), "save", *words)
    refused(server, saved(prompt, identity=["join", 0]), "save", "4 people came in")


def test_faces_of_many_frames(server):
    photo = markers((192, 320))[0]
    batch = torch.cat([photo, torch.zeros_like(photo), photo])
    result = server.run(compared(server, batch, made(album(server, photo))))
    assert float(result.texts["similarity"]) > 0.99
    assert "2 faces in 2 of 3 frames" in result.texts["b"]
    none = server.run(compared(server, batch[1:2], made(album(server, photo))))
    assert none.texts["similarity"] in ("0", "0.0")
    assert "no face: similarity 0" in none.texts["compare"]


def test_photos_of_every_kind(server):
    photo = markers((192, 320))[0]
    with_alpha = torch.cat([photo, torch.zeros_like(photo[..., :1])], dim=-1)
    holed = photo.clone()
    holed[0, :4, :5] = NAN
    two = marked(192, 320, (64, 64), (160, 64))[None]
    empty = torch.zeros(1, 1, 1, 3)
    grey = torch.full((1, 97, 160, 1), 0.5)
    result = server.run(made(album(server, photo, with_alpha, holed, two, empty, grey)))
    told = result.texts["make"]
    assert told.startswith("Ann: 4 photos")
    assert "photo 2: 60 values are not numbers and were taken as black" in told
    assert "photo 3: 2 faces, the largest is taken" in told
    for number in (4, 5):
        assert f"photo {number}: no face, left out" in told
    portrait = demo.read("cafe").mean(-1, keepdim=True)
    grey = server.run(made(album(server, portrait), "built in")).images("show")[0]
    assert np.ptp(grey, axis=2).max() == 0


def test_no_face_in_any_photo(server):
    for value in (0.5, NAN):
        photos = album(server, torch.full((2, 97, 160, 3), value), torch.zeros(1, 5, 5, 3))
        words = ("no face in 3 photos", "analyzer", "lower threshold", "Load Face Analyzer")
        refused(server, made(photos), "make", *words)
        refused(server, made(photos, people="a person for each photo"), "make", *words)


@pytest.mark.parametrize("channels", [2, 5])
def test_pictures_of_other_channels(server, channels):
    prompt = made(album(server, torch.rand(1, 40, 56, channels)))
    words = ("photos", f"(1, 40, 56, {channels})", "1, 3 or 4 channels")
    refused(server, prompt, "make", *words)


def test_numbers_by_a_wire(server):
    photos = album(server, *markers((192, 320)))
    for name, values in (("agreement", (-1.5, NAN)), ("threshold", (0.0, NAN))):
        for value in values:
            prompt = made(photos, **{name: ["wire", 0]})
            prompt["wire"] = node("PrimitiveFloat", value=value)
            refused(server, prompt, "make", name, f"{value:g}")
    prompt = compared(server, markers((192, 320))[0], made(photos))
    prompt["wire"] = node("PrimitiveFloat", value=NAN)
    prompt["compare"]["inputs"]["threshold"] = ["wire", 0]
    refused(server, prompt, "compare", "threshold is nan")


@pytest.mark.parametrize(
    ("where", "name", "words"),
    [
        ("make", "photos", "a batch of pictures"),
        ("make", "analyzer", "Load Face Analyzer"),
        ("save", "identity", "Make Identity"),
        ("join", "first", "Make Identity"),
        ("join", "second", "Make Identity"),
        ("compare", "faces", "Detect Faces"),
        ("compare", "identity", "Make Identity"),
    ],
)
def test_what_a_switch_lets_through(server, where, name, words):
    photo = markers((192, 320))[0]
    prompt = saved(compared(server, photo, made(album(server, photo))))
    prompt |= {
        "join": node("LikenessJoinIdentities", first=["make", 0], second=["make", 0]),
        "told": node("PreviewAny", source=["join", 1]),
        "text": node("PrimitiveString", value="built in"),
        "switch": node("ComfySwitchNode", switch=True, on_true=["text", 0], on_false=["text", 0]),
    }
    prompt[where]["inputs"][name] = ["switch", 0]
    refused(server, prompt, where, f"{name}: a str came in", words)


def test_faces_without_identity(server):
    photo = markers((192, 320))[0]
    prompt = compared(server, demo.read("cafe"), made(album(server, photo)), analyzer="built in")
    words = ("faces", "1 of 1 face have no embedding", "Load Face Analyzer")
    refused(server, prompt, "compare", *words)


def test_another_network(server, known):
    photo = markers((192, 320))[0]
    other = known.with_name("other faces")
    shutil.copytree(known, other)
    (other / standins.IDENTITY).rename(other / "glintr100.onnx")
    prompt = compared(server, photo, made(album(server, photo)), analyzer=other.name)
    refused(server, prompt, "compare", "identity", "w600k_r50", "glintr100", "same insightface")
    shutil.rmtree(other)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("../x", "x"),
        ("CON", "CON_"),
        ("", "Ann"),
        ("x" * 300, "x" * 100),
        ("😀", "😀"),
        ("/abs/олуте", "abs олуте"),
    ],
)
def test_names_of_files(server, library, name, file):
    prompt = saved(made(album(server, *markers((192, 320)))), name)
    server.run(prompt)
    assert [each.name for each in library.iterdir()] == [f"{file}.safetensors"]
    assert not list(library.parent.glob("*.safetensors"))
    result = server.run(
        {"who": node("LikenessLoadIdentity", identity=f"{file}.safetensors")}
        | {"told": node("PreviewAny", source=["who", 2])}
    )
    assert (name.strip()[:100] or "Ann") in result.texts["told"]


def test_a_name_that_is_taken(server, library):
    for photos, choice in ((1, "number it"), (2, "number it"), (3, "replace")):
        batch = markers((192, 320))[0].repeat(photos, 1, 1, 1)
        server.run(saved(made(album(server, batch)), "Bo", if_it_exists=choice))
    names = {file.stem: identity_file.load(file).photos for file in library.iterdir()}
    assert names == {"Bo": 3, "Bo 2": 2}


def test_a_folder_within_the_library(server, library):
    (library / "friends").mkdir(parents=True)
    server.run(saved(made(album(server, *markers((192, 320)))), "Bo"))
    (library / "Bo.safetensors").rename(library / "friends" / "Bo.safetensors")
    who = {"who": node("LikenessLoadIdentity", identity=str(Path("friends", "Bo.safetensors")))}
    who["told"] = node("PreviewAny", source=["who", 2])
    assert server.run(who).texts["told"].startswith("Bo: 1 photo")


def test_a_library_that_is_empty_and_names_that_are_not_there(server, library):
    schema = server.client.object_info("LikenessLoadIdentity")["LikenessLoadIdentity"]
    [nothing] = options(schema)
    assert "Save Identity" in nothing
    who = {"who": node("LikenessLoadIdentity", identity=nothing)}
    who["told"] = node("PreviewAny", source=["who", 2])
    words = ("refused the prompt", "identity", "no identity yet", "Make Identity", "press R")
    refused(server, who, "who", *words)
    server.run(saved(made(album(server, *markers((192, 320)))), "Bo"))
    schema = server.client.object_info("LikenessLoadIdentity")["LikenessLoadIdentity"]
    assert options(schema) == ["Bo.safetensors"]
    for name in (nothing, "gone.safetensors", "../insightface/x.safetensors", ""):
        who["who"]["inputs"]["identity"] = name
        words = ("refused the prompt", "is not in models/identities", "Bo.safetensors")
        refused(server, who, "who", *words)
    who["who"]["inputs"]["identity"] = ["switch", 0]
    who["text"] = node("PrimitiveString", value="../x")
    who["switch"] = node("ComfySwitchNode", switch=True, on_true=["text", 0], on_false=["text", 0])
    refused(server, who, "who", "'../x' is not in models/identities", "Bo.safetensors")


def options(schema: dict) -> list[str]:
    kind, extra = schema["input"]["required"]["identity"]
    return extra["options"] if kind == "COMBO" else kind


def test_a_file_that_changed_is_read_again(server, library):
    server.forget()
    server.run(saved(made(album(server, *markers((192, 320)))), "Bo"))
    who = {"who": node("LikenessLoadIdentity", identity="Bo.safetensors")}
    who["told"] = node("PreviewAny", source=["who", 2])
    assert "Bo: 1 photo," in server.run(who).texts["told"]
    bo = identity_file.load(library / "Bo.safetensors")
    identity_file.save(replace(bo, photos=20), library / "Bo.safetensors")
    assert "Bo: 20 photos" in server.run(who).texts["told"]


def test_faces_of_reactor_and_files_that_are_none(server, library, reactor):
    save_file(
        {"embedding": torch.randn(512), "kps": torch.rand(5, 2)}, reactor / "boss.safetensors"
    )
    library.mkdir(exist_ok=True)
    save_file({"lora_unet.alpha": torch.ones(1)}, library / "lora.safetensors")
    who = {"who": node("LikenessLoadIdentity", identity="boss.safetensors")}
    who |= {"show": node("PreviewImage", images=["who", 1])}
    result = server.run(who)
    assert "a face file of ReActor" in result.texts["who"]
    assert np.ptp(result.images("show")[0]) == 0
    assert "images" not in result.entry["outputs"]["who"]
    who["who"]["inputs"]["identity"] = "lora.safetensors"
    refused(server, who, "who", "identity", "lora.safetensors", "neither an identity")


def test_the_library_of_core_shows_the_portrait(server, library):
    server.run(saved(made(album(server, *markers((192, 320)))), "Bo [1] 100% #é?"))
    [file] = library.iterdir()
    [listed] = json.loads(server.client.fetch("/experiment/models/identities"))
    assert (listed["name"], listed["pathIndex"]) == (file.name, 0)
    name = urllib.parse.quote(file.name)
    picture = server.client.fetch(f"/experiment/models/preview/identities/0/{name}")
    assert picture[8:12] == b"WEBP"
