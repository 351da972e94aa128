"""Identities as .safetensors: ours, with a picture for model libraries, and ReActor's faces."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .face import Face
from .identity import Identity, People, Portrait
from .recognise import normalised

SUFFIX = ".safetensors"
KIND, VERSION = "likeness identity", 1
COVERS = "ssmd_cover_images"  # where model libraries look for pictures: a JSON list, base64
THUMBNAIL = 256  # pixels
EMBEDDING = 512
LARGEST = 8192  # pixels of a portrait's side
AROUND = 10  # sides of the portrait within which its points must lie

# What a face file of ReActor may hold; of these the embedding counts.
REACTOR = {
    "bbox",
    "kps",
    "det_score",
    "landmark_3d_68",
    "pose",
    "landmark_2d_106",
    "embedding",
    "gender",
    "age",
}
REACTORS = "w600k_r50"  # the network of its embeddings, by custom: the file does not say

NAMELESS = "person"
LONGEST = 100  # bytes of a name
LOOKED_AT = 1000  # signs of a name
JOINER = "\u200d"  # of several signs into one picture
FORBIDDEN = re.compile(r'[<>:"/\\|?*\[\]{}.\x00-\x1f\x7f-\x9f\u2028\u2029]')
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.I)


def safe_name(name: str) -> str:
    """A name that is a file's on every system: no way out of a folder, nothing that is reserved."""
    text = cleaned(FORBIDDEN.sub(" ", unicodedata.normalize("NFC", name)))
    text = text.encode("utf-8")[:LONGEST].decode("utf-8", "ignore").strip()
    return f"{text}_" if RESERVED.fullmatch(text) else text or NAMELESS


def cleaned(name: str) -> str:
    """One line of at most LONGEST signs that all show: no commands to a terminal among them."""
    shown = "".join(
        sign if sign.isprintable() or sign == JOINER else " " for sign in name[: 10 * LONGEST]
    )
    return " ".join(shown.split())[:LONGEST].strip()


def place(folder: Path, name: str, replacing: bool = False) -> Path:
    """The file for a person of this name; a free one, numbered, unless it may be replaced."""
    stem = safe_name(name)
    file = folder / f"{stem}{SUFFIX}"
    number = 2
    while file.exists() and not replacing:
        file = folder / f"{stem} {number}{SUFFIX}"
        number += 1
    return file


def keep(people: People, folder: Path, name: str = "", replacing: bool = False) -> Path:
    """Save the one person in `folder`, called `name` where that is given; the file."""
    if len(people) != 1:
        raise ValueError(
            f"{len(people)} people came in, and a file holds one: save them one by one, each "
            "before Join Identities"
        )
    [person] = people
    named = cleaned(name) or person.name
    file = place(folder, named, replacing)
    save(replace(person, name=named), file)
    return file


