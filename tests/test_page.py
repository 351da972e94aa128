"""A newcomer's way through the real page: template browser, Run, and the help of a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
GRAPH = json.loads((ROOT / "workflows" / "Find faces.json").read_text("utf-8"))
PICTURES = ("LikenessDrawFaces", "SaveImage")
SHOWING = [node["id"] for node in GRAPH["nodes"] if node["type"] in PICTURES]
SHOWN = "id => !!app.rootGraph.getNodeById(id).imgs?.some((picture) => picture.naturalWidth > 0)"
REPORT = """type => app.rootGraph.nodes.find((node) => node.type === type)
    .widgets.find((widget) => widget.name === 'report_text')?.value ?? ''"""
ANSWERED = f"""id => ({SHOWN})(id) || document.querySelector('[data-testid="error-overlay"]')"""


def test_find_faces_opens_from_the_template_browser_and_runs(editor, server):
    width = editor.open_template("Likeness", "Find faces")
    assert width == Image.open(ROOT / "workflows" / "Find faces.jpg").width
    editor.wait("count => app.rootGraph.nodes.length === count", len(GRAPH["nodes"]))
    assert editor.missing_nodes() == []
    assert editor.complaints() == ""
    before = editor.screenshot("find faces, opened")
    editor.press_run()
    for node in SHOWING:
        editor.wait(ANSWERED, node, seconds=60)
    assert editor.complaints() == ""
    server.idle()
    after = editor.screenshot("find faces, run")
    for node in SHOWING:
        place = editor.place(node)
        assert colours(after, place) > 4 * colours(before, place), f"node {node} shows no picture"
    assert "analyzer: built in" in editor.evaluate(REPORT, "LikenessDetectFaces")
    assert kept(editor.save()) == kept(GRAPH), "a run left traces in the workflow"


def kept(graph: dict) -> list[tuple]:
    """What a saved workflow holds of each node's widgets and size."""
    nodes = sorted(graph["nodes"], key=lambda node: node["id"])
    return [(node["type"], node.get("widgets_values"), node["size"]) for node in nodes]


def colours(screenshot: Path, box: tuple[int, int, int, int]) -> int:
    part = Image.open(screenshot).convert("RGB").crop(box)
    return len(part.getcolors(part.width * part.height))


@pytest.mark.parametrize("node", ["LikenessDetectFaces", "LikenessLoadFaceAnalyzer"])
def test_the_help_of_a_node_opens_beside_the_graph(editor, node):
    help_page = (ROOT / "js" / "docs" / f"{node}.md").read_text("utf-8")
    title = next(line.lstrip("# ") for line in help_page.splitlines() if line.startswith("#"))
    shown = editor.help(node)
    assert title in shown
    assert len(shown) > len(help_page) / 3
