"""Every blueprint: the page builds its file, lists it, adds it as one node, and that node runs."""

from __future__ import annotations

import json
from dataclasses import asdict

import blueprint_builder as builder
import compare
import numpy as np
import pytest
import workflow_parts as parts
from blueprint_builder import ROOT, Setting, blueprints
from host import PACK
from test_workflows import KINDS, VALUES, settings
from workflow_builder import SCRIPT, Link, Node, described, sent, text

BLUEPRINTS = {blueprint.title: blueprint for blueprint in blueprints()}
INPAINT, IMG2IMG, SWAP = "Portrait inpaint", "Portrait img2img", "Portrait swap"
every_blueprint = pytest.mark.parametrize("title", BLUEPRINTS)
REWRITE = "tests/test_blueprints.py"
CPU_NOISE = 1  # of 255: the host samples one prompt twice with other last bits on some CPUs
PLACE, SIZE = (0, 0), (290, 200)
PICTURE, PERSON, ANALYZER, FOUND, MASK, MODEL, GOOD, BAD, BEFORE, AFTER, TOLD = range(101, 112)

MISSING = """() => [app.rootGraph, ...app.rootGraph.subgraphs.values()]
  .flatMap((graph) => graph.nodes)
  .filter((node) => node.has_errors || !LiteGraph.registered_node_types[node.type])
  .map((node) => node.type)"""
LOOKS = """() => app.rootGraph.nodes.map((node) => ({
  id: Number(node.id),
  title: node.title,
  inputs: node.inputs.map((input) => input.name),
  outputs: node.outputs.map((output) => output.name),
  settings: node.widgets.map((widget) => [widget.name, widget.value])
}))"""
TURN = """([id, values]) => {
  const node = app.rootGraph.getNodeById(id)
  for (const [name, value] of Object.entries(values)) {
    const widget = node.widgets.find((each) => each.name === name)
    widget.value = value
    widget.callback?.(value)
  }
}"""
LINK = """([id, links]) => {
  const node = app.rootGraph.getNodeById(id)
  for (const [name, { node: from, output }] of Object.entries(links)) {
    const slot = node.findInputSlot(name)
    if (!app.rootGraph.getNodeById(from).connect(output, node, slot)) throw new Error(name)
  }
}"""

PORTRAIT = parts.demo_portrait(PICTURE, PLACE, SIZE, "harbour")
COLOUR = {"width": 160, "height": 96, "batch_size": 1, "color": 0x446688}
BLANK = Node(PICTURE, "EmptyImage", "No face", PLACE, SIZE, COLOUR)


def surroundings(picture: Node, after: Link, told: Link) -> tuple[Node, ...]:
    """What leads to any of the blueprints, and shows what comes of it."""
    clip = Link(MODEL, 1)
    return (
        picture,
        parts.demo_portrait(PERSON, PLACE, SIZE, "studio"),
        parts.load_analyzer(ANALYZER, PLACE, SIZE),
        parts.detect_faces(FOUND, PLACE, SIZE, Link(PICTURE), Link(ANALYZER)),
        parts.mask(MASK, PLACE, SIZE, Link(FOUND), "one for each picture"),
        parts.load_checkpoint(MODEL, PLACE, SIZE),
        parts.prompt(GOOD, "Prompt", PLACE, SIZE, "a photo of a woman face", clip),
        parts.prompt(BAD, "Negative prompt", PLACE, SIZE, "painting", clip),
        Node(BEFORE, "PreviewImage", "Before", PLACE, SIZE, {"images": Link(PICTURE)}),
        Node(AFTER, "PreviewImage", "After", PLACE, SIZE, {"images": after}),
        Node(TOLD, "PreviewAny", "Report", PLACE, SIZE, {"source": told}),
    )


SAMPLING = {"model": Link(MODEL), "positive": Link(GOOD), "negative": Link(BAD)}
SAMPLING |= {"vae": Link(MODEL, 2), "picture": Link(PICTURE)}
LINKS = {
    INPAINT: SAMPLING | {"mask": Link(MASK)},
    IMG2IMG: SAMPLING | {"faces": Link(FOUND)},
    SWAP: {"picture": Link(PICTURE), "person": Link(PERSON)},
}
# Other values than those to begin with: a setting without effect would show in what is queued.
BRIEF = {"strength": 0.75, "steps": 4, "cfg": 3.0, "seed": 7}
CHOSEN = {
    INPAINT: BRIEF | {"width": 128, "height": 192, "padding percent": 30.0, "mask blur": 4.0},
    IMG2IMG: BRIEF
    | {"region": "mouth", "megapixels": 0.05, "padding percent": 80.0, "mask blur": 2.0},
    SWAP: {"analyzer": "built in", "which faces": "", "strength": 0.8, "boost": 2},
}


def flat(title: str, picture: Node) -> dict:
    """The nodes inside, one by one among their surroundings, as /prompt takes them."""
    blueprint = BLUEPRINTS[title]
    inside = builder.filled(blueprint, LINKS[title] | CHOSEN[title])
    outputs = blueprint.outputs
    around = surroundings(picture, outputs["picture"], outputs["report"])
    return {str(node.id): sent(node) for node in (*inside, *around)}


