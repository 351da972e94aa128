"""Parsing: facexlib's own crops, numbers and classes, and the way back to the picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import handmade
import numpy as np
import pytest
import torch
from pack.likeness.face import Face, Faces
from pack.likeness.parse import CLASSES, FILES, FaceClass, Parsing, describe, load, parse
from standins import parsers
from standins.fan import write_fan

SIZES = [(97, 160), (160, 97)]
PARSENET, BISENET = FILES
ORDERS = {  # as CelebAMask-HQ and the networks' own projects number them
    PARSENET: "background, skin, nose, glasses, left eye, right eye, left brow, right brow, "
    "left ear, right ear, mouth, upper lip, lower lip, hair, hat, earring, necklace, neck, cloth",
    BISENET: "background, skin, left brow, right brow, left eye, right eye, glasses, left ear, "
    "right ear, earring, nose, mouth, upper lip, lower lip, neck, necklace, cloth, hair, hat",
}
WRITERS = {PARSENET: parsers.write_parsenet, BISENET: parsers.write_bisenet}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with both files; ParseNet is a narrow one."""
    folder = tmp_path_factory.mktemp("parsers")
    for name, write in WRITERS.items():
        write(folder / name)
    return folder


@pytest.fixture(scope="module")
def parser(files):
    return load(files / PARSENET)


def pictures(height: int, width: int, frames: int = 1) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(frames, 3, height // 6 + 2, width // 6 + 2, generator=random)
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return fine.clamp(0, 1).movedim(1, -1).contiguous()


def of(images: torch.Tensor, *found: Face) -> Faces:
    return Faces(found, len(images), tuple(images.shape[1:3]))


def shown(parsing: Parsing, classes: torch.Tensor) -> Parsing:
    """The same, as if the network had seen these classes."""
    return replace(parsing, classes=classes.to(torch.uint8).expand_as(parsing.classes))


def test_the_orders_are_what_the_networks_learned():
    """What facexlib's helper leaves out of its masks is what it should be in ParseNet's order."""
    assert [name.value for name in CLASSES] == ORDERS[PARSENET].split(", ")
    assert sorted(ORDERS[BISENET].split(", ")) == sorted(CLASSES)
    paste = [0, *[255] * 13, 0, 255, 0, 0, 0]
    left_out = {name.value for name, value in zip(CLASSES, paste, strict=True) if not value}
    assert left_out == {"background", "hat", "necklace", "neck", "cloth"}


def facexlibs(files: Path, name: str, crops: np.ndarray) -> torch.Tensor:
    """How much each class counts (N, 19, 512, 512) in RGB uint8 crops, to facexlib's users."""
    from torchvision.transforms.functional import normalize

    kind = name.removeprefix("parsing_").removesuffix(".pth")
    seen = torch.from_numpy(crops).movedim(-1, 1).contiguous().float() / 255
    if kind == "parsenet":
        network, mean, deviation = parsers.parsenet(), (0.5,) * 3, (0.5,) * 3
    else:
        network = parsers.bisenet()
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    network.load_state_dict(torch.load(files / name, weights_only=True))
    with torch.no_grad():
        return network.eval()(normalize(seen, mean, deviation))[0]


@pytest.mark.parametrize("name", FILES)
def test_classes_are_facexlibs(files, name):
    """The same crop gives the same class at every pixel, or one that counts as much."""
    crops = (pictures(512, 512, 2) * 255).round().byte().numpy()
    counts = facexlibs(files, name, crops)
    assert len(counts.argmax(1).unique()) > 8
    with torch.no_grad():
        found = load(files / name)(torch.from_numpy(crops).float() / 255)
    order = ORDERS[name].split(", ")
    theirs = torch.tensor([order.index(each.value) for each in CLASSES])[found.long()]
    lost = counts.amax(1) - counts.gather(1, theirs[:, None])[:, 0]
    assert lost.max() < 1e-5
    assert (lost > 0).float().mean() < 1e-4


@pytest.mark.slow
def test_from_the_picture_on_it_is_facexlibs(tmp_path):
    """Its helper with the full network of the same random weights: crop, numbers, classes."""
    from facexlib.detection.retinaface import RetinaFace
    from facexlib.utils.face_restoration_helper import FaceRestoreHelper
    from skimage import data

    parsers.write_parsenet(tmp_path / PARSENET, small=False)
    detector = RetinaFace(network_name="resnet50", half=False)
    torch.save(detector.state_dict(), tmp_path / "detection_Resnet50_Final.pth")
    helper = FaceRestoreHelper(
        1, face_size=512, device="cpu", use_parse=True, model_rootpath=str(tmp_path)
    )
    picture = data.astronaut()
    face = handmade.measured(43, 60, 70, degrees=3)  # its crop leaves the picture
    off = torch.tensor([[0.0, 1], [1, 0], [-2, 1], [0, 0], [1, 1]])
    face = replace(face, points=face.points + off)
    helper.read_image(np.ascontiguousarray(picture[..., ::-1]))
    helper.all_landmarks_5 = [face.points.double().numpy()]
    helper.align_warp_face()
    crop = np.ascontiguousarray(helper.cropped_faces[0][..., ::-1])
    seen = torch.from_numpy(crop).movedim(-1, 0)[None].float() / 127.5 - 1
    with torch.no_grad():
        wanted = helper.face_parse(seen)[0].argmax(1)[0]
    images = torch.from_numpy(picture)[None].float() / 255
    ours = parse(images, of(images, face), load(tmp_path / PARSENET))
    apart = (ours.crops.patches[0] * 255 - torch.from_numpy(crop)).abs()
    assert apart.max() <= 1
    assert apart.mean() < 0.3  # their 8 bits alone are 0.25
    assert len(wanted.unique()) > 4
    assert (ours.classes[0] == wanted).float().mean() > 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("size", "frames"), [(SIZES[0], 3), (SIZES[1], 1)])
