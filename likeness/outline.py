"""What an .onnx file holds, told without taking its weights into memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from .sessions import FETCH_AGAIN

# Of protobuf: how a field is written, and how long it is where that is fixed.
VARINT, LONG, BLOCK, SHORT = 0, 1, 2, 5
FIXED = {LONG: 8, SHORT: 4}
# Of ONNX: the numbers of its fields.
MODEL_GRAPH = 7
GRAPH_INITIALIZER = 5
TENSOR_DIMS, TENSOR_EXTERNAL = 1, 13
ENTRY_KEY, ENTRY_VALUE = 1, 2
# Wherever else tensors may be: of each message the fields that lead to one, and to what.
INSIDE: dict[str, dict[int, str]] = {
    "model": {MODEL_GRAPH: "graph", 25: "function"},
    "graph": {1: "node", GRAPH_INITIALIZER: "tensor", 15: "sparse tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
}
DEEPEST = 100  # messages in messages, as protobuf itself has it

Field = tuple[int, int, int, int]  # number, how it is written, and from where to where
Shapes = tuple[tuple[int, ...], ...]


class _Broken(Exception):
    """The bytes are not those of an ONNX network."""


def outline(file: Path) -> Shapes:
    """Of the weights in `file`, in its order. Anything but a whole network in one file is refused.

    Weights in a second file are not for a network to choose: it could name any file there is.
    """
    if not file.exists():
        raise FileNotFoundError(f"{file} is not there. Press R in ComfyUI to see what is.")
    if not file.is_file():
        raise ValueError(f"{file} is a folder, not a network. Choose the .onnx file itself.")
    size = file.stat().st_size
    try:
        if not size:
            raise _Broken("it is empty")
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as d:
            shapes, elsewhere = _weights(d, size)
    except _Broken as problem:
        raise ValueError(
            f"{file} ({size:,} bytes) is not a whole ONNX network: {problem}. {FETCH_AGAIN}"
        ) from problem
    if elsewhere:
        raise ValueError(
            f"{file} keeps weights in another file, {elsewhere[0]!r}, which is not opened: it "
            f"has to be all in one. {FETCH_AGAIN}"
        )
    return shapes


def _weights(data: mmap.mmap, size: int) -> tuple[Shapes, list[str]]:
    """The shapes, and the other files that are named."""
    graphs = list(_blocks(data, 0, size, MODEL_GRAPH))
    if not graphs:
        raise _Broken("no network is in it")
    shapes = [
        _shape(data, *tensor)
        for graph in graphs
        for tensor in _blocks(data, *graph, GRAPH_INITIALIZER)
    ]
    elsewhere = [
        place
        for tensor in _tensors(data, 0, size, "model")
        for entry in _blocks(data, *tensor, TENSOR_EXTERNAL)
        for place in _location(data, *entry)
    ]
    return tuple(shapes), elsewhere


def _tensors(
    data: mmap.mmap, start: int, stop: int, message: str, deep: int = 0
) -> Iterator[tuple[int, int]]:
    """Every tensor in a message: weights, constants, and what is in branches and functions."""
    if message == "tensor":
        yield start, stop
        return
    if deep > DEEPEST:
        raise _Broken("it is nested too deeply")
    for number, written, at, end in _fields(data, start, stop):
        inner = INSIDE[message].get(number)
        if inner is not None and written == BLOCK:
            yield from _tensors(data, at, end, inner, deep + 1)


def _shape(data: mmap.mmap, start: int, stop: int) -> tuple[int, ...]:
    sides: list[int] = []
    for number, written, at, end in _fields(data, start, stop):
        while number == TENSOR_DIMS and written in (VARINT, BLOCK) and at < end:
            side, at = _varint(data, at, end)
            sides.append(side)
    return tuple(sides)


def _location(data: mmap.mmap, start: int, stop: int) -> list[str]:
    texts = {
        number: data[at:end].decode("utf-8", "replace")
        for number, written, at, end in _fields(data, start, stop)
        if written == BLOCK
    }
    return [texts.get(ENTRY_VALUE, "")] if texts.get(ENTRY_KEY) == "location" else []


def _blocks(data: mmap.mmap, start: int, stop: int, wanted: int) -> Iterator[tuple[int, int]]:
    for number, written, at, end in _fields(data, start, stop):
        if number == wanted and written == BLOCK:
            yield at, end


def _fields(data: mmap.mmap, at: int, stop: int) -> Iterator[Field]:
    while at < stop:
        key, at = _varint(data, at, stop)
        written = key & 7
        if written == VARINT:
            _, end = _varint(data, at, stop)
        elif written == BLOCK:
            length, at = _varint(data, at, stop)
            end = at + length
        elif written in FIXED:
            end = at + FIXED[written]
        else:
            raise _Broken("its bytes are those of something else")
        if end > stop:
            raise _Broken("it ends too early, or its bytes are those of something else")
        yield key >> 3, written, at, end
        at = end


def _varint(data: mmap.mmap, at: int, stop: int) -> tuple[int, int]:
    """The number that is written at `at` in groups of 7 bits, the lowest first; and its end."""
    value = 0
    for place in range(10):
        if at + place >= stop:
            raise _Broken("it ends too early, or its bytes are those of something else")
        byte = data[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise _Broken("its bytes are those of something else")
