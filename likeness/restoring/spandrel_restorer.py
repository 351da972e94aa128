"""Restorers that spandrel knows: GFPGAN, RestoreFormer, and CodeFormer by its extra package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from torch import Tensor

from ..models import find, terms
from ..nets.group_norm import made_precise
from ..weights import MALFORMED, broken, require_finite
from .network_restorer import KINDS, NetworkRestorer

FACES = "FaceSR"  # spandrel's word for what restorers are for
EXTRA = "spandrel_extra_arches"
UPSCALERS = (
    "An upscaler belongs in models/upscale_models: ComfyUI's Load Upscale Model opens it, and the "
    "'upscale_model' input of Restore Faces takes it for the background."
)


def from_descriptor(descriptor: Any, name: str) -> NetworkRestorer:
    """The restorer in what ComfyUI's Load Upscale Model gives, which stays as it is."""
    architecture = descriptor.architecture
    if descriptor.purpose != FACES:
        raise ValueError(f"{name} holds {architecture.name}, which restores no faces. {UPSCALERS}")
    if architecture.id not in KINDS:
        raise ValueError(
            f"{name} holds {architecture.name}, which is not a restorer that is supported yet. "
            f"Supported are {', '.join(KINDS)}."
        )
    kind = KINDS[architecture.id]
    licence = terms(find(kind.like))  # core's loader tells none
    return NetworkRestorer(descriptor.model, kind, name, [licence])


def from_tensors(tensors: Mapping[str, Tensor], architecture: Any, file: Path) -> NetworkRestorer:
    """The restorer of these tensors, which are the architecture's and came from `file`."""
    if architecture.id not in KINDS:
        raise ValueError(f"{file} holds {architecture.name}, which restores no faces. {UPSCALERS}")
    require_finite(tensors, file)
    try:
        descriptor = architecture.load(dict(tensors))
    except (*MALFORMED, ArithmeticError, AssertionError) as problem:
        first, _, rest = str(problem).partition("\n")
        reason = f"as {architecture.name}, {shorten(rest or first, 200, placeholder=' ...')}"
        raise ValueError(broken(file, reason)) from problem
    kind = KINDS[architecture.id]
    network = made_precise(descriptor.model.requires_grad_(False))
    network = network.to(memory_format=kind.layout)
    return NetworkRestorer(network, kind, file.name, [f"its tensors are {architecture.name}'s"])


def architecture_of(tensors: Mapping[str, Tensor]) -> Any | None:
    """What spandrel takes these for; ComfyUI's own registry is left as it is."""
    from spandrel import MAIN_REGISTRY

    known = (support.architecture for support in MAIN_REGISTRY.architectures("detection"))
    return next((each for each in known if each.detect(tensors)), None)


def codeformer(file: Path) -> Any:
    """The architecture of what `file` holds, which spandrel has in a package of its own."""
    try:
        from spandrel_extra_arches.architectures.CodeFormer import CodeFormerArch
    except ImportError as problem:
        raise RuntimeError(
            f"{file} holds CodeFormer, whose network is in the package {EXTRA}, and it cannot "
            f"be used ({problem}). CodeFormer's S-Lab licence forbids commercial use. If that is "
            f"fine, run 'python -m pip install {EXTRA}' with ComfyUI's Python and restart ComfyUI; "
            "otherwise choose GFPGAN or RestoreFormer."
        ) from problem
    return CodeFormerArch()
