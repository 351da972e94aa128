"""Swapping with inswapper_128 and ReSwapper: a face is redrawn by the embedding of another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .. import initialisers
from ..align import Template, face_matrix
from ..face import Face
from ..identity import Identity, require_space
from ..initialisers import Graph, Layer
from ..nets import swap_generator
from ..nets.swap_generator import LATENT, Generator
from ..weights import OtherNetwork, broken, read, require_finite
from .swapper import BATCH

SPACE = "w600k_r50"
SIZE = 128  # where the file does not say
SIZES = (16, 1024)
EMAP, BESIDE = "emap", "emap.npy"
HAS_EMAP = "reswapper-1019500.onnx"  # a file to fetch for its map
INSIGHTFACE = "insightface"  # the folder beside ReSwapper's, where inswapper_128.onnx belongs
ONNX = ".onnx"


class InSwapper(nn.Module):
    """A `Swapper`. It runs on the device and in the dtype of its weights."""

    space = SPACE
    takes = f"identity by {SPACE}"

    def __init__(
        self,
        generator: Generator,
        emap: Tensor,  # (512, 512), from the embeddings of ArcFace to what the generator knows
        name: str = "inswapper",
        size: int = SIZE,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.generator = generator
        self.emap = emap.float().cpu()  # no buffer: in half precision it would be another map
        self.name = name
        self.size = size
        self.notes = tuple(notes)

    @property
    def batch(self) -> int:
        return 1 if self._weight.device.type == "cpu" else BATCH

    def frame(self, face: Face) -> Tensor:
        return face_matrix(face, Template.INSWAPPER_256, self.size)

    def source(self, person: Identity) -> Tensor:
        """The latent (512,) of a person, of length 1."""
        return self._latent(person.in_space(SPACE, self.name))

    def own(self, face: Face, crop: Tensor) -> Tensor:
        """The latent (512,) of a face in the picture, of length 1."""
        if face.embedding is None:
            raise ValueError(
                f"a face in the picture has no embedding, and {self.name} needs one by {SPACE} to "
                "keep a part of it: load an insightface pack that has it (buffalo_l) in Load Face "
                "Analyzer, or set strength to 1"
            )
        require_space(face.space, SPACE, "a face in the picture", self.name)
        return self._latent(face.embedding)

    def swap(self, crops: Tensor, sources: Tensor) -> Tensor:
        seen, latents = (each.detach().to(self._weight) for each in (crops[..., :3], sources))
        made = self.generator(seen.movedim(-1, 1), latents)
        return made.movedim(1, -1).to(crops.device, torch.float32)

    def safer(self) -> InSwapper | None:
        return None if self._weight.dtype == torch.float32 else deepcopy(self).float()

    def _latent(self, embedding: Tensor) -> Tensor:
        """Of length 1, whatever the length of the embedding."""
        return normalize(embedding.detach().float().cpu() @ self.emap, dim=-1)

    @property
    def _weight(self) -> Tensor:
        return self.generator.decoderPart2[0].bias


def load(file: Path) -> InSwapper:
    """The swapper in a .onnx, .pth or .safetensors file, known by what its tensors are."""
    if file.suffix.lower() == ONNX:
        return from_graph(initialisers.read(file), file)
    return from_tensors(read(file, instead=swap_generator.FILE), file)


def from_tensors(tensors: Mapping[str, Tensor], file: Path) -> InSwapper:
    """With the map of identities that is among the tensors, or in a file beside."""
    rest = dict(tensors)
    inside = rest.pop(EMAP, None)
    generator = swap_generator.from_tensors(rest, file)
    if inside is not None:
        emap, notes = _checked(inside, file), []
    else:
        emap, other = _beside(file)
        notes = [f"the map of identities is from {other.name}"]
    return InSwapper(generator, emap, file.name, _named_size(file), notes)


def from_graph(graph: Graph, file: Path) -> InSwapper:
    pictures, _ = _inputs(graph, file)
    tensors = _by_name(graph, file)
    emap = _emap(graph)
    if emap is None:
        raise ValueError(broken(file, f"it has no map of identities, {LATENT} x {LATENT}"))
    size = pictures[2] or pictures[3] or _named_size(file)
    if size % 4 or not SIZES[0] <= size <= SIZES[1] or pictures[3] not in (None, size):
        raise OtherNetwork(_other(file, f"its pictures are {pictures}"))
    generator = swap_generator.from_tensors(tensors, file)
    return InSwapper(generator, _checked(emap, file), file.name, size)


def _inputs(graph: Graph, file: Path) -> tuple[initialisers.Shape, initialisers.Shape]:
    """The shapes of the picture and of the latent."""
    found = sorted(graph.inputs.values(), key=len, reverse=True)
    if [len(shape) for shape in found] != [4, 2] or (found[0][1], found[1][1]) != (3, LATENT):
        told = ", ".join(f"{name} {shape}" for name, shape in graph.inputs.items())
        raise OtherNetwork(_other(file, f"its inputs are {told or 'none'}"))
    return found[0], found[1]


def _by_name(graph: Graph, file: Path) -> dict[str, Tensor]:
    """The 64 tensors under the names that torch's modules have for them."""
    first = graph.convolutions[0].weight if graph.convolutions else torch.zeros(0)
    with torch.device("meta"):
        layers = dict(Generator(max(len(first), 1)).named_modules())
    named: dict[str, Tensor] = {}
    for kind, held, words in (
        (nn.Conv2d, graph.convolutions, "convolution"),
        (nn.Linear, graph.linears, "linear layer"),
    ):
        wanted = {name: layer for name, layer in layers.items() if isinstance(layer, kind)}
        if len(held) != len(wanted):
            raise OtherNetwork(_other(file, f"it has {len(held)} {words}s, not {len(wanted)}"))
        for number, (layer, (name, like)) in enumerate(zip(held, wanted.items(), strict=True)):
            if _shapes(layer) != _shapes(like):
                told = f"its {words} {number} is {_shapes(layer)[0]}, not {_shapes(like)[0]}"
                raise OtherNetwork(_other(file, told))
            named[f"{name}.weight"], named[f"{name}.bias"] = layer.weight, layer.bias
    return named