def within(host: int, prompt: dict) -> dict:
    """The same with the numbers that the page gives to nodes inside its node `host`."""
    name = {number: f"{host}:{number}" if int(number) < PICTURE else number for number in prompt}

    def moved(value: object) -> object:
        return [name[value[0]], value[1]] if isinstance(value, list) else value

    return {
        name[number]: node | {"inputs": {k: moved(v) for k, v in node["inputs"].items()}}
        for number, node in prompt.items()
    }


def connect(editor, title: str, node: dict) -> None:
    """Its surroundings about the node in the page, and other settings on it."""
    after, told = (Link(node["id"], node["outputs"].index(each)) for each in ("picture", "report"))
    around = [described(each) for each in surroundings(PORTRAIT, after, told)]
    editor.evaluate(SCRIPT, {"nodes": around, "notes": [], "groups": []})
    editor.evaluate(TURN, [node["id"], CHOSEN[title]])
    editor.evaluate(LINK, [node["id"], {k: asdict(v) for k, v in LINKS[title].items()}])


def take_from_library(editor, title: str) -> dict:
    """By hand, onto the empty graph; returns what the node there looks like."""
    editor.clear()
    editor.do(_take, editor.page, title)
    (node,) = editor.evaluate(LOOKS)
    return node


def _take(page, title: str) -> None:
    library = page.get_by_role("button", name="Node Library")
    library.click()
    page.get_by_placeholder("Search...").fill(title)
    entry = page.get_by_role("treeitem").filter(has_text=title)
    entry.hover()
    page.get_by_text(BLUEPRINTS[title].description).wait_for()
    entry.click()
    page.mouse.move(800, 400)
    page.mouse.click(820, 410)
    page.wait_for_function("() => app.rootGraph.nodes.length === 1")
    library.click()


@every_blueprint
def test_the_page_builds_the_file_from_the_description(title, editor, rewrite):
    blueprint = BLUEPRINTS[title]
    built = text(builder.build(blueprint, editor))
    compare.same(blueprint.file, built, REWRITE, rewrite)


@every_blueprint
def test_the_page_opens_the_file_and_saves_it_unchanged(title, editor):
    file = BLUEPRINTS[title].file
    editor.load(json.loads(file.read_text("utf-8")))
    assert editor.evaluate(MISSING) == []
    assert editor.complaints() == ""
    compare.same(file, text(builder.finished(editor.save())), REWRITE)


@every_blueprint
def test_it_names_every_setting(title, server):
    """As in workflows; what has no widget is a socket, and what has one stays a setting."""
    for node in BLUEPRINTS[title].nodes:
        inputs = server.client.object_info(node.type)[node.type]["input"]
        ordered = {name: inputs[kind][name] for kind in KINDS for name in inputs.get(kind, ())}
        values = {k: v.value if isinstance(v, Setting) else v for k, v in node.inputs.items()}
        loose = {name for name in inputs.get("optional", ()) if name not in values}
        assert not [name for name in loose if ordered[name][0] in VALUES]
        assert list(values) == [name for name in settings(ordered, values) if name not in loose]


@pytest.fixture
def library(server, rewrite) -> dict:
    """What the server says of this pack's blueprints, by their numbers."""
    if rewrite:
        pytest.skip("ComfyUI had read the files before they were written anew")
    listed = json.loads(server.client.fetch("/global_subgraphs"))
    return {k: v for k, v in listed.items() if v["info"]["node_pack"] == f"custom_nodes.{PACK}"}


def test_the_server_lists_them(server, library):
    assert sorted(each["name"] for each in library.values()) == sorted(BLUEPRINTS)
    for number, each in library.items():
        data = json.loads(server.client.fetch(f"/global_subgraphs/{number}"))["data"]
        assert data == BLUEPRINTS[each["name"]].file.read_text("utf-8")


@pytest.mark.slow
@every_blueprint
def test_it_comes_from_the_node_library_and_runs_as_its_nodes_do(title, editor, server, library):
    blueprint = BLUEPRINTS[title]
    node = take_from_library(editor, title)
    assert node == {
        "id": node["id"],
        "title": title,
        "inputs": list(blueprint.order),
        "outputs": list(blueprint.outputs),
        "settings": [list(each) for each in blueprint.settings.items()],
    }
    assert editor.evaluate(MISSING) == []
    editor.screenshot(f"{title}, from the library")
    connect(editor, title, node)
    one_by_one = flat(title, PORTRAIT)
    assert editor.prompt() == within(node["id"], one_by_one)
    as_one = server.run(editor.prompt())
    server.forget()
    apart = server.run(one_by_one)
    before, after = (as_one.images(each)[0].astype(int) for each in (BEFORE, AFTER))
    assert abs(after - before).max() > 20
    assert abs(after - apart.images(AFTER)[0]).max() <= CPU_NOISE
    assert as_one.texts[str(TOLD)] == apart.texts[str(TOLD)]


@pytest.mark.slow
@every_blueprint
def test_without_a_face_the_picture_comes_out_as_it_went_in(title, server):
    result = server.run(flat(title, BLANK))
    assert np.array_equal(*result.images(BEFORE), *result.images(AFTER))
    assert result.texts[str(TOLD)]


def test_every_file_has_a_description():
    assert {path.stem for path in (ROOT / "subgraphs").glob("*")} == set(BLUEPRINTS)
