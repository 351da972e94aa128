"""Embeddings by name in a prompt: as ComfyUI reads them, from files that are there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pack.likeness.embeddings import Embedding, Missing, describe, listed, located, write

NG, BAD = "ng_deepnegative_v1_75t.pt", "badhandv4.pt"
FOLDER = Path("models/embeddings")


@pytest.mark.parametrize(
    ("names", "prompt", "text"),
    [
        (
            "ng_deepnegative_v1_75t, badhandv4:0.8",
            "blurry, (bad:1.2)",
            "embedding:ng_deepnegative_v1_75t, (embedding:badhandv4:0.8), blurry, (bad:1.2)",
        ),
        ("badhandv4.pt:1", "blurry", "embedding:badhandv4.pt, blurry"),
        ("badhandv4 : 1.25", "", "(embedding:badhandv4:1.25)"),
        ("badhandv4\nbadhandv4:2,,", "  \n", "embedding:badhandv4"),
        ("embedding:badhandv4, (embedding:ng_deepnegative_v1_75t:-1)", "a",
         "embedding:badhandv4, (embedding:ng_deepnegative_v1_75t:-1), a"),
        ("BadHandV4:.5", "x", "(embedding:badhandv4:0.5), x"),
        (" , \n", "as it came ", "as it came "),
        ("", "", ""),
    ],
)  # fmt: skip
def test_what_is_written(names, prompt, text):
    assert write(prompt, names, [NG, BAD], FOLDER).text == text


def test_files_are_found_wherever_they_are_and_however_they_end():
    there = [
        "a.bin",
        "b.safetensors",
        "b.pt",
        "deep/er/c.pt",
        "win\\d.pt",
        "e.pth",
        "A.bin",
        "c d.pt",
    ]
    assert located("a", there) == "a"
    assert located("A", there) == "A"  # both are there: the case decides
    assert located("B", there) == "b"
    assert located("b.pt", there) == "b.pt"
    assert located("c", there) == located("deep/er/c", there) == "deep/er/c"
    assert located("c.pt", there) == "deep/er/c.pt"
    assert located("d", there) == located("win/d", there) == located("win\\d", there) == "win/d"
    assert located("e.pth", there) == "e.pth"
    assert located("e", there) is None  # ComfyUI does not try this ending
    assert located("er/c", there) is None
    assert located("../a", there) is None
    assert located("/a", there) is None


def test_comfyui_finds_what_is_written(tmp_path):
    """Its own reading of prompts and files: brackets in a name, sub-folders, endings."""
    clip = pytest.importorskip("comfy.sd1_clip")
    names = ["plain.pt", "sub/deep(2).pt", "whole.pth", "b.bin"]
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        vector = torch.full((1, 768), float(number))
        torch.save({"string_to_param": {"*": vector}}, tmp_path / name)
    wanted = "plain:0.5, deep(2):0.25, whole.pth, B"
    text = write("blurry", wanted, names, tmp_path).text
    weights = {}
    for part, weight in clip.token_weights(clip.escape_important(text), 1.0):
        for word in clip.unescape_important(part).split():
            if word.startswith("embedding:"):
                name = word.removeprefix("embedding:").rstrip(",")
                found = clip.load_embed(name, str(tmp_path), 768, "clip_l")
                weights[int(found[0, 0])] = weight
    assert weights == {0: 0.5, 1: 0.25, 2: 1.0, 3: 1.0}


@pytest.mark.parametrize("name", [NG, "badhandv4", "BADHANDV4"])
def test_one_of_the_table_that_is_missing_says_where_it_comes_from(name):
    with pytest.raises(FileNotFoundError) as caught:
        write("blurry", name, [], FOLDER)
    told = str(caught.value)
    file, page = (NG, "licyk") if name == NG else (BAD, "civitai.com")
    assert told.startswith(f"{file} is not in {FOLDER}")
    assert page in told
    assert "save it there" in told


def test_another_that_is_missing_names_what_is_near():
    with pytest.raises(FileNotFoundError, match=r"EasyNegativ is not in .*Near to it: EasyNeg"):
        write("blurry", "EasyNegativ", ["EasyNegative.safetensors", NG], FOLDER)
    with pytest.raises(FileNotFoundError, match=r"Near to it: badhandv4\."):
        write("blurry", "badhand4", [], FOLDER)
    with pytest.raises(FileNotFoundError) as caught:
        write("blurry", "zzz", [NG], FOLDER)
    assert "Near" not in str(caught.value)


@pytest.mark.parametrize("path", ["../../secret", "/etc/passwd", "C:/x", "..\\badhandv4", "."])
def test_paths_out_of_the_folder_name_no_file(path):
    """A drive's colon is taken for that of a weight."""
    with pytest.raises((FileNotFoundError, ValueError), match=r"is not in|not a name with a weig"):
        write("blurry", path, [BAD], FOLDER)


def test_what_is_missing_is_left_out_and_told():
    written = write("blurry", "nope:0.5, badhandv4, " + NG, [BAD], FOLDER, Missing.LEAVE_OUT)
    assert written.text == "embedding:badhandv4, blurry"
    lines = describe(written).splitlines()
    assert lines[0] == "1 embedding written: badhandv4"
    assert lines[1].startswith(f"left out: nope is not in {FOLDER}")
    assert lines[2].startswith(f"left out: {NG} is not in {FOLDER}")
    alone = write("blurry", "nope", [BAD], FOLDER, Missing.LEAVE_OUT)
    assert alone.text == "blurry"
    assert describe(alone).startswith("no embedding: the prompt is as it came\nleft out: nope")


def test_the_report_tells_weights():
    assert describe(write("", f"badhandv4:0.80, {NG}", [NG, BAD], FOLDER)) == (
        f"2 embeddings written: badhandv4 at 0.8, {NG}"
    )


@pytest.mark.parametrize(
    "part",
    ["badhandv4:", "badhandv4:much", ":0.5", "badhandv4:nan", "a:inf", "embedding:", "()", "( )"],
)
def test_weights_that_are_none(part):
    with pytest.raises(ValueError, match=r"not a name with a weight: write it as in 'badhandv4:0"):
        write("blurry", f"{BAD}, {part}", [BAD], FOLDER, Missing.LEAVE_OUT)


@pytest.mark.parametrize("file", ["bad hand.pt", "sub folder/x.pt", "bad[1].pt", "b<.pt"])
def test_a_name_that_comfyui_would_not_read_to_its_end(file):
    with pytest.raises(ValueError, match="give the file, or its folder, a name without it"):
        write("blurry", file, [file], FOLDER)


def test_lists():
    assert listed("a:.5\n b ,a") == (Embedding("a", 0.5), Embedding("b"), Embedding("a"))
