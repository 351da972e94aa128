"""WD14 taggers: what they are given, and what is made of their answers."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
import torch
from pack.likeness.demo import read as portrait
from pack.likeness.tagging.labels import labels_beside, read
from pack.likeness.tagging.report import describe_tagged, describe_tagger
from pack.likeness.tagging.square import square
from pack.likeness.tagging.tag import Characters, Order, Parentheses, Settings, tag_images
from pack.likeness.tagging.tagger import BATCH, load
from pack.likeness.tagging.words import escaped, excluded, patterns, spaced
from PIL import Image, ImageOps
from standins import taggers as standins

SIZES = ((97, 160), (160, 97), (448, 448), (900, 613), (612, 901), (1, 30), (448, 300))
# The published networks' faces drawn in letters.
KAOMOJI = (
    *("0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9"),
    *(">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"),
)


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    """Of whole steps of 1/255, as from a file."""
    numbers = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return torch.from_numpy(numbers).float() / 255


def expected(image: torch.Tensor, side: int) -> np.ndarray:
    """What the network should be given, by Pillow as far as it goes."""
    pixels = (image * 255).round().byte().numpy()
    if pixels.shape[2] == 4:
        own = Image.fromarray(pixels, "RGBA")
        opaque = Image.new("RGBA", own.size, (255, 255, 255, 255))
        opaque.alpha_composite(own)
    else:
        opaque = Image.fromarray(pixels.repeat(3 // pixels.shape[2], 2))
    longest = max(opaque.size)
    framed = Image.new("RGB", (longest, longest), "white")
    corner = (longest - opaque.width) // 2, (longest - opaque.height) // 2
    framed.paste(opaque.convert("RGB"), corner)
    blue_first = np.asarray(framed)[..., [2, 1, 0]]
    way = cv2.INTER_AREA if longest > side else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(blue_first), (side, side), interpolation=way)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_made_ready_as_by_pillow_and_opencv(size, channels):
    image = picture(*size, channels)
    made = square(image, 448)
    assert (made.shape, made.dtype) == ((448, 448, 3), np.float32)
    np.testing.assert_array_equal(made, expected(image, 448))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_transparent_is_white(size):
    """Pillow rounds before it resizes twice over: a level of 255 may differ, and not on average."""
    image = picture(*size, 4)
    difference = np.abs(square(image, 448) - expected(image, 448))
    assert difference.max() <= 1
    assert difference.mean() < 0.02
    image[..., 3] = 0
    np.testing.assert_array_equal(square(image, 448), 255)


def test_a_picture_as_large_as_the_network_is_only_turned_to_bgr():
    image = picture(448, 448)
    np.testing.assert_array_equal(square(image, 448)[..., ::-1], (image * 255).round().numpy())


def test_a_photograph_shrinks_as_by_pillow():
    """By another hand than OpenCV's. It is twice as wide as the network's square."""
    image = portrait("harbour")[0][:300, :400]
    bare = Image.fromarray((image * 255).round().byte().numpy())
    framed = ImageOps.pad(bare, (400, 400), color="white")
    small = np.asarray(framed.resize((200, 200), Image.Resampling.BOX), np.float32)
    made = square(image, 200)
    assert np.abs(made[..., ::-1] - small).max() <= 1
    assert np.abs(made - small).mean() > 3  # red for blue is seen


def test_a_strip_takes_no_more_memory_than_it_needs():
    """Its own square would take 10 GB. What is in it stays where it was."""
    strip = torch.zeros(64, 60_000, 3)
    strip[:, 30_000:, 0] = 1
    tracemalloc.start()
    made = square(strip, 448)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    np.testing.assert_array_equal(made[[0, -1]], 255)
    left, right = made[223:225, :224].mean((0, 1)), made[223:225, 224:].mean((0, 1))
    assert left.max() - left.min() < 1  # black and white
    assert right[2] == 255
    np.testing.assert_allclose(right[:2], left[:2], atol=1)
    assert left.max() < 255 * 0.8


def test_a_long_picture_is_shrunk_in_two_steps():
    image = portrait("harbour")[0][:40, :300]
    difference = np.abs(square(image, 32) - expected(image, 32))
    assert difference.mean() < 0.5
    assert difference.max() <= 12  # at its border with white


def test_values_that_are_no_numbers_are_black_and_nothing_is_written_into():
    image = picture(64, 64)
    image[3, 4] = torch.tensor([np.nan, np.inf, -np.inf])
    before = image.clone()
    made = square(image, 64)
    np.testing.assert_array_equal(made[3, 4], [0, 255, 0])
    assert torch.equal(image.nan_to_num(), before.nan_to_num())


@pytest.mark.parametrize("layout", standins.LAYOUTS)
@pytest.mark.parametrize("batch", [None, 1, "N"])
def test_a_batch_is_answered_picture_by_picture(tmp_path, layout, batch):
    """Whether the network takes many at once or one; of BGR, in the square that was made."""
    tagger = load(standins.write_seeing(tmp_path, layout=layout, batch=batch))
    assert (tagger.batch, tagger.side) == (1 if batch == 1 else BATCH, 448)
    images = torch.stack([picture(97, 160, seed=seed) for seed in range(2 * BATCH + 1)])
    steps: list[tuple[int, int]] = []
    settings = Settings(general=0, order=Order.LIST)
    tagged = tag_images(images, tagger, settings, lambda *step: steps.append(step))
    assert steps == [(done, len(images)) for done in range(1, len(images) + 1)]
    assert tagged.notes == ()
    for image, tags in zip(images, tagged.pictures, strict=True):
        told = np.array([confidence for _, confidence in tags.found])
        wanted = expected(image, 448)[:: standins.STEP, :: standins.STEP].reshape(-1) / 255
        np.testing.assert_allclose(told, wanted, atol=1e-6)


def test_the_size_is_the_networks_own(tmp_path):
    tagger = load(standins.write_seeing(tmp_path, side=96))
    image = picture(50, 40)
    tagged = tag_images(image[None], tagger, Settings(general=0, order=Order.LIST))
    wanted = expected(image, 96)[:: standins.STEP, :: standins.STEP].reshape(-1) / 255
    told = [confidence for _, confidence in tagged.pictures[0].found]
    np.testing.assert_allclose(told, wanted, atol=1e-6)


def test_a_network_that_promises_many_and_takes_one(tmp_path):
    """It is asked again for one at a time, and the report says why."""
    model = standins.seeing(batch=None)
    for shape in (model.graph.input[0], model.graph.output[0]):
        shape.type.tensor_type.shape.dim[0].dim_param = "N"
    fixed = next(each for each in model.graph.initializer if each.name == "flat")
    fixed.raw_data = np.array([1, -1], np.int64).tobytes()  # one row, whatever came
    rows = [(f"pixel_{number}", 0) for number in range(3 * 14**2)]
    tagger = load(standins.write_pair(tmp_path, "wd", rows, model))
    assert tagger.batch == BATCH
    images = torch.stack([picture(97, 160, seed=seed) for seed in range(3)])
    tagged = tag_images(images, tagger, Settings(general=0, order=Order.LIST))
    assert len(tagged.notes) == 1
    assert "one picture at a time" in describe_tagged(tagged)
    for image, tags in zip(images, tagged.pictures, strict=True):
        wanted = expected(image, 448)[:: standins.STEP, :: standins.STEP].reshape(-1) / 255
        np.testing.assert_allclose([sure for _, sure in tags.found], wanted, atol=1e-6)


def test_the_tags_of_a_portrait(tmp_path):
    tagged = tag_images(picture(64, 64)[None], load(standins.write_tagger(tmp_path)))
    assert tagged.texts == [
        "1girl, solo, realistic, looking at viewer, smile, long hair, upper body, brown hair, "
        "portrait, outdoors, blurry background, shirt, lips, brown eyes, nose"
    ]
    report = describe_tagged(tagged)
    assert report.startswith("1 picture tagged by wd-vit-tagger-v3.onnx\n0: 15 tags, rating gener")
    assert "rating general 0.94: 1girl 0.98, solo 0.97" in report
    assert report.endswith("blurry background 0.58, shirt 0.52, and 3 more")


GENERAL = (("smile", 0.35), ("b_c_d", 0.36), ("o_o", 0.9), ("Long_Hair", 0.34), ("x_(y_z)", 0.7))
PEOPLE = (("ann_(series)", 0.85), ("bob", 0.84))


def tags(tmp_path, **settings) -> list[str]:
    tagger = load(standins.write_fixed(tmp_path, "wd", GENERAL, PEOPLE))
    (text,) = tag_images(picture(8, 8)[None], tagger, Settings(**settings)).texts
    return text.split(", ")


def test_a_tag_counts_from_its_threshold_on(tmp_path):
    surest = ["o_o", "ann \\(series\\)", "x \\(y z\\)", "b c d", "smile"]
    assert tags(tmp_path) == surest
    assert tags(tmp_path, general=0.36) == surest[:-1]
    assert tags(tmp_path, general=0.34) == [*surest, "Long Hair"]
    assert tags(tmp_path, character=0.84)[1:3] == ["ann \\(series\\)", "bob"]
    assert tags(tmp_path, general=1, character=1) == [""]
    everything = tags(tmp_path, general=0, character=0)
    assert len(everything) == 7
    assert "general" not in everything  # a rating, sure as it is


def test_order_characters_and_parentheses(tmp_path):
    listed = ["smile", "b c d", "o_o", "x \\(y z\\)", "ann \\(series\\)"]
    assert tags(tmp_path, order=Order.LIST) == listed
    assert tags(tmp_path, order=Order.LIST, characters=Characters.LEFT_OUT) == listed[:-1]
    plain = tags(tmp_path, order=Order.LIST, parentheses=Parentheses.PLAIN)
    assert plain == ["smile", "b c d", "o_o", "x (y z)", "ann (series)"]


@pytest.mark.parametrize(
    "exclude", ["x_(y_z)", "X (y z)", r"x \(y z\)", "x*", "nothing, x ?y z)", "*(y*\nnothing"]
)
def test_what_is_excluded_by_any_way_to_write_it(tmp_path, exclude):
    left = tags(tmp_path, order=Order.LIST, exclude=exclude)
    assert left == ["smile", "b c d", "o_o", "ann \\(series\\)"]


def test_the_report_counts_what_was_excluded(tmp_path):
    tagger = load(standins.write_fixed(tmp_path, "wd", GENERAL, PEOPLE))
    tagged = tag_images(picture(8, 8)[None], tagger, Settings(exclude="*"))
    assert tagged.texts == [""]
    assert describe_tagged(tagged).endswith("0: 0 tags, 5 left out, rating general 0.94")


def test_wildcards():
    assert excluded("brown hair", patterns("*_hair"))
    assert excluded("brown hair", patterns("BROWN*, red"))
    assert excluded("Brown Hair", patterns("brown_*"))
    assert not excluded("hairpin", patterns("*_hair, hair"))
    assert excluded("^_^", patterns("^_^"))
    assert excluded("o_o", patterns("?_o"))
    assert excluded("double v", patterns("*_v"))
    assert excluded("x ray", patterns("x_*"))
    assert excluded("a [b]", patterns("a [b]"))
    assert patterns(" , \n ,a_hat,, a hat") == ("a hat",)
    assert not excluded("smile", patterns(""))


@pytest.mark.parametrize("tag", KAOMOJI)
def test_faces_drawn_in_letters_keep_their_underscore(tag):
    assert spaced(tag) == tag


def test_other_underscores_become_spaces():
    plain = ("long_hair", "a_b_c", "x-ray_film", "2b_(nier)", "t-shirt_lift", ":d_smile", "no_1")
    assert [spaced(tag) for tag in plain] == [tag.replace("_", " ") for tag in plain]
    assert [spaced(tag) for tag in (":d", "solo", ";)")] == [":d", "solo", ";)"]


def test_brackets_are_escaped():
    assert escaped("(o)_(o)") == r"\(o\)_\(o\)"
    assert escaped(";)") == r";\)"
    assert escaped("smile") == "smile"


def test_the_list_is_found_by_its_name_or_alone_in_the_folder(tmp_path):
    file = standins.write_tagger(tmp_path, "wd é")
    assert labels_beside(file).name == "wd é.csv"
    (tmp_path / "wd é.csv").rename(tmp_path / "selected_tags.csv")
    assert labels_beside(file).name == "selected_tags.csv"
    assert "in selected_tags.csv" in describe_tagger(load(file))
    standins.write_tagger(tmp_path, "other")
    assert labels_beside(tmp_path / "other.onnx").name == "other.csv"
    with pytest.raises(FileNotFoundError, match=r"2 networks beside it.*save it there as wd é\."):
        labels_beside(file)


def test_a_list_by_the_names_of_its_columns(tmp_path):
    """In any order, with more of them, marked as UTF-8 or not, with any ends of lines."""
    file = tmp_path / "tags.csv"
    text = 'Category,count, NAME ,more\r\n9,1,general,\r\n0,2,"say_""hi"",_you",\r\n\r\n4,3,é_(b),x'
    for encoding in ("utf-8", "utf-8-sig"):
        file.write_bytes(text.encode(encoding))
        labels = read(file)
        assert labels.names == ("general", 'say_"hi",_you', "é_(b)")
        assert labels.categories == (9, 0, 4)
    assert str(labels) == "3 tags (1 general, 1 of characters, 1 ratings)"
    file.write_text("name,category\na,0\nb,5\nc,3\n", "utf-8")
    assert str(read(file)) == "3 tags (1 general, 2 of other kinds, which are left out)"


def test_what_the_loader_tells(tmp_path):
    report = describe_tagger(load(standins.write_tagger(tmp_path)))
    assert report.splitlines()[:3] == [
        "wd-vit-tagger-v3.onnx: 448 px, 24 tags (18 general, 2 of characters, 4 ratings) in "
        "wd-vit-tagger-v3.csv",
        "licence: Apache-2.0; commercial use: yes",
        "wd-vit-tagger-v3.onnx runs on CPUExecutionProvider",
    ]


def test_a_long_batch_is_told_in_short(tmp_path):
    tagger = load(standins.write_tagger(tmp_path))
    tagged = tag_images(picture(8, 8)[None].expand(60, -1, -1, -1), tagger)
    assert len(tagged.texts) == 60
    assert len(describe_tagged(tagged).splitlines()) < 45


def test_a_list_without_ratings(tmp_path):
    model = standins.fixed([0.5, 0.1])
    tagger = load(standins.write_pair(tmp_path, "wd", [("a_hat", 0), ("c", 0)], model))
    tagged = tag_images(picture(8, 8)[None], tagger)
    assert tagged.pictures[0].rating is None
    assert describe_tagged(tagged).endswith("0: 1 tag: a hat 0.50")