def test_faces_of_a_batch(parser, size, frames):
    """In one go as one by one, in their order; the pictures are not written to."""
    images = pictures(*size, frames)
    before = images.clone()
    faces = [handmade.measured(8 + 2 * n, 40 + 9 * n, 50, n % frames, 9 * n) for n in range(6)]
    steps: list[tuple[int, int]] = []
    parsing = parse(images, of(images, *faces), parser, lambda *at: steps.append(at))
    assert torch.equal(images, before)
    assert (steps[0], steps[-1]) == ((1, 12), (12, 12))
    assert steps == sorted(steps)
    assert (parsing.classes.shape, parsing.classes.dtype) == ((6, 512, 512), torch.uint8)
    for number in (0, 5):
        alone = parse(images, of(images, faces[number]), parser)
        assert (parsing.classes[number] == alone.classes[0]).float().mean() > 0.999
        assert parsing.crops.cut[number].frame == faces[number].frame


@pytest.mark.parametrize("size", SIZES)
def test_masks_of_all_none_and_half(parser, size):
    """What the crops show is on the picture where they were cut; outside of them all is 0."""
    height, width = size
    images = pictures(height, width)
    face = handmade.measured(9, 50.3, 60.1, degrees=20)
    parsing = shown(parse(images, of(images, face), parser), torch.zeros(1, 512, 512))
    whole = parsing.masks([FaceClass.BACKGROUND])
    assert parsing.masks([]).abs().max() == parsing.masks([FaceClass.HAIR]).max() == 0
    assert whole.shape == (1, height, width)
    assert 0 < (whole > 0.5).float().mean() < 0.9
    at = parsing.crops.cut[0].matrix
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    there = torch.stack([x, y], -1).double() @ at[:, :2].T + at[:, 2]
    inside = ((there > -0.5) & (there < 511.5)).all(-1)
    surely = ((there > 30) & (there < 481)).all(-1)  # a picture's pixel is 14 of the crop's
    beyond = ((there < -30) | (there > 541)).any(-1)
    assert whole[0][surely].min() == pytest.approx(1, abs=1e-5)
    assert whole[0][beyond].abs().max() == 0
    assert ((whole[0] > 0.5) == inside).float().mean() > 0.99
    left = torch.where(torch.arange(512) < 256, 0, CLASSES.index(FaceClass.HAIR)).expand(512, 512)
    halves = shown(parsing, left[None])
    one, other = halves.masks([FaceClass.BACKGROUND]), halves.masks([FaceClass.HAIR])
    assert torch.allclose(one + other, whole, atol=1e-5)
    assert one[0][surely & (there[..., 0] < 226)].min() > 0.99
    assert other[0][surely & (there[..., 0] > 286)].min() > 0.99
    assert torch.equal(halves.patch_masks([FaceClass.HAIR])[0], (left > 0).float())


def test_masks_together_and_apart(parser):
    images = pictures(97, 160, frames=3)
    places = ((40, 40, 0), (50, 45, 0), (90, 50, 2))
    faces = [handmade.measured(8, *place) for place in places]
    parsing = parse(images, of(images, *faces), parser)
    names = list(FaceClass)[1:9]
    apart, together = parsing.masks(names, together=False), parsing.masks(names)
    assert (apart.shape, together.shape) == ((3, 97, 160), (3, 97, 160))
    assert torch.equal(together[0], torch.maximum(apart[0], apart[1]))
    assert (apart.amax((1, 2)) > 0.5).all()
    assert not torch.equal(apart[0], apart[1])
    assert together[1].max() == 0
    assert torch.equal(together[2], apart[2])
    assert apart.min() >= 0
    assert apart.max() <= 1