def _shapes(layer: Layer | nn.Module) -> list[tuple[int, ...] | None]:
    return [None if each is None else tuple(each.shape) for each in (layer.weight, layer.bias)]


def _emap(graph: Graph) -> Tensor | None:
    """By its name, else the last of its shape, which is where insightface looks for it."""
    fitting = {name: each for name, each in graph.rest.items() if each.shape == (LATENT, LATENT)}
    return fitting.get(EMAP, next(reversed(fitting.values()), None))


def _beside(file: Path) -> tuple[Tensor, Path]:
    """The map of identities from the folder of `file`, or insightface's beside it; and its file."""
    import numpy as np

    array = file.with_name(BESIDE)
    if array.exists():
        try:
            held = np.load(array, allow_pickle=False)
        except (ValueError, OSError, EOFError) as problem:
            raise ValueError(broken(array, str(problem))) from problem
        if not isinstance(held, np.ndarray) or held.dtype.kind != "f":
            raise ValueError(broken(array, "it holds no numbers"))
        return _checked(torch.from_numpy(held.astype(np.float32)), array), array
    folders = (file.parent, file.parent.with_name(INSIGHTFACE))
    for other in (each for folder in folders for each in sorted(folder.glob(f"*swapper*{ONNX}"))):
        emap = _emap(initialisers.read(other))
        if emap is not None:
            return _checked(emap, other), other
    raise ValueError(
        f"{file} goes with a map from the embeddings of ArcFace to its own, and neither it nor its "
        f"folder has one. Put ReSwapper's {BESIDE} or inswapper_128.onnx beside it, or run 'python "
        f"install.py models {HAS_EMAP}' in the pack's folder: that file has the map too."
    )


def _checked(emap: Tensor, file: Path) -> Tensor:
    if tuple(emap.shape) != (LATENT, LATENT):
        shape = tuple(emap.shape)
        raise ValueError(broken(file, f"its {EMAP} is {shape}, not {(LATENT, LATENT)}"))
    require_finite({EMAP: emap}, file)
    if not emap.any():
        raise ValueError(broken(file, f"its {EMAP} is all 0"))
    return emap


def _named_size(file: Path) -> int:
    """ReSwapper's files tell by their names alone what they were trained for."""
    size = re.match(r"\D*swapper_(\d{2,4})(?!\d)", file.stem)
    size = int(size[1]) if size else SIZE
    return size if size % 4 == 0 and SIZES[0] <= size <= SIZES[1] else SIZE


def _other(file: Path, found: str) -> str:
    return (
        f"{file} is no swapping network like inswapper_128 or ReSwapper: {found}. 'python "
        "install.py models --list' in the pack's folder shows which files are known."
    )
