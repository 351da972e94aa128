"""Graphs of the page in the API's format: the page itself says what is right."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from pack.likeness.headless.convert import convert
from pack.likeness.headless.graph import GraphError
from workflow_builder import workflows

pytestmark = pytest.mark.slow

BROWSERS_OWN = ("WEBCAM", "LOAD_3D", "AUDIO_RECORD")  # what only a browser can make
PAGES_OWN = {"LoadImageOutput", "SaveGLB", "Preview3D"}  # buttons that the page sends, unread
BLUEPRINTS = (
    "Brightness and Contrast",
    "Crop Images 2x2",
    "Image Blur",  # a combo that only the page fills
    "Image Captioning (gemini)",
    "Image Depth Estimation (Depth Anything 3)",
    "Image Face Detection (Mediapipe)",
    "Image Outpainting (Qwen-Image)",
    "Text to Image (Z-Image-Turbo)",
    "Image to Gaussian Splat (TripoSplat)",  # a subgraph in a subgraph
)

ADD_ALL = """types => {
  for (const type of types) app.rootGraph.add(LiteGraph.createNode(type))
}"""

# A picture through a bypassed and a muted node, reroutes and primitives.
WINDING = """() => {
  const graph = app.rootGraph
  const add = (type, mode = 0) => {
    const node = LiteGraph.createNode(type)
    graph.add(node)
    node.mode = mode
    return node
  }
  const set = (node, name, value) => {
    node.widgets.find((widget) => widget.name === name).value = value
  }
  const join = (from, output, to, name) => {
    if (!from.connect(output, to, to.findInputSlot(name))) throw new Error(to.type + name)
  }
  const [empty, other] = [add('EmptyImage'), add('EmptyImage', MUTED)]
  const [bypassed, scaled] = [add('ImageInvert', BYPASSED), add('ImageScale', BYPASSED)]
  const [first, second] = [add('Reroute'), add('Reroute')]
  const [batch, save, plain] = [add('ImageBatch'), add('SaveImage'), add('PreviewImage')]
  const [wide, high, never] = [add('PrimitiveNode'), add('PrimitiveNode'), add('SaveImage', MUTED)]
  const sampler = add('KSampler', BYPASSED)
  const decoded = add('VAEDecode')
  const shown = add('PreviewImage')
  const latent = add('EmptyLatentImage')
  add('MarkdownNote')
  add('Note')
  join(wide, 0, empty, 'width')
  join(high, 0, empty, 'height')
  wide.widgets[0].value = 48
  high.widgets[0].value = 24
  first.connect(0, bypassed, 0)
  empty.connect(0, first, 0)
  bypassed.connect(0, scaled, 0)
  scaled.connect(0, second, 0)
  second.connect(0, batch, 0)
  other.connect(0, batch, 1)
  batch.connect(0, save, 0)
  other.connect(0, plain, 0)
  batch.connect(0, never, 0)
  join(latent, 0, sampler, 'latent_image')
  join(sampler, 0, decoded, 'samples')
  join(decoded, 0, shown, 'images')
  set(save, 'filename_prefix', 'winding')
}""".replace("MUTED", "2").replace("BYPASSED", "4")


@pytest.fixture(scope="module")
def known(server) -> dict:
    return server.client.object_info()


@pytest.mark.parametrize("workflow", workflows(), ids=lambda each: each.title)
def test_every_bundled_workflow_is_its_own_api_file(workflow, known):
    saved = json.loads(workflow.file.read_text("utf-8"))
    assert convert(saved, known) == json.loads(workflow.api_file.read_text("utf-8"))


def test_every_node_of_the_server_is_sent_as_the_page_sends_it(editor, known):
    types = [name for name in sorted(known) if not _needs_a_browser(known[name])]
    editor.evaluate(ADD_ALL, types)
    wanted, made = editor.prompt(), convert(editor.save(), known)
    assert len(wanted) > 0.9 * len(known)
    assert list(_wrong(wanted, made, PAGES_OWN)) == []


def test_bypassed_and_muted_nodes_reroutes_and_primitives(editor, known):
    editor.evaluate(WINDING)
    wanted = editor.prompt()
    assert {node["class_type"] for node in wanted.values()} == {
        "EmptyImage", "EmptyLatentImage", "ImageBatch", "PreviewImage", "SaveImage", "VAEDecode",
    }  # fmt: skip
    assert convert(editor.save(), known) == wanted


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_subgraphs_are_laid_open(name, editor, known):
    file = Path(os.environ["COMFYUI_PATH"], "blueprints", f"{name}.json")
    if not file.exists():
        pytest.skip(f"this ComfyUI has no blueprint {name}")
    blueprint = json.loads(file.read_text("utf-8"))
    editor.load(blueprint)
    saved = editor.save()
    wanted = editor.prompt()
    if _unknown(wanted, known):
        with pytest.raises(GraphError, match="does not know GeminiNode"):
            convert(saved, known)
        return
    assert all(":" in key for key in wanted)
    assert list(_wrong(wanted, convert(saved, known))) == []
    if not _deep(blueprint):  # what is in a subgraph's subgraph got other ids since it was made
        assert list(_wrong(wanted, convert(blueprint, known))) == []


def test_a_value_of_the_subgraphs_node_wins_over_the_one_inside(editor, known):
    file = Path(os.environ["COMFYUI_PATH"], "blueprints", "Text to Image (Z-Image-Turbo).json")
    blueprint = json.loads(file.read_text("utf-8"))
    editor.load(blueprint)
    editor.evaluate(
        "() => { app.rootGraph.nodes[0].widgets.find(each => each.name === 'width').value = 640 }"
    )
    wanted, made = editor.prompt(), convert(editor.save(), known)
    widths = [node["inputs"]["width"] for node in made.values() if "width" in node["inputs"]]
    assert widths == [640]
    assert list(_wrong(wanted, made)) == []


def test_an_unknown_node_is_named_with_the_cure(known):
    saved = _graph({"id": 4, "type": "NoSuchNode", "title": "My own", "inputs": []})
    with pytest.raises(GraphError, match=r"My own \(node 4, NoSuchNode\).*Export \(API\)"):
        convert(saved, known)
    saved["nodes"][0]["mode"] = 4
    assert convert(saved, known) == {}


@pytest.mark.parametrize(
    "node", [{"id": 1}, {"id": 1, "type": "SaveImage", "inputs": [{"link": 1}]}, [], None]
)
def test_what_is_no_graph_is_told(node, known):
    with pytest.raises(GraphError, match=r"not a graph as ComfyUI saves it.*Export \(API\)"):
        convert(_graph(node), known)


def test_a_circle_is_told(known):
    ends = [{"id": n, "type": "Reroute", "inputs": [{"name": "", "link": n}]} for n in (1, 2)]
    save = {"id": 3, "type": "PreviewImage", "inputs": [{"name": "images", "link": 3}]}
    links = [[1, 2, 0, 1, 0, "*"], [2, 1, 0, 2, 0, "*"], [3, 2, 0, 3, 0, "*"]]
    with pytest.raises(GraphError, match="in a circle"):
        convert(_graph(*ends, save) | {"links": links}, known)


def test_a_subgraph_that_contains_itself_is_told(known):
    inner = {"id": "loop", "name": "Loop", "nodes": [{"id": 1, "type": "loop"}], "links": []}
    saved = _graph({"id": 1, "type": "loop"}) | {"definitions": {"subgraphs": [inner]}}
    with pytest.raises(GraphError, match="'Loop' contains itself"):
        convert(saved, known)


def test_a_prompt_is_sent_without_its_comments_and_with_one_of_each_choice(editor, known):
    text = "a {red|blue {sky|sea}} // not this\nand \\{braces\\} /* nor\nthis */ end"
    editor.evaluate(
        "text => { const node = LiteGraph.createNode('CLIPTextEncode');"
        " app.rootGraph.add(node); node.widgets[0].value = text }",
        text,
    )
    pattern = r"a (red|blue (sky|sea)) \nand \{braces\}  end"
    seen = set()
    for prompt in (editor.prompt(), *(convert(editor.save(), known) for _ in range(60))):
        (node,) = prompt.values()
        assert re.fullmatch(pattern, node["inputs"]["text"])
        seen.add(node["inputs"]["text"])
    assert len(seen) == 3


def test_values_by_name_are_read_too(known):
    values = {"width": 40, "height": 20, "batch_size": 1, "color": 255}
    saved = _graph({"id": 1, "type": "EmptyImage", "widgets_values": values})
    (node,) = convert(saved, known).values()
    assert node["inputs"] == values


def _graph(*nodes: object) -> dict:
    return {"nodes": list(nodes), "links": []}


def _needs_a_browser(described: dict) -> bool:
    sections = described["input"].values()
    return any(spec[0] in BROWSERS_OWN for each in sections for spec in each.values())


def _wrong(wanted: dict, made: dict, besides: set[str] = frozenset()):
    """Where inputs differ; a node's title may be the page's translation of it."""
    assert wanted.keys() == made.keys()
    for key, node in wanted.items():
        same = node["inputs"] == made[key]["inputs"] or node["class_type"] in besides
        if not same or node["class_type"] != made[key]["class_type"]:
            yield key, node["class_type"], node["inputs"], made[key]["inputs"]


def _unknown(prompt: dict, known: dict) -> bool:
    return any(node.get("class_type") not in known for node in prompt.values())


def _deep(blueprint: dict) -> bool:
    return len(blueprint["definitions"]["subgraphs"]) > 1
