"""Every bundled workflow: both files come from its description, and the real host takes both."""

from __future__ import annotations

import io
import json
from pathlib import Path

import compare
import pytest
import workflow_builder as builder
from PIL import Image
from workflow_builder import ROOT, workflows

WORKFLOWS = workflows()
every_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda each: each.title)

THUMBNAIL_WIDTH = 400
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
    assert editor.missing_nodes() == []
    assert editor.complaints() == ""
    compare.same(workflow.file, builder.text(builder.settled(editor.save())), REWRITE)


@every_workflow
def test_the_page_would_queue_what_the_api_file_says(workflow, editor):
    editor.load(read(workflow.file))
    assert editor.prompt() == read(workflow.api_file)


@every_workflow
def test_the_host_accepts_the_api_file(workflow, server):
    prompt_id = server.client.queue(read(workflow.api_file))
    server.client.cancel(prompt_id)
    server.idle()


@every_workflow
def test_it_names_every_setting(workflow, server):
    """A setting left to its default changes behind the back of who saved the workflow."""
    for node in workflow.nodes:
        order = server.client.object_info(node.type)[node.type]["input_order"]
        listed = [*order.get("required", ()), *order.get("optional", ())]
        assert list(node.inputs) == listed


@every_workflow
def test_the_thumbnail_shows_what_it_makes(workflow, server, rewrite):
    if rewrite or not workflow.thumbnail.exists():
        result = server.run(read(workflow.api_file))
        made = Image.fromarray(result.images()[-1])
        height = round(made.height * THUMBNAIL_WIDTH / made.width)
        small = made.resize((THUMBNAIL_WIDTH, height), Image.Resampling.LANCZOS)
        small.save(workflow.thumbnail, quality=88)
    with Image.open(io.BytesIO(workflow.thumbnail.read_bytes())) as picture:
        assert picture.format == "JPEG"
        assert picture.width == THUMBNAIL_WIDTH


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
        assert editor.missing_nodes() == []
        named = {model["name"] for node in workflow.nodes for model in node.models}
        assert named or editor.complaints() == ""
        assert editor.take_errors() == []
    editor.close()
    bare.stop()
