"""Face parsing: what every pixel of a face shows, by the networks that facexlib has for it.

Both, ParseNet (parsing_parsenet.pth) and BiSeNet (Yu et al., 2018; parsing_bisenet.pth), know the
19 classes of CelebAMask-HQ, each in an order of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from .align import Fit, Outside, Template, align
from .crop import Crops
from .face import Faces
from .geometry import compose, invert, shift, transform_box
from .picture import cleaned
from .pixels.raster import Border, warp
from .pixels.window import around, part
from .progress import Progress, ignore
from .report import counted, shortened
from .weights import fill, read

SIDE = 512  # of the crops, pixels
BATCH = 4  # crops at once
WORKING = BATCH * 400_000_000  # bytes that a network works in
DEEPEST = 8  # halvings of a crop by a network
LEAST = 0.005  # share of a crop that a report tells of
FILES = ("parsing_parsenet.pth", "parsing_bisenet.pth")


class FaceClass(str, Enum):
    """What a pixel shows; the values are what a user reads. Left and right are as in the data."""

    BACKGROUND = "background"
    SKIN = "skin"
    NOSE = "nose"
    GLASSES = "glasses"
    LEFT_EYE = "left eye"
    RIGHT_EYE = "right eye"
    LEFT_BROW = "left brow"
    RIGHT_BROW = "right brow"
    LEFT_EAR = "left ear"
    RIGHT_EAR = "right ear"
    MOUTH = "mouth"
    UPPER_LIP = "upper lip"
    LOWER_LIP = "lower lip"
    HAIR = "hair"
    HAT = "hat"
    EARRING = "earring"
    NECKLACE = "necklace"
    NECK = "neck"
    CLOTH = "cloth"


# A class map holds numbers: the place of each class here, which is ParseNet's own order.
CLASSES: tuple[FaceClass, ...] = tuple(FaceClass)
BISENET = (
    FaceClass.BACKGROUND,
    FaceClass.SKIN,
    FaceClass.LEFT_BROW,
    FaceClass.RIGHT_BROW,
    FaceClass.LEFT_EYE,
    FaceClass.RIGHT_EYE,
    FaceClass.GLASSES,
    FaceClass.LEFT_EAR,
    FaceClass.RIGHT_EAR,
    FaceClass.EARRING,
    FaceClass.NOSE,
    FaceClass.MOUTH,
    FaceClass.UPPER_LIP,
    FaceClass.LOWER_LIP,
    FaceClass.NECK,
    FaceClass.NECKLACE,
    FaceClass.CLOTH,
    FaceClass.HAIR,
    FaceClass.HAT,
)


@dataclass(frozen=True)
class Kind:
    """A sort of network: what it wants to see, and the order in which it numbers the classes."""

    name: str
    # In the widths of these tensors; None where they are those of another network.
    build: Callable[[Mapping[str, Tensor]], nn.Module | None]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    order: tuple[FaceClass, ...]


class Parser(nn.Module):
    """Crops (N, 512, 512, 3), RGB 0..1, to maps of class numbers (N, 512, 512) uint8."""

    def __init__(self, kind: Kind, network: nn.Module) -> None:
        super().__init__()
        self.kind = kind
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        weight = next(self.network.parameters())
        mean, deviation = (
            torch.tensor(values).to(weight) for values in (self.kind.mean, self.kind.deviation)
        )
        seen = (crops[..., :3].to(weight) - mean) / deviation
        best = self.network(seen.movedim(-1, 1))[0].argmax(1)  # in the layout of the weights
        numbers = torch.tensor([CLASSES.index(name) for name in self.kind.order])
        return numbers.to(best.device, torch.uint8)[best]


@dataclass(frozen=True, eq=False)
class Parsing:
    """What the pixels of every face show."""

    faces: Faces
    crops: Crops  # of each face, in their order
    classes: Tensor  # (N, h, w) uint8, numbers of CLASSES, on the crops
    notes: tuple[str, ...] = ()

    def patch_masks(self, names: Iterable[FaceClass]) -> Tensor:
        """(N, h, w): 1 where a crop shows one of the classes."""
        return class_masks(self.classes, names)

    def masks(self, names: Iterable[FaceClass], together: bool = True) -> Tensor:
        """On the pictures: (frames, H, W), or of each face (N, H, W). Outside the crops all is 0.

        Edges are as soft as a crop's pixels are large in the picture.
        """
        height, width = self.faces.size
        patches = self.patch_masks(names)
        count = self.faces.frames if together else len(self.crops.cut)
        masks = torch.zeros(count, height, width)
        limits = (0, 0, width, height)
        for number, (crop, patch) in enumerate(zip(self.crops.cut, patches, strict=True)):
            home = invert(crop.matrix)
            square = transform_box((-1.0, -1.0, patch.shape[1], patch.shape[0]), home)
            window = around([square], 1, limits)
            if window is None:
                continue
            x0, y0, x1, y1 = window
            seen = warp(patch, compose(shift(-x0, -y0), home), (y1 - y0, x1 - x0), Border.BLACK)
            place = part(masks[crop.frame if together else number], limits, window)
            torch.maximum(place, seen, out=place)
        return masks


def class_masks(classes: Tensor, names: Iterable[FaceClass]) -> Tensor:
    """1 where maps of class numbers, of any shape, show one of the classes."""
    kept = {FaceClass(name) for name in names}
    shown = torch.tensor([float(name in kept) for name in CLASSES], device=classes.device)
    # Fifty times as fast as isin.
    return shown.index_select(0, classes.flatten().int()).view(classes.shape)


def parse(images: Tensor, faces: Faces, parser: Parser, progress: Progress = ignore) -> Parsing:
    """What the faces of `images` (B, H, W, C) show, on the crops that facexlib cuts."""
    count = len(faces)
    crops = align(
        images if images.shape[-1] > 1 else images.expand(-1, -1, -1, 3),
        faces,
        Template.FFHQ,
        SIDE,
        Fit.ROBUST,
        outside=Outside.GREY,
        progress=lambda done, total: progress(done, 2 * total),
    )
    notes = list(crops.notes)
    classes = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8)
    for start in range(0, count, BATCH):
        patches = crops.patches[start : min(start + BATCH, count)]
        known = torch.isfinite(patches).flatten(1).all(1)
        notes += [
            f"face {start + at}: what is not a number around it was taken as black"
            for at in (~known).nonzero().flatten().tolist()
        ]
        with torch.no_grad():
            found = parser(cleaned(patches))
        classes[start : start + len(found)] = found.cpu()
        progress(count + start + len(found), 2 * count)
    return Parsing(faces, crops, classes, tuple(notes))


def load(file: Path) -> Parser:
    """The parser in `file`; what kind it is, its tensors tell."""
    tensors = read(file, instead=FILES[0])
    for telling, kind in KINDS.items():
        network = kind.build(tensors) if telling in tensors else None
        if network is not None:
            fill(network, tensors, file)
            network = network.to(memory_format=torch.channels_last)  # a third less time on a CPU
            return Parser(kind, network).eval()
    raise ValueError(
        f"{file} holds no face parser: its tensors are those of another network. Use "
        f"{' or '.join(FILES)}; 'python install.py models {FILES[0]}' in the pack's folder "
        "fetches it."
    )


def describe(parsing: Parsing) -> str:
    """What was parsed, the notes, then what each face shows, largest share first."""
    lines = [f"{counted(len(parsing.faces), 'face')} parsed", *parsing.notes]
    for number, (face, classes) in enumerate(zip(parsing.faces, parsing.classes, strict=True)):
        shares = classes.flatten().bincount(minlength=len(CLASSES)) / classes.numel()
        shown = [(float(share), name.value) for share, name in zip(shares, CLASSES, strict=True)]
        told = [f"{name} {share:.0%}" for share, name in sorted(shown)[::-1] if share >= LEAST]
        lines.append(f"{number}: frame {face.frame}, {', '.join(told)}")
    return shortened(lines)


def _parsenet(tensors: Mapping[str, Tensor]) -> nn.Module | None:
    steps = {part: _length(tensors, part) for part in ("encoder", "body", "decoder")}
    names = ["encoder.0.conv2d.weight"]
    names += [f"encoder.{step}.conv1.conv2d.weight" for step in range(1, steps["encoder"])]
    weights = [tensors.get(name) for name in names]
    widths = [0 if each is None or each.ndim != 4 else len(each) for each in weights]
    if not min(widths) or steps["encoder"] > DEEPEST:
        return None
    coarse = SIDE >> (steps["encoder"] - 1)
    return _facexlib().ParseNet(
        in_size=SIDE,
        out_size=coarse << steps["decoder"],
        min_feat_size=coarse,
        base_ch=widths[0],
        parsing_ch=len(CLASSES),
        res_depth=steps["body"],
        ch_range=[min(widths), max(widths)],
    )


def _bisenet(tensors: Mapping[str, Tensor]) -> nn.Module:
    return _facexlib().BiSeNet(num_class=len(CLASSES))


def _length(tensors: Mapping[str, Tensor], part: str) -> int:
    return len({name.split(".")[1] for name in tensors if name.startswith(f"{part}.")})


def _facexlib() -> ModuleType:
    try:
        import facexlib.parsing as networks
    except ImportError as problem:
        raise RuntimeError(
            f"facexlib, which holds the parsers' networks, cannot be used ({problem}). Run 'python "
            "install.py' in the pack's folder with ComfyUI's Python, which installs it."
        ) from problem
    return networks


# By a tensor that no other network has.
KINDS: dict[str, Kind] = {
    "out_mask_conv.conv2d.weight": Kind(
        "ParseNet", _parsenet, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), CLASSES
    ),
    "ffm.convblk.conv.weight": Kind(
        "BiSeNet", _bisenet, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), BISENET
    ),
}
