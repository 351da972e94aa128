"""Face analysis by an insightface pack: SCRFD, landmarks, identity, sex and age.

The networks run in the insightface package, which works on BGR; that stays inside this file.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .face import Face, Sex
from .recognise import BATCH
from .sessions import (
    available_providers,
    open_session,
    provider_notes,
    runtime_notes,
    session_options,
    whole_network,
)

DETECTOR_SIDE = 640  # px of the square at which a detector looks when reach is 1
MANIFEST = "manifest.json"  # of the packs that came with insightface 2
ONNX = ".onnx"
SCRFD_LEVELS = {6: 3, 9: 3, 10: 5, 15: 5}  # number of outputs -> of strides
EMBEDDING = 512

# What insightface calls a network -> the part a user is told of.
PART_OF = {
    "detection": "detection",
    "landmark_3d_68": "landmarks",
    "recognition": "identity",
    "genderage": "sex and age",
}


@dataclass(frozen=True, eq=False)
class Pack:
    """The networks of one folder, ready to run."""

    name: str
    folder: Path
    parts: tuple[str, ...]
    providers: tuple[str, ...]  # of onnxruntime, as the detector's session has them
    notes: tuple[str, ...]
    networks: dict[str, Any]  # what insightface calls it -> its network
    space: str | None  # of the embeddings
    at_once: int = 1  # crops that its recogniser takes together

    def find(self, frame: np.ndarray, threshold: float, reach: float = 1.0) -> list[Face]:
        """The faces of `frame` (H, W, 3) uint8 RGB, best score first; without embeddings."""
        import cv2
        from insightface.app.common import Face as Record

        detector = self.networks["detection"]
        wide, tall = detector.static_input_size or (detector_side(reach),) * 2
        height, width = frame.shape[:2]
        if width * tall < height or height * wide < width:
            return []  # a strip narrower than a pixel at the detector's size
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        boxes, points = detector.detect(bgr, input_size=(wide, tall), det_thresh=threshold)
        faces = []
        with warnings.catch_warnings():
            # insightface fits its crops by a call that scikit-image has renamed
            warnings.simplefilter("ignore", FutureWarning)
            for box, five in zip(boxes, points, strict=True):
                if box[2] <= box[0] or box[3] <= box[1]:
                    continue
                record = Record(bbox=box[:4], kps=five, det_score=box[4])
                for task in ("landmark_3d_68", "genderage"):
                    if task in self.networks:
                        self.networks[task].get(bgr, record)
                faces.append(_face(record))
        return faces

    @property
    def side(self) -> int:
        """Pixels of the crops that are embedded."""
        return self.networks["recognition"].input_size[0] if self.space else 0

    def embed(self, crops: Sequence[np.ndarray]) -> Tensor:
        """Embeddings (N, 512), as the network gives them, of aligned crops (S, S, 3) uint8 RGB."""
        network = self.networks["recognition"]
        bgr = [np.ascontiguousarray(crop[..., ::-1]) for crop in crops]
        rows = [np.empty((0, EMBEDDING), np.float32)]
        for start in range(0, len(bgr), self.at_once):
            rows.append(network.get_feat(bgr[start : start + self.at_once]))
        return torch.from_numpy(np.concatenate(rows).astype(np.float32, copy=False))


def _at_once(network: Any) -> int:
    """How many crops the network takes together, found out by giving it two.

    The declaration does not tell: real files take any number and promise one row, and there are
    those that hold a 1 further in.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if isinstance(network.input_shape[0], int):
        return 1
    grey = np.full((*network.input_size, 3), 127, np.uint8)
    try:
        rows = network.get_feat([grey, grey])
    except (state.Fail, state.InvalidArgument, state.RuntimeException):
        return 1
    return BATCH if rows.shape == (2, EMBEDDING) else 1


def _face(record: Any) -> Face:
    dense, sex = record.landmark_3d_68, record.gender
    return Face(
        frame=0,
        box=tuple(record.bbox.tolist()),
        points=torch.tensor(record.kps, dtype=torch.float32),
        score=float(record.det_score),
        landmarks68=None if dense is None else torch.tensor(dense[:, :2], dtype=torch.float32),
        pose=None if record.pose is None else tuple(record.pose.tolist()),
        age=None if record.age is None else float(record.age),
        sex=None if sex is None else (Sex.MALE if sex == 1 else Sex.FEMALE),
    )


def detector_side(reach: float) -> int:
    return max(32, round(DETECTOR_SIDE * reach / 32) * 32)


def packs(folders: Iterable[Path]) -> dict[str, Path]:
    """Every pack under models/insightface folders, by name; the first of a name counts.

    A pack is a folder with .onnx files, in <folder>/models or in <folder> itself. Reads folder
    listings only.
    """
    found: dict[str, Path] = {}
    for root in map(Path, folders):
        for parent in (root / "models", root):
            for folder in _subfolders(parent):
                if folder != root / "models" and _holder(folder) is not None:
                    found.setdefault(folder.name, folder)
    return found


