"""Every node, held against the rules for nodes and against the public surface in api.json."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import compare
import pytest
from extension import NODES, io

ROOT = Path(__file__).resolve().parent.parent
SURFACE = ROOT / "tests" / "api.json"

every_node = pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)


def inputs(schema: io.Schema) -> list[io.Input]:
    """All inputs, those inside the options of a dynamic combo too."""
    found = []
    waiting = list(schema.inputs)
    while waiting:
        found.append(waiting.pop(0))
        for option in getattr(found[-1], "options", None) or ():
            waiting += getattr(option, "inputs", ())
    return found


def surface(schema: io.Schema) -> dict:
    """What saved workflows and scripts rely on: ids, order and types."""
    return {
        "inputs": [[each.id, each.get_io_type()] for each in inputs(schema)],
        "outputs": [[each.display_name, each.get_io_type()] for each in schema.outputs],
    }


@every_node
def test_execute_takes_exactly_what_the_schema_declares(node):
    declared = [each.id for each in node.define_schema().inputs]
    assert declared == list(inspect.signature(node.execute).parameters)


@every_node
def test_the_id_is_the_class_with_the_packs_name_before_it(node):
    schema = node.define_schema()
    assert schema.node_id == "Likeness" + node.__name__
    assert re.fullmatch(r"([A-Z][a-z0-9]+){3,}", schema.node_id)
    assert schema.category.split("/")[0] == "Likeness"


@every_node
def test_the_node_says_what_it_is(node):
    schema = node.define_schema()
    assert schema.display_name
    assert schema.description
    assert schema.search_aliases


@every_node
def test_every_socket_says_what_it_is_for(node):
    schema = node.define_schema()
    bare = [each.id for each in inputs(schema) if not each.tooltip]
    bare += [each.display_name for each in schema.outputs if not each.tooltip]
    assert not bare


@every_node
def test_outputs_have_a_name_and_no_id(node):
    for output in node.define_schema().outputs:
        assert output.display_name
        assert not output.id


@every_node
def test_the_last_output_is_the_report(node):
    last = node.define_schema().outputs[-1]
    assert (last.display_name, last.get_io_type()) == ("report", "STRING")


@every_node
def test_everything_but_images_and_models_has_a_default(node):
    widgets = [each for each in inputs(node.define_schema()) if isinstance(each, io.WidgetInput)]
    assert not [each.id for each in widgets if each.default is None and not has_choice(each)]


def has_choice(widget: io.WidgetInput) -> bool:
    """A combo without a default stands on its first option."""
    return bool(getattr(widget, "options", None))


@every_node
def test_building_the_schema_twice_gives_the_same(node):
    assert surface(node.define_schema()) == surface(node.define_schema())


def test_ids_are_unique():
    ids = [node.define_schema().node_id for node in NODES]
    assert len(ids) == len(set(ids))


def test_the_public_surface_is_what_api_json_says(rewrite):
    """A change here breaks saved workflows: rewrite, and say in CHANGELOG.md what broke."""
    schemas = [node.define_schema() for node in NODES]
    now = {schema.node_id: surface(schema) for schema in schemas}
    compare.same(SURFACE, text(now), "tests/test_nodes.py", rewrite)


def text(now: dict) -> str:
    """A line for each input and output."""
    nodes = []
    for node_id, sockets in now.items():
        parts = []
        for part, rows in sockets.items():
            lines = ",\n".join(f"      {json.dumps(row, ensure_ascii=False)}" for row in rows)
            parts.append(f'    "{part}": [\n{lines}\n    ]' if rows else f'    "{part}": []')
        nodes.append(f'  "{node_id}": {{\n' + ",\n".join(parts) + "\n  }")
    return "{\n" + ",\n".join(nodes) + "\n}\n"


@every_node
def test_the_help_page_is_there_and_served(node, server):
    node_id = node.define_schema().node_id
    page = ROOT / "js" / "docs" / f"{node_id}.md"
    assert page.is_file(), f"write js/docs/{page.name}"
    served = server.client.fetch(f"/extensions/Likeness/docs/{node_id}.md").decode("utf-8")
    assert served == page.read_text("utf-8")
    assert node.define_schema().display_name in served


@every_node
def test_the_server_knows_the_node_as_the_schema_has_it(node, server):
    schema = node.define_schema()
    known = server.client.object_info(schema.node_id)[schema.node_id]
    assert known["python_module"] == "custom_nodes.Likeness"
    assert known["display_name"] == schema.display_name
    assert known["output_name"] == [each.display_name for each in schema.outputs]
    order = known["input_order"]
    listed = [*order.get("required", ()), *order.get("optional", ())]
    assert listed == [each.id for each in schema.inputs]


def test_every_help_page_has_a_node():
    ids = {node.define_schema().node_id for node in NODES}
    assert {page.stem for page in (ROOT / "js" / "docs").glob("*.md")} == ids
