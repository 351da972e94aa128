"""The README's tables are made from the code; `--rewrite` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"


def node_table() -> str:
    pytest.importorskip("comfy_api.latest", reason="the node table needs ComfyUI: COMFYUI_PATH")
    from extension import NODES

    lines = ["| node | what it does | |", "| --- | --- | --- |"]
    for schema in (node.GET_SCHEMA() for node in NODES):
        page = f"[help](js/docs/{schema.node_id}.md)"
        lines.append(f"| **{schema.display_name}** | {schema.description} | {page} |")
    return "\n".join(lines)


def model_table() -> str:
    from pack.likeness import models

    return models.markdown()


@pytest.mark.parametrize(("name", "make"), [("nodes", node_table), ("models", model_table)])
def test_a_table_of_the_readme_is_current(name, make, rewrite):
    part = re.compile(f"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    text = README.read_text("utf-8")
    current = part.sub(lambda match: f"{match[1]}{make().strip()}\n{match[2]}", text)
    assert part.search(text), f"README.md has lost its {name}:begin and {name}:end marks"
    if rewrite:
        README.write_text(current, "utf-8")
    else:
        assert text == current, "write it anew: python install.py test -k readme --rewrite"


def test_every_file_that_the_readme_links_is_there():
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README.read_text("utf-8"))
    missing = [link for link in links if not (ROOT / unquote(link)).exists()]
    assert links
    assert not missing
