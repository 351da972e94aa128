"""Opening .onnx files in onnxruntime, and saying what they really run on."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .setup.families import ONNXRUNTIME

PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
FETCH_AGAIN = (
    "Delete it and put a whole copy in its place; 'python install.py models --list' in the pack's "
    "folder shows where the files come from."
)


def available_providers() -> list[str]:
    """What sessions should run on: CUDA when this onnxruntime offers it, then the CPU."""
    import onnxruntime

    offered = onnxruntime.get_available_providers()
    return [name for name in PREFERRED if name in offered] or offered


def session_options() -> Any:
    """Quiet, and without the harm that onnxruntime's threads do beside torch's."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Without a number they are pinned to cores that the process may not have.
    options.intra_op_num_threads = torch.get_num_threads()
    # Spinning after each run they keep torch and OpenCV waiting, by 10 ms and more a call.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_session(file: Path, providers: Sequence[str]) -> Any:
    """The network in `file`; a file that is not a whole network is an error that names it."""
    import onnxruntime

    with whole_network(file):
        return onnxruntime.InferenceSession(
            str(file), sess_options=session_options(), providers=list(providers)
        )


@contextmanager
def whole_network(file: Path) -> Iterator[None]:
    """What onnxruntime says about a broken `file` becomes an error with its size and the cure."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    broken = (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
    )
    try:
        yield
    except broken as problem:
        reason = str(problem).rsplit("failed:", 1)[-1].strip().splitlines()[0]
        raise ValueError(
            f"{file} ({file.stat().st_size:,} bytes) is not a whole ONNX network: {reason} "
            f"{FETCH_AGAIN}"
        ) from problem


def provider_notes(wanted: Sequence[str], running: Mapping[str, Sequence[str]]) -> list[str]:
    """What to tell when the providers that files are `running` on are not those `wanted`."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for file, providers in running.items():
        groups.setdefault(tuple(providers), []).append(file)
    notes = [
        f"onnxruntime could not start {', '.join(missing)} for {', '.join(files)}: "
        "'python install.py doctor' in the pack's folder shows why"
        for providers, files in groups.items()
        if (missing := [name for name in wanted if name not in providers])
    ]
    if len(groups) > 1:
        notes += [f"{', '.join(files)}: {', '.join(group)}" for group, files in groups.items()]
    return notes


def runtime_notes() -> list[str]:
    """Two onnxruntimes in one folder: the later one wins, and CUDA is silently gone."""
    installed = [name for name in ONNXRUNTIME if _is_installed(name)]
    if len(installed) < 2:
        return []
    return [
        f"{' and '.join(installed)} are both installed and overwrite each other: run "
        "'python install.py' in the pack's folder with ComfyUI's Python, which leaves one"
    ]


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
