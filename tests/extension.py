"""The pack's nodes, loaded as the host loads them: `from extension import NODES`.

Skips the test that imports it where there is no ComfyUI."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("comfy_api.latest", reason="no COMFYUI_PATH: run 'python install.py test'")

from comfy_api.latest import io
from pack.nodes import comfy_entrypoint

__all__ = ["NODES", "io"]


async def load() -> list:
    extension = await comfy_entrypoint()
    await extension.on_load()
    return await extension.get_node_list()


NODES = asyncio.run(load())
