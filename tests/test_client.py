"""The HTTP client, against the real server and against none."""

from __future__ import annotations

import io

import host
import numpy as np
import pytest
from pack.likeness.client import Client, PromptError, ServerError, images, results, texts
from PIL import Image


def blank() -> dict:
    empty = {"width": 24, "height": 16, "batch_size": 1, "color": 0x336699}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "c"}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": "ünï"}},
    }


def test_an_address_without_its_scheme_is_told():
    with pytest.raises(ValueError, match="such as http://"):
        Client("127.0.0.1:8188")


def test_a_prompt_is_queued_waited_for_and_its_pictures_read(server):
    client = Client(server.url + "/")
    seen = []
    prompt_id = client.queue(blank())
    entry = client.wait(prompt_id, 60, lambda done, total: seen.append((done, total)))
    (image,) = images(entry)
    with Image.open(io.BytesIO(client.view(image))) as picture:
        assert np.array_equal(np.asarray(picture), np.full((16, 24, 3), (0x33, 0x66, 0x99)))
    assert texts(entry) == {"3": "ünï"}
    assert all(total == 60 for _, total in seen)
    assert client.history(prompt_id) == entry


def test_a_name_that_would_break_the_form_is_mended(server):
    assert server.client.upload(b"x", 'a"b\\c\r\nd é.png') == "a_b_c__d é.png"


def test_an_uploaded_picture_is_an_input(server, tmp_path):
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    path = tmp_path / "smile é.png"
    Image.fromarray(pixels).save(path)
    name = server.client.upload(path, folder="likeness tests")
    assert name == "likeness tests/smile é.png"
    prompt = blank()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": name}}
    (loaded,) = server.run(prompt).images(2)
    assert np.array_equal(loaded, pixels)


def test_bytes_can_be_uploaded_under_a_name(server):
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2)).save(buffer, "PNG")
    assert server.client.upload(buffer.getvalue(), "bytes.png") == "bytes.png"
    assert server.client.upload(buffer.getvalue()).endswith(".png")


def test_a_refused_prompt_names_node_type_and_input(server):
    prompt = blank()
    prompt["1"]["inputs"]["width"] = 0
    error = server.fails(prompt)
    assert (error.node_id, error.class_type) == ("1", "EmptyImage")
    assert "width" in str(error)


def test_a_prompt_of_which_a_part_is_refused_is_not_taken_for_a_whole(server):
    prompt = blank() | {"4": {"class_type": "PreviewImage", "inputs": {}}}
    error = server.fails(prompt)
    assert (error.node_id, error.class_type) == ("4", "PreviewImage")
    assert "only a part" in str(error)


def test_an_unknown_node_is_named(server):
    error = server.fails({"1": {"class_type": "NoSuchNode", "inputs": {}}})
    assert "NoSuchNode" in str(error)


def test_an_error_while_running_names_node_type_and_message(server):
    name = server.client.upload(b"this is no picture", "broken.png")
    prompt = blank() | {"1": {"class_type": "LoadImage", "inputs": {"image": name}}}
    error = server.fails(prompt)
    assert (error.node_id, error.class_type) == ("1", "LoadImage")
    assert "cannot identify" in str(error)


def test_an_unknown_prompt_is_an_error(server):
    with pytest.raises(PromptError, match="no longer knows prompt 00000000-"):
        server.client.wait("00000000-0000-4000-8000-000000000000", 5)


def test_an_unknown_path_says_what_the_server_answered(server):
    with pytest.raises(ServerError, match="404"):
        server.client.view({"filename": "none.png", "subfolder": "", "type": "output"})


def test_no_server_says_how_to_cure_it():
    with pytest.raises(ServerError, match="Start ComfyUI") as caught:
        Client(f"http://127.0.0.1:{host.free_port()}").queue(blank())
    assert "refused" in str(caught.value)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(server, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{host.free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Client(server.url).system_stats()["system"]


def test_the_results_are_what_was_saved_or_the_previews_where_nothing_was():
    saved = {"filename": "a.png", "subfolder": "", "type": "output"}
    shown = {"filename": "b.png", "subfolder": "", "type": "temp"}
    assert results({"outputs": {"1": {"images": [shown]}, "2": {"images": [saved]}}}) == [saved]
    assert results({"outputs": {"1": {"images": [shown]}, "2": {"text": ["x"]}}}) == [shown]


def test_what_is_in_a_folder_of_models(server):
    assert "GFPGANv1.4.pth" in server.client.models("facerestore_models")
    assert "codeformer.pth" not in server.client.models("facerestore_models")
