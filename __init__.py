"""Likeness: portraits of one real person, in ComfyUI."""

import logging

WEB_DIRECTORY = "./js"
__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]

try:
    from .nodes import comfy_entrypoint
except ImportError as missing:
    if not (missing.name or "").startswith("comfy_api"):
        raise
    logging.error(
        "Likeness needs a ComfyUI with the V3 node schema (%s): update ComfyUI, then restart it.",
        missing,
    )
