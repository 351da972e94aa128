"""Every bundled workflow: both files come from its description, and the real host takes both."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import compare
import numpy as np
import pytest
import workflow_builder as builder
from PIL import Image, ImageOps
from workflow_builder import ROOT, workflows

WORKFLOWS = workflows()
every_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.title)

THUMBNAIL = 400  # pixels, a square as the template browser has it
REWRITE = "tests/test_workflows.py"


def read(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))


@every_workflow
def test_the_api_file_is_what_the_description_says(workflow, rewrite):
    compare.same(workflow.api_file, builder.text(builder.api(workflow)), REWRITE, rewrite)


@every_workflow
def test_the_page_builds_the_file_from_the_description(workflow, editor, rewrite):
    built = builder.text(builder.build(workflow, editor))
    compare.same(workflow.file, built, REWRITE, rewrite)


@every_workflow
def test_the_page_opens_the_file_and_saves_it_unchanged(workflow, editor):
    editor.load(read(workflow.file))
    assert set(editor.missing_nodes()) <= lacking(workflow)
    assert editor.complaints() == "" or lacking(workflow)
    compare.same(workflow.file, builder.text(builder.settled(editor.save())), REWRITE)


def lacking(workflow) -> set[str]:
    """Nodes whose files the server has no stand-ins of: those of SDXL are written where needed."""
    theirs = {node.type for node in workflow.nodes if node.models}
    theirs |= {"LoraLoader"}  # the user's own file has no address
    return theirs if "SDXL" in workflow.title else set()


@every_workflow
def test_the_page_would_queue_what_the_api_file_says(workflow, editor):
    editor.load(read(workflow.file))
    assert editor.prompt() == read(workflow.api_file)


@pytest.mark.parametrize(
    "workflow",
    [pytest.param(w, marks=[pytest.mark.slow] if "SDXL" in w.title else []) for w in WORKFLOWS],
    ids=lambda each: each.title,
)
def test_the_host_accepts_the_api_file(workflow, server):
    if "SDXL" in workflow.title:
        server.add_sdxl()
    prompt_id = server.client.queue(read(workflow.api_file))
    server.client.cancel(prompt_id)
    server.idle()


@every_workflow
def test_it_names_every_setting(workflow, server):
    """A setting left to its default changes behind the back of who saved the workflow.

    A socket that needs nothing may stay without a link.
    """
    for node in workflow.nodes:
        described = server.client.object_info(node.type)[node.type]
        inputs = described["input"]
        ordered = {name: inputs[kind][name] for kind in KINDS for name in inputs.get(kind, ())}
        loose = {name for name in inputs.get("optional", ()) if name not in node.inputs}
        assert not [name for name in loose if ordered[name][0] in VALUES]
        named = [name for name in settings(ordered, node.inputs) if name not in loose]
        assert list(node.inputs) == named


KINDS = ("required", "optional")
VALUES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
CHOICE = "COMFY_DYNAMICCOMBO_V3"


def settings(described: dict, values: dict, above: str = "") -> Iterator[str]:
    """The inputs of a node as the API names them; the chosen option's own follow each choice."""
    for name, (kind, *facts) in described.items():
        yield above + name
        if kind == CHOICE:
            (option,) = (o for o in facts[0]["options"] if o["key"] == values[above + name])
            further = option["inputs"].get("required", {}) | option["inputs"].get("optional", {})
            yield from settings(further, values, f"{above}{name}.")


@every_workflow
def test_the_thumbnail_shows_what_it_makes(workflow, server, rewrite):
    if rewrite or not workflow.thumbnail.exists():
        pictures = shown(workflow, server)
        width = THUMBNAIL // len(pictures)
        row = Image.new("RGB", (THUMBNAIL, THUMBNAIL))
        for place, each in enumerate(map(Image.fromarray, pictures)):
            shape, part = (width, THUMBNAIL), workflow.thumbnail_at
            strip = ImageOps.fit(each, shape, Image.Resampling.LANCZOS, centering=part)
            row.paste(strip, (place * width, 0))
        row.save(workflow.thumbnail, quality=88)
    with Image.open(io.BytesIO(workflow.thumbnail.read_bytes())) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (THUMBNAIL, THUMBNAIL)


def shown(workflow, server) -> list[np.ndarray]:
    """The pictures of the thumbnail: those of the nodes it names, or the last of all."""
    prompt = read(workflow.api_file)
    for number, inputs in workflow.thumbnail_with.items():
        prompt[str(number)]["inputs"] |= inputs
    if not workflow.thumbnail_of:
        return server.run(prompt).images()[-1:]
    result = server.run(builder.leading_to(prompt, [str(each) for each in workflow.thumbnail_of]))
    return [each for node in workflow.thumbnail_of for each in result.images(node)]


def test_every_file_has_a_description():
    titles = {workflow.title for workflow in WORKFLOWS}
    assert {path.stem for path in (ROOT / "workflows").glob("*.json")} == titles
    assert {path.stem for path in (ROOT / "workflows" / "api").glob("*.json")} == titles
    assert {path.stem for path in (ROOT / "workflows").glob("*.jpg")} == titles


@pytest.mark.slow
def test_without_the_model_files_only_the_models_are_missing(start_server, browser):
    bare = start_server(standins=False)
    editor = browser.open(bare.url)
    for workflow in WORKFLOWS:
        editor.load(read(workflow.file))
        # Ours offer files that are not there too, and say at the run how to get them.
        theirs = [node for node in workflow.nodes if not node.type.startswith("Likeness")]
        loaders = [node for node in theirs if node.models]
        own = {"LoraLoader"}  # the user's own file has no address
        assert set(editor.missing_nodes()) <= {node.type for node in loaders} | own
        assert bool(editor.complaints()) == bool(loaders)
        assert editor.take_errors() == []
    editor.close()
    bare.stop()
