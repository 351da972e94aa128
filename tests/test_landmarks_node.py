"""Load Landmark Network and Refine Landmarks in the real host."""

from __future__ import annotations

import graphs
import torch
from graphs import node, put, refused
from pack.likeness.landmarks import Reading
from pack.likeness.nets import fan
from standins.fan import write_fan


def pictures(frames: int = 1, height: int = 192) -> torch.Tensor:
    """With two stand-in faces each."""
    side = graphs.marker_size(320)
    picture = graphs.marked(height, 320, (4 * side, 4 * side), (12 * side, 6 * side))
    return torch.stack([picture] * frames)


def refined(server, images, network: str = fan.FILE, **changes) -> dict:
    prompt = graphs.find(put(server, images), "buffalo_l")
    wires = {"image": ["picture", 0], "faces": ["detect", 0], "network": ["fan", 0]}
    settings = {"threshold": 0.3, "reading": "sub-pixel"}
    return prompt | {
        "fan": node("LikenessLoadLandmarkNetwork", network=network),
        "refine": node("LikenessRefineLandmarks", **(wires | settings | changes)),
        "draw": node("LikenessDrawFaces", image=["picture", 0], faces=["refine", 0]),
    }


def test_in_the_host(server):
    images = pictures(2)
    for reading in Reading:
        server.forget()
        texts = server.run(refined(server, images, reading=reading.value)).texts
        assert texts["fan"] == "2DFAN4-11f355bf06.pth.tar: FAN with 2 hourglasses"
        assert "68 landmarks measured in 4 of 4 faces" in texts["refine"]


def test_a_file_that_is_not_there(server):
    file = server.base / "models/facedetection" / fan.FILE
    aside = file.rename(file.with_suffix(".aside"))
    try:
        words = (fan.FILE, "models/facedetection", f"python install.py models {fan.FILE}")
        refused(server, refined(server, pictures()), "fan", *words)
    finally:
        aside.rename(file)
    graphs.assert_works(server)
    assert "68 landmarks" in server.run(refined(server, pictures(height=256))).texts["refine"]


def test_a_broken_file_and_another_network(server):
    folder = server.base / "models/facedetection"
    broken, other = folder / "2DFAN4-half.pth.tar", folder / "other.safetensors"
    try:
        broken.write_bytes((folder / fan.FILE).read_bytes()[:5000])
        prompt = refined(server, pictures(), broken.name)
        refused(server, prompt, "fan", str(broken), "5,000 bytes", "put a whole copy")
        prompt = refined(server, pictures(), "parsing_parsenet.pth")
        assert "not in list" in str(server.fails(prompt))
        write_fan(other)
        result = server.run(refined(server, pictures(height=256), other.name))
        assert result.texts["fan"] == f"{other.name}: FAN with 2 hourglasses"
    finally:
        broken.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
    graphs.assert_works(server)
