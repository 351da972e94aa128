"""Load Identity in the real page: whom the file holds is seen before anything ran."""

from __future__ import annotations

import shutil

import pytest
import torch
from pack.likeness.face import Face
from pack.likeness.identity import Identity, Portrait
from pack.likeness.identity_file import save
from PIL import Image
from safetensors.torch import save_file

ADD = """() => {
  const node = LiteGraph.createNode('LikenessLoadIdentity')
  app.rootGraph.add(node)
  node.pos = [600, 200]
  return node.id
}"""
CHOOSE = """([id, name]) => {
  const widget = app.rootGraph.getNodeById(id).widgets.find((each) => each.name === 'identity')
  widget.value = name
  widget.callback(name)
}"""
COLOUR = """id => {
  const picture = app.rootGraph.getNodeById(id)?.imgs?.[0]
  if (!picture?.naturalWidth) return null
  const canvas = document.createElement('canvas')
  const pen = canvas.getContext('2d')
  pen.drawImage(picture, 0, 0, 1, 1)
  const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data
  return red > 200 && green < 60 && blue < 60 ? 'red'
    : red < 60 && green < 60 && blue > 200 ? 'blue' : `${red} ${green} ${blue}`
}"""
FRAMES = """() => new Promise((done) => {
  const wait = (left) => requestAnimationFrame(() => left ? wait(left - 1) : done(true))
  wait(5)
})"""
REFRESH = "async () => { await app.refreshComboInNodes() }"
SEEN = f"([id, colour]) => ({COLOUR})(id) === colour"


def person(colour: tuple[float, float, float]) -> Identity:
    face = Face(0, (16.0, 16.0, 48.0, 48.0), torch.rand(5, 2), 1.0)
    image = torch.tensor(colour).expand(64, 64, 3).clone()
    return Identity("x", portrait=Portrait(image, face))


@pytest.fixture
def library(server):
    """A red one, a blue one in a folder of strange name, and one without a picture."""
    folder = server.base / "models/identities"
    shutil.rmtree(folder, ignore_errors=True)
    save(person((1.0, 0.0, 0.0)), folder / "a red & 100% #1.safetensors")
    save(person((0.0, 0.0, 1.0)), folder / "b é" / "blue.safetensors")
    save_file({"embedding": torch.ones(512)}, folder / "c none.safetensors")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def page(editor, library):
    """The editor, which has asked for the choices anew, as pressing R does."""
    editor.evaluate(REFRESH)
    return editor


def test_the_picture_in_the_chosen_file_is_shown(page, server):
    node = page.evaluate(ADD)
    page.wait(SEEN, [node, "red"])
    page.wait("id => app.rootGraph.getNodeById(id).size[1] > 220", node)  # it makes room
    left, _, _, bottom = page.place(node)
    page.wait(FRAMES)
    shot = Image.open(page.screenshot("load identity, created")).convert("RGB")
    assert max(shot.getpixel((left + 5, bottom - 5))) > 40, "the node is smaller than its picture"
    page.evaluate(CHOOSE, [node, "b é/blue.safetensors"])
    page.wait(SEEN, [node, "blue"])
    page.evaluate(CHOOSE, [node, "c none.safetensors"])
    page.wait("id => !app.rootGraph.getNodeById(id).imgs", node)
    page.evaluate(CHOOSE, [node, "gone.safetensors"])
    page.evaluate(CHOOSE, [node, "b é/blue.safetensors"])
    page.wait(SEEN, [node, "blue"])
    saved = page.save()
    [kept] = saved["nodes"]
    assert kept["widgets_values"] == ["b é/blue.safetensors"]
    page.clear()
    page.load(saved)
    page.wait(SEEN, [kept["id"], "blue"])
    assert page.complaints() == ""


def test_an_empty_library_and_one_that_does_not_answer(editor, server):
    shutil.rmtree(server.base / "models/identities", ignore_errors=True)
    editor.evaluate(REFRESH)
    node = editor.evaluate(ADD)
    editor.do(lambda: editor.page.route("**/experiment/models/**", lambda route: route.abort()))
    editor.evaluate(CHOOSE, [node, "gone.safetensors"])
    editor.do(lambda: editor.page.wait_for_load_state("networkidle"))
    editor.do(lambda: editor.page.unroute("**/experiment/models/**"))
    editor.wait(FRAMES)
    assert editor.evaluate("id => !app.rootGraph.getNodeById(id).imgs", node)