def load(folder: Path, providers: Sequence[str] | None = None) -> Pack:
    """Open the networks in `folder`. Nothing is downloaded and nothing printed.

    `providers` are names of onnxruntime; CUDA when it is there, else the CPU, when None.
    """
    folder = Path(os.path.abspath(folder))
    inner = _require_networks(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        zoo = _insightface()
        wanted = list(available_providers() if providers is None else providers)
        zoo.preload_cuda_libraries(wanted)
        files, networks, notes = _choose(_open_all(zoo, inner, wanted))
    if inner != folder:
        notes.insert(0, f"{folder.name} is unpacked one folder too deep: {inner} is used")
    if "detection" not in networks:
        raise ValueError(
            f"{inner} has no face detector with points, such as det_10g.onnx "
            f"({'; '.join(notes) or 'its files are other parts'}). Unpack the whole pack there, "
            "or choose another analyzer in Load Face Analyzer."
        )
    running = {task: network.session.get_providers() for task, network in networks.items()}
    notes += provider_notes(wanted, {files[task].name: running[task] for task in running})
    notes += runtime_notes()
    return Pack(
        name=folder.name,
        folder=inner,
        parts=tuple(part for task, part in PART_OF.items() if task in networks),
        providers=tuple(running["detection"]),
        notes=tuple(notes),
        networks=networks,
        space=files["recognition"].stem if "recognition" in files else None,
        at_once=_at_once(networks["recognition"]) if "recognition" in networks else 1,
    )


def _entries(folder: Path) -> list[Path]:
    readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    return sorted(folder.iterdir()) if readable else []


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _has_networks(folder: Path) -> bool:
    return any(path.suffix.lower() == ONNX or path.name == MANIFEST for path in _entries(folder))


def _holder(folder: Path) -> Path | None:
    """`folder` or the one folder in it that holds the networks; None where there are none."""
    if _has_networks(folder):
        return folder
    inside = [path for path in _subfolders(folder) if _has_networks(path)]
    return inside[0] if len(inside) == 1 else None


def _require_networks(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not there. Unpack an insightface pack, such as buffalo_l, into "
            f"{folder.parent} and press R in ComfyUI."
        )
    inner = _holder(folder)
    if inner is None:
        names = ", ".join(path.name for path in _entries(folder)[:8])
        raise FileNotFoundError(
            f"{folder} holds no .onnx files ({names or 'nothing that can be read'}). Unpack an "
            "insightface pack there, such as buffalo_l with det_10g.onnx, w600k_r50.onnx and so on."
        )
    return inner


def _insightface() -> Any:
    """insightface.model_zoo, with what came with version 2.1."""
    try:
        import insightface.model_zoo as zoo
        from insightface.model_zoo import has_model_package_manifest  # noqa: F401
    except ImportError as problem:
        try:
            state = f"insightface {importlib.metadata.version('insightface')} cannot be used"
        except importlib.metadata.PackageNotFoundError:
            state = "insightface is not installed"
        raise RuntimeError(
            f"{state} ({problem}). Run 'python install.py' in the pack's folder with ComfyUI's "
            "Python, which installs 2.1 or newer, or choose 'built in' in Load Face Analyzer."
        ) from problem
    return zoo


def _open_all(zoo: Any, folder: Path, providers: list[str]) -> Iterator[tuple[Path, Any]]:
    """Every file of the pack with the network it is, or None for another kind of network."""
    if zoo.has_model_package_manifest(folder):
        package = zoo.load_model_package(folder)
        for task in PART_OF:
            if task in package.tasks:
                file = Path(package.tasks[task].path)
                with whole_network(file):
                    network = zoo.get_model(
                        str(folder),
                        model_task=task,
                        model_descriptor=package.tasks[task],
                        providers=providers,
                        sess_options=session_options(),
                    )
                yield file, network
        return
    for file in _entries(folder):
        if file.suffix.lower() == ONNX and file.is_file():
            session = open_session(file, providers)
            kind = network_kind(session)
            yield file, kind and getattr(zoo, kind)(model_file=str(file), session=session)


def network_kind(session: Any) -> str | None:
    """The class of insightface for this network, by the shapes of its inputs and outputs."""
    inputs = session.get_inputs()
    shape, results = inputs[0].shape, [output.shape for output in session.get_outputs()]
    if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3:
        return None
    if len(results) in SCRFD_LEVELS:
        widths = [width for width in (1, 4, 10) for _ in range(SCRFD_LEVELS[len(results)])]
        return "SCRFD" if all(map(_is_rows_of, results, widths)) else None
    if len(results) != 1 or len(results[0]) != 2 or shape[2] != shape[3]:
        return None
    side, width = shape[2], results[0][1]
    if side in (96, 192) and isinstance(width, int):
        return "Attribute" if side == 96 else "Landmark"
    is_crop = isinstance(side, int) and (side % 112 == 0 or side % 128 == 0)
    return "ArcFaceONNX" if is_crop and width == EMBEDDING else None


def _is_rows_of(shape: list, width: int) -> bool:
    fixed = isinstance(shape[-1], int) if shape else False
    return len(shape) in (2, 3) and (not fixed or shape[-1] == width)


def _choose(
    opened: Iterable[tuple[Path, Any]],
) -> tuple[dict[str, Path], dict[str, Any], list[str]]:
    """File and network by what insightface calls them, the first of each; and notes."""
    files: dict[str, Path] = {}
    networks: dict[str, Any] = {}
    notes = []
    for file, network in opened:
        if network is None:
            notes.append(f"{file.name} is another kind of network and is not used")
        elif network.taskname == "detection" and not network.use_kps:
            notes.append(f"{file.name} is a detector that gives no points and is not used")
        elif network.taskname in networks:
            first = files[network.taskname].name
            notes.append(f"{file.name} is not used: {first} does the same")
        elif network.taskname in PART_OF:
            files[network.taskname], networks[network.taskname] = file, network
    return files, networks, notes