def test_no_face(parser):
    images = pictures(97, 160, frames=2)
    parsing = parse(images, of(images), parser)
    assert parsing.masks(list(FaceClass)).shape == (2, 97, 160)
    assert parsing.masks(list(FaceClass)).max() == 0
    assert parsing.masks(list(FaceClass), together=False).shape == (0, 97, 160)
    assert describe(parsing) == "0 faces parsed"


@pytest.mark.parametrize("place", [(0, 0), (-40, 30), (400, 400)])
@pytest.mark.parametrize("eyes", [0.3, 20, 900])
def test_faces_off_the_picture_tiny_and_huge(parser, place, eyes):
    images = pictures(97, 160)
    parsing = parse(images, of(images, handmade.measured(eyes, *place)), parser)
    masks = parsing.masks(list(FaceClass))
    assert masks.shape == (1, 97, 160)
    assert 0 <= masks.min() <= masks.max() <= 1


@pytest.mark.parametrize("kind", ["half", "bfloat16", "alpha", "grey"])
def test_pictures_of_other_kinds(parser, kind):
    images = pictures(97, 160)
    if kind == "grey":
        images = images.mean(-1, keepdim=True).expand(-1, -1, -1, 3).contiguous()
    faces = of(images, handmade.measured(20, 70, 50))
    other = {
        "half": images.half(),
        "bfloat16": images.bfloat16(),
        "alpha": torch.cat([images, torch.full_like(images[..., :1], 0.3)], -1),
        "grey": images[..., :1],
    }[kind]
    wanted, found = parse(images, faces, parser), parse(other, faces, parser)
    assert (found.classes == wanted.classes).float().mean() > 0.95
    assert found.masks([FaceClass.SKIN]).dtype == torch.float32


def test_what_is_not_a_number_is_black_and_told(parser):
    images = pictures(97, 160)
    images[0, 40:44, 60:70] = float("nan")
    faces = of(images, handmade.measured(20, 70, 50), handmade.measured(3, 140, 80))
    parsing = parse(images, faces, parser)
    assert parsing.notes == ("face 0: what is not a number around it was taken as black",)
    assert parsing.notes[0] in describe(parsing)


def test_points_that_are_none_name_the_face(parser):
    images = pictures(97, 160)
    good = handmade.measured(20, 70, 50)
    for points in (torch.full((5, 2), float("nan")), torch.full((5, 2), 30.0)):
        with pytest.raises(ValueError, match=r"face 1 \(frame 0\) cannot be aligned.*Select Faces"):
            parse(images, of(images, good, replace(good, points=points)), parser)


@pytest.mark.parametrize("last", [3, 13])  # while cutting, while parsing
def test_cancel_is_heard(parser, last):
    images = pictures(97, 160)
    faces = of(images, *[handmade.measured(9, 40 + n, 50) for n in range(9)])

    def stop(done: int, total: int) -> None:
        if done >= last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parse(images, faces, parser, stop)


def test_the_report_says_what_is_seen(parser):
    images = pictures(97, 160, frames=2)
    parsing = parse(images, of(images, handmade.measured(9, 40, 50, frame=1)), parser)
    numbers = torch.full((1, 512, 512), CLASSES.index(FaceClass.SKIN))
    numbers[:, :128] = CLASSES.index(FaceClass.HAIR)
    numbers[:, 0, 0] = CLASSES.index(FaceClass.HAT)
    assert describe(shown(parsing, numbers)) == "1 face parsed\n0: frame 1, skin 75%, hair 25%"


def test_what_a_file_holds_is_told_by_its_tensors(files, tmp_path):
    (tmp_path / "a.pth").write_bytes((files / BISENET).read_bytes())
    parsers.write_parsenet(tmp_path / "bisenet.pth")
    assert load(tmp_path / "a.pth").kind.name == "BiSeNet"
    assert load(tmp_path / "bisenet.pth").kind.name == "ParseNet"


def test_another_network_and_a_broken_file(tmp_path):
    write_fan(tmp_path / "fan.pth", width=16, stacks=1)
    with pytest.raises(ValueError, match=r"fan\.pth holds no face parser.*parsing_parsenet\.pth"):
        load(tmp_path / "fan.pth")
    file = parsers.write_parsenet(tmp_path / PARSENET)
    tensors = torch.load(file, weights_only=True)
    torch.save({name: value for name, value in tensors.items() if "body.1" not in name}, file)
    assert load(file).kind.name == "ParseNet"  # a shallower one, whole in itself
    del tensors["decoder.1.conv1.conv2d.weight"]
    torch.save(tensors, file)
    with pytest.raises(
        ValueError, match=r"cannot be used: it lacks 1 tensor, such as decoder.*Delete it"
    ):
        load(file)
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(ValueError, match=r"\(9,000 bytes\) cannot be used.*Delete it"):
        load(file)