def save(identity: Identity, file: Path) -> None:
    """Write the file whole or not at all; its folder is made."""
    from safetensors.torch import save as serialised

    if identity.embedding is None and identity.portrait is None:
        raise ValueError(f"{identity} has neither embedding nor picture: there is nothing to save")
    content = serialised(_tensors(identity), _metadata(identity))
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, file)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def load(file: Path) -> Identity:
    """The person in `file`, which may be of Likeness or a face file of ReActor."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there: make it with Make Identity, Save Identity")
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
            names = list(opened.keys())
            read = _ours if "format" in metadata else _reactors
            _require_kind(file, metadata, names)
            return read(file, metadata, {name: opened.get_tensor(name) for name in names})
    except SafetensorError as problem:
        raise _refused(file, str(problem)) from problem


def _tensors(identity: Identity) -> dict[str, Tensor]:
    made = {}
    if identity.embedding is not None:
        made["embedding"] = identity.embedding.float()
    if identity.portrait is not None:
        face = identity.portrait.face
        made["portrait"] = torch.from_numpy(_bytes(identity.portrait))
        made["points"] = face.points.float()
        made["box"] = torch.tensor(face.box, dtype=torch.float32)
        if face.landmarks68 is not None:
            made["landmarks68"] = face.landmarks68.float()
    return {name: tensor.cpu().contiguous() for name, tensor in made.items()}


def _metadata(identity: Identity) -> dict[str, str]:
    told = {"format": f"{KIND} {VERSION}", "name": cleaned(identity.name)}
    told["photos"] = str(identity.photos)
    if identity.embedding is not None:
        told |= {"space": str(identity.space), "length": repr(float(identity.length))}
    if identity.agreement is not None:
        told["agreement"] = repr(float(identity.agreement))
    if identity.portrait is not None:
        told["estimated"] = json.dumps(bool(identity.portrait.face.estimated))
        told["score"] = repr(float(identity.portrait.face.score))
        told[COVERS] = json.dumps([_thumbnail(identity.portrait)])
    return told


def _bytes(portrait: Portrait) -> np.ndarray:
    """(S, S, 3) uint8."""
    image = torch.nan_to_num(portrait.image.detach().float().cpu(), nan=0.0)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _thumbnail(portrait: Portrait) -> str:
    from PIL import Image

    picture = Image.fromarray(_bytes(portrait))
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=90)
    return base64.b64encode(written.getvalue()).decode("ascii")


def _require_kind(file: Path, metadata: Mapping[str, str], names: list[str]) -> None:
    kind, _, version = metadata.get("format", "").rpartition(" ")
    if kind == KIND and version != str(VERSION):
        raise ValueError(
            f"{file} is an identity of version {version[:20]}, and this Likeness reads {VERSION}: "
            "update Likeness"
        )
    if kind == KIND or ("format" not in metadata and "embedding" in names and {*names} <= REACTOR):
        return
    held = f"its tensors are {', '.join(sorted(names)[:3])}" if names else "it is empty"
    if {"embedding", "portrait", "points"} & {*names} and not metadata:
        held = "its metadata is missing"
    raise _refused(file, f"{held}, so it is neither an identity of Likeness nor a face of ReActor")


def _ours(file: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Identity:
    embedding, space = None, cleaned(metadata.get("space", ""))
    if "embedding" in tensors:
        embedding, _ = _embedding(file, tensors["embedding"])
        if not space:
            raise _refused(file, "it does not say which network made its embedding")
    portrait = _portrait(file, metadata, tensors) if "portrait" in tensors else None
    if embedding is None and portrait is None:
        raise _refused(file, "it holds neither embedding nor picture")
    agreement = metadata.get("agreement")
    return Identity(
        name=cleaned(metadata.get("name", "")) or file.stem,
        embedding=embedding,
        space=space if embedding is not None else None,
        length=_number(file, metadata, "length", 1.0, (1e-6, 1e6))
        if embedding is not None
        else 1.0,
        photos=int(_number(file, metadata, "photos", 1.0, (1, 1e6))),
        agreement=None if agreement is None else _number(file, metadata, "agreement", 0.0, (-1, 1)),
        portrait=portrait,
    )


def _reactors(file: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Identity:
    embedding, length = _embedding(file, tensors["embedding"])
    return Identity(
        name=file.stem,
        embedding=embedding,
        space=REACTORS,
        length=length,
        notes=(
            f"a face file of ReActor: the embedding is taken to be by {REACTORS}, as is the custom "
            "there; the file does not say",
            "it holds no picture",
        ),
    )


def _embedding(file: Path, tensor: Tensor) -> tuple[Tensor, float]:
    """Of length 1, and the length it had."""
    if tensor.numel() != EMBEDDING or not tensor.is_floating_point():
        raise _refused(file, f"its embedding is {_shape(tensor)}, not {EMBEDDING} numbers")
    row = tensor.float().flatten()
    length = float(row.double().norm())
    if not (math.isfinite(length) and length > 0):
        raise _refused(file, "the numbers of its embedding are none, or all 0")
    return normalised(row).float(), length


def _portrait(file: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> Portrait:
    pixels = tensors["portrait"]
    side = pixels.shape[0] if pixels.ndim == 3 else 0
    if pixels.dtype != torch.uint8 or pixels.shape != (side, side, 3) or not 8 <= side <= LARGEST:
        raise _refused(file, f"its portrait is {_shape(pixels)}, no square picture")
    box = _coordinates(file, tensors, "box", (4,)).tolist()
    if not (box[2] > box[0] and box[3] > box[1]):
        raise _refused(file, f"the box of its face is {box}")
    points = _coordinates(file, tensors, "points", (5, 2))
    if points.abs().max() > AROUND * side or (points[1] - points[0]).norm() < 1:
        raise _refused(file, f"the points of its face are {points.round().tolist()}")
    dense = None
    if "landmarks68" in tensors:
        dense = _coordinates(file, tensors, "landmarks68", (68, 2))
    face = Face(
        frame=0,
        box=tuple(box),
        points=points,
        score=_number(file, metadata, "score", 1.0),
        landmarks68=dense,
        estimated=metadata.get("estimated") == "true",
    )
    return Portrait(pixels.float() / 255, face)


def _coordinates(
    file: Path, tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...]
) -> Tensor:
    tensor = tensors.get(name)
    if tensor is None:
        raise _refused(file, f"it has a portrait and no {name}")
    if tensor.shape != shape or not tensor.float().isfinite().all():
        raise _refused(file, f"its {name} are {_shape(tensor)}, not {shape} of numbers")
    return tensor.float()


def _number(
    file: Path,
    metadata: Mapping[str, str],
    name: str,
    default: float,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> float:
    try:
        value = float(metadata.get(name, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not limits[0] <= value <= limits[1]:
        raise _refused(file, f"its {name} is {metadata[name][:40]!r}")
    return value


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _refused(file: Path, reason: str) -> ValueError:
    first = reason.strip().partition("\n")[0].rstrip(".")
    return ValueError(
        f"{file} ({file.stat().st_size:,} bytes) cannot be used: {first}. Make it again with Make "
        "Identity and Save Identity, or choose another file"
    )
