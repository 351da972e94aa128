"""Every weight file the pack can use, one row each: the one table that all others are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path, PureWindowsPath


class Task(Enum):
    ANALYZE = "find and recognise faces"
    SWAP = "swap faces"
    CONVERT = "what some swappers need besides"
    RESTORE = "restore faces"
    PARSE = "parse faces"
    LANDMARKS = "refine landmarks"
    EDGES = "draw soft edges"
    PAINT = "paint: the workflows' checkpoints"
    CONTROL = "guide the sampler"
    DEPTH = "estimate depth"
    TAG = "tag pictures"
    EMBEDDING = "negative prompts by name"
    UPSCALE = "enlarge the background"


class Commercial(Enum):
    YES = "yes"
    NO = "no"
    ASK = "ask the authors"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class Model:
    """A row. None in url, bytes or sha256 means unknown: nothing there is ever guessed."""

    file: str  # the name it is saved and looked for under
    task: Task
    folder: str  # key in ComfyUI's folder_paths
    licence: str  # SPDX id, or the words that the authors use
    commercial: Commercial
    page: str  # where it is published or described
    url: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    note: str = ""
    subfolder: str = ""
    members: tuple[str, ...] = ()  # of a zip: the files that are unpacked, side by side

    def __post_init__(self) -> None:
        for name in (self.file, *self.members):
            if PureWindowsPath(name).name != name or name in ("", ".", ".."):
                raise ValueError(f"{name!r} is not a plain file name")

    @property
    def name(self) -> str:
        """What stands in the folder in the end: the file, or the folder that a zip becomes."""
        return self.file.removesuffix(".zip") if self.members else self.file


class UnknownModel(LookupError):
    """A name that is not in the table."""


Facts = Mapping[str, object]


def _hub(repository: str, file: str, saved: str = "", **facts: object) -> Model:
    page = f"https://huggingface.co/{repository}"
    return Model(saved or file, page=page, url=f"{page}/resolve/main/{file}", **facts)


def _release(repository: str, tag: str, file: str, **facts: object) -> Model:
    page = f"https://github.com/{repository}"
    return Model(file, page=page, url=f"{page}/releases/download/{tag}/{file}", **facts)


def _terms(commercial: Commercial, licence: str) -> Facts:
    return {"commercial": commercial, "licence": licence}


def _place(task: Task, folder: str, subfolder: str = "") -> Facts:
    return {"task": task, "folder": folder, "subfolder": subfolder}


INSIGHTFACE = _terms(Commercial.NO, "non-commercial research only (insightface)")
RESWAPPER = _terms(
    Commercial.NO, "AGPL-3.0; distilled from inswapper (research only) on FFHQ (non-commercial)"
)
GHOST = _terms(Commercial.DOUBTFUL, "Apache-2.0; trained on VGGFace2 (a research set)")
RESEARCH_RAIL = _terms(Commercial.NO, "ResearchRAIL (FaceFusion)")
NON_COMMERCIAL = _terms(Commercial.NO, "non-commercial")
UNKNOWN = _terms(Commercial.ASK, "unknown")
GFPGAN = _terms(
    Commercial.DOUBTFUL,
    "Apache-2.0; parts from StyleGAN2 (NVIDIA, non-commercial) and DFDNet (CC-BY-NC-SA-4.0)",
)
CODEFORMER = _terms(Commercial.NO, "S-Lab License 1.0 (non-commercial)")
RESTOREFORMER = _terms(Commercial.DOUBTFUL, "Apache-2.0; trained on FFHQ (non-commercial)")
GPEN = _terms(Commercial.NO, "academic and non-commercial use only (Alibaba)")
FACEXLIB = _terms(Commercial.YES, "MIT (facexlib)")
FAN = _terms(Commercial.DOUBTFUL, "BSD-3-Clause; trained on 300W-LP (a research set)")
PIDINET = _terms(Commercial.ASK, "research only, ask its authors for commercial use (PiDiNet)")
OPENRAIL = _terms(Commercial.YES, "CreativeML OpenRAIL-M (Stable Diffusion 1.5)")
OPENRAIL_XL = _terms(Commercial.YES, "CreativeML OpenRAIL++-M (SDXL)")
CONTROLNET = _terms(Commercial.YES, "OpenRAIL (ControlNet 1.1)")
APACHE = _terms(Commercial.YES, "Apache-2.0")
BSD = _terms(Commercial.YES, "BSD-3-Clause")

PACK = _place(Task.ANALYZE, "insightface", "models")
SWAPPER = _place(Task.SWAP, "insightface")
RESWAP = _place(Task.SWAP, "reswapper")
HYPERSWAP = {**_place(Task.SWAP, "hyperswap"), **RESEARCH_RAIL, "bytes": 402742682}
BESIDE = _place(Task.CONVERT, "insightface")
CONVERTER = {**BESIDE, **UNKNOWN}
RESTORER = _place(Task.RESTORE, "facerestore_models")
PARSER = {**_place(Task.PARSE, "facedetection"), **FACEXLIB}
CONTROL_SD15 = {**_place(Task.CONTROL, "controlnet"), **CONTROLNET}
TAGGER = {**_place(Task.TAG, "wd14_tagger"), **APACHE}
EMBEDDING = {**_place(Task.EMBEDDING, "embeddings"), **UNKNOWN}

FACEFUSION_SWAPPERS = "facefusion/models-3.0.0"
FACEFUSION_CONVERTERS = "facefusion/models-3.4.0"
RESWAPPER_HUB = "somanchiu/reswapper"
CONTROLNET_HUB = "comfyanonymous/ControlNet-v1-1_fp16_safetensors"
GHOST_PROJECT = "sberbank-ai/sber-swap"
V3_LABELS = {
    "bytes": 308468,
    "sha256": "298633d94d0031d2081c0893f29c82eab7f0df00b08483ba8f29d1e979441217",
}


def _tagger(name: str, labels: Facts, **facts: object) -> tuple[Model, Model]:
    """The network and its list of labels, under the repository's name: neither works alone."""
    repository = f"SmilingWolf/{name}"
    return (
        _hub(repository, "model.onnx", f"{name}.onnx", **TAGGER, **facts),
        _hub(repository, "selected_tags.csv", f"{name}.csv", **TAGGER, **labels),
    )


# A size or a hash stands here only where at least two independent publications of it agree (the
# hub's own digests, projects that download the same address and check it) and none contradicts.
# fmt: off
MODELS: tuple[Model, ...] = (
    _release(
        "deepinsight/insightface", "v0.7", "buffalo_l.zip", **PACK, **INSIGHTFACE,
        bytes=288621354,
        sha256="80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
        members=(
            "det_10g.onnx", "1k3d68.onnx", "2d106det.onnx", "genderage.onnx", "w600k_r50.onnx",
        ),
        note="the identity that inswapper, ReSwapper and hyperswap need",
    ),
    _release(
        "deepinsight/insightface", "v0.7", "antelopev2.zip", **PACK, **INSIGHTFACE,
        bytes=360662982,
        sha256="8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5",
        members=(
            "scrfd_10g_bnkps.onnx", "1k3d68.onnx", "2d106det.onnx", "genderage.onnx",
            "glintr100.onnx",
        ),
        note="its identity (glintr100) fits no swapper here",
    ),
    _hub(
        "datasets/Gourieff/ReActor", "models/inswapper_128.onnx", "inswapper_128.onnx",
        **SWAPPER, **INSIGHTFACE, bytes=554253681,
        sha256="e4a3f08c753cb72d04e10aa0f7dbe3deebbf39567d4ead6dce08e98aa49e16af",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "inswapper_128_fp16.onnx", **SWAPPER, **INSIGHTFACE, bytes=277680829
    ),
    _hub(RESWAPPER_HUB, "reswapper-429500.pth", **RESWAP, **RESWAPPER, note="128 px, the oldest"),
    _hub(RESWAPPER_HUB, "reswapper-429500.onnx", **RESWAP, **RESWAPPER, note="128 px"),
    _hub(RESWAPPER_HUB, "reswapper-1019500.pth", **RESWAP, **RESWAPPER, note="128 px"),
    _hub(RESWAPPER_HUB, "reswapper-1019500.onnx", **RESWAP, **RESWAPPER, note="128 px"),
    _hub(RESWAPPER_HUB, "reswapper_256-1399500.pth", **RESWAP, **RESWAPPER, note="256 px"),
    _hub(
        RESWAPPER_HUB, "reswapper_256-1567500.pth", **RESWAP, **RESWAPPER,
        note="256 px, the newest",
    ),
    _hub(
        "datasets/Gourieff/ReActor", "models/reswapper_256.onnx", "reswapper_256.onnx",
        **RESWAP, **RESWAPPER, note="256 px, exported by the community",
    ),
    _hub(
        "facefusion/models-3.3.0", "hyperswap_1a_256.onnx", **HYPERSWAP,
        sha256="c0e98a8a03a238f461ed3d2570e426b49f46745ee400854a60dceeb70c246add",
    ),
    _hub(
        "facefusion/models-3.3.0", "hyperswap_1b_256.onnx", **HYPERSWAP,
        sha256="5124031789c42f71b9558fb71954ef7aedb6da7ed9fac79293e23c61a792a73e",
    ),
    _hub(
        "facefusion/models-3.3.0", "hyperswap_1c_256.onnx", **HYPERSWAP,
        sha256="5528c2d76fe9986c99d829278987ef9f3a630cb606db7628d02b57b330f406a5",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "ghost_1_256.onnx", **SWAPPER, **GHOST, note="needs crossface_ghost"
    ),
    _hub(
        FACEFUSION_SWAPPERS, "ghost_2_256.onnx", **SWAPPER, **GHOST, note="needs crossface_ghost"
    ),
    _hub(
        FACEFUSION_SWAPPERS, "ghost_3_256.onnx", **SWAPPER, **GHOST, note="needs crossface_ghost"
    ),
    _hub(
        "facefusion/models-3.1.0", "hififace_unofficial_256.onnx", **SWAPPER, **UNKNOWN,
        note="needs crossface_hififace",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "simswap_256.onnx", **SWAPPER, **NON_COMMERCIAL,
        note="needs crossface_simswap",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "simswap_unofficial_512.onnx", **SWAPPER, **NON_COMMERCIAL,
        note="needs crossface_simswap",
    ),
    _hub(FACEFUSION_SWAPPERS, "blendswap_256.onnx", **SWAPPER, **NON_COMMERCIAL),
    _hub(FACEFUSION_SWAPPERS, "uniface_256.onnx", **SWAPPER, **UNKNOWN),
    _release(GHOST_PROJECT, "sber-swap-v2.0", "G_unet_1block.pth", **SWAPPER, **GHOST,
             note="needs backbone.pth"),
    _release(GHOST_PROJECT, "sber-swap-v2.0", "G_unet_2blocks.pth", **SWAPPER, **GHOST,
             note="the main one; needs backbone.pth"),
    _release(GHOST_PROJECT, "sber-swap-v2.0", "G_unet_3blocks.pth", **SWAPPER, **GHOST,
             note="needs backbone.pth"),
    _release(GHOST_PROJECT, "arcface", "backbone.pth", **BESIDE, **GHOST,
             note="the identity network of ghost's .pth files"),
    Model("emap.npy", page="https://github.com/somanchiu/ReSwapper",
          **_place(Task.CONVERT, "reswapper"), **RESWAPPER,
          note="ReSwapper's .pth files need it, or an inswapper or ReSwapper .onnx beside them"),
    _hub(FACEFUSION_CONVERTERS, "crossface_ghost.onnx", **CONVERTER),
    _hub(FACEFUSION_CONVERTERS, "crossface_hififace.onnx", **CONVERTER),
    _hub(FACEFUSION_CONVERTERS, "crossface_simswap.onnx", **CONVERTER),
    _release("TencentARC/GFPGAN", "v0.2.0", "GFPGANCleanv1-NoCE-C2.pth", **RESTORER, **GFPGAN,
             note="GFPGAN 1.2"),
    _release(
        "TencentARC/GFPGAN", "v1.3.0", "GFPGANv1.3.pth", **RESTORER, **GFPGAN, bytes=348632874,
        sha256="c953a88f2727c85c3d9ae72e2bd4846bbaf59fe6972ad94130e23e7017524a70",
    ),
    _release(
        "TencentARC/GFPGAN", "v1.3.0", "GFPGANv1.4.pth", **RESTORER, **GFPGAN, bytes=348632874,
        sha256="e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
    ),
    _release("TencentARC/GFPGAN", "v1.3.4", "RestoreFormer.pth", **RESTORER, **RESTOREFORMER),
    _release("wzhouxiff/RestoreFormerPlusPlus", "v1.0.0", "RestoreFormer.ckpt", **RESTORER,
             **RESTOREFORMER),
    _release("wzhouxiff/RestoreFormerPlusPlus", "v1.0.0", "RestoreFormer++.ckpt", **RESTORER,
             **RESTOREFORMER),
    _release(
        "sczhou/CodeFormer", "v0.1.0", "codeformer.pth", **RESTORER, **CODEFORMER,
        bytes=376637898,
        sha256="1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
        note="needs the package spandrel_extra_arches",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "codeformer.onnx", **RESTORER, **CODEFORMER, bytes=376951650,
        sha256="21710e7ab61c82683576c428e9c1b6fe1ed419586b7b39e394c3449c294b550f",
    ),
    _hub(FACEFUSION_SWAPPERS, "gfpgan_1.2.onnx", **RESTORER, **GFPGAN),
    _hub(FACEFUSION_SWAPPERS, "gfpgan_1.3.onnx", **RESTORER, **GFPGAN),
    _hub(
        FACEFUSION_SWAPPERS, "gfpgan_1.4.onnx", **RESTORER, **GFPGAN, bytes=340299087,
        sha256="accc4757b26bdb89b32b4d3500d4f79c9dff97c1dd7c7104bf9dcb95e3311385",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "gpen_bfr_256.onnx", **RESTORER, **GPEN,
        sha256="bad8bf0426873828df2dbf4e3b3d9ababba9da7965b8b72426569486f7ae5c25",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "gpen_bfr_512.onnx", **RESTORER, **GPEN, bytes=284340240,
        sha256="d5f066b9068a8b74217f9712e28e875a6144629b108a6f7355acbdb3a2832c54",
    ),
    _hub(
        FACEFUSION_SWAPPERS, "gpen_bfr_1024.onnx", **RESTORER, **GPEN,
        sha256="bcd31aa52110a2005efc96abbab4546d57e42482648f08715b552423d96b381b",
    ),
    _hub(FACEFUSION_SWAPPERS, "gpen_bfr_2048.onnx", **RESTORER, **GPEN),
    _hub(FACEFUSION_SWAPPERS, "restoreformer_plus_plus.onnx", **RESTORER, **RESTOREFORMER),
    _release(
        "xinntao/facexlib", "v0.2.2", "parsing_parsenet.pth", **PARSER, bytes=85331193,
        sha256="3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
    ),
    _release(
        "xinntao/facexlib", "v0.2.0", "parsing_bisenet.pth", **PARSER, bytes=53289463,
        sha256="468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
    ),
    Model(
        "2DFAN4-11f355bf06.pth.tar", **_place(Task.LANDMARKS, "facedetection"), **FAN,
        page="https://github.com/1adrianb/face-alignment",
        url="https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar",
        sha256="11f355bf0693120222f5955ce3f9dc8fb5763ebb30a47d7906e509490d32e4aa",
    ),
    _hub(
        "lllyasviel/Annotators", "table5_pidinet.pth", **_place(Task.EDGES, "detection"),
        **PIDINET, bytes=2871148,
        sha256="80860ac267258b5f27486e0ef152a211d0b08120f62aeb185a050acc30da486c",
    ),
    _hub(
        "Comfy-Org/stable-diffusion-v1-5-archive", "v1-5-pruned-emaonly-fp16.safetensors",
        **_place(Task.PAINT, "checkpoints"), **OPENRAIL,
        note="or any other of its family; a realistic one paints better faces",
    ),
    _hub(
        "stabilityai/stable-diffusion-xl-base-1.0", "sd_xl_base_1.0.safetensors",
        **_place(Task.PAINT, "checkpoints"), **OPENRAIL_XL, note="or any other of its family",
    ),
    _hub(
        CONTROLNET_HUB, "control_v11p_sd15_softedge_fp16.safetensors", **CONTROL_SD15,
        note="soft edges, SD 1.5",
    ),
    _hub(CONTROLNET_HUB, "control_v11p_sd15_openpose_fp16.safetensors", **CONTROL_SD15,
         note="poses, SD 1.5"),
    _hub(CONTROLNET_HUB, "control_v11f1p_sd15_depth_fp16.safetensors", **CONTROL_SD15,
         note="depth, SD 1.5"),
    _hub(
        "xinsir/controlnet-union-sdxl-1.0", "diffusion_pytorch_model_promax.safetensors",
        "controlnet-union-sdxl-promax.safetensors", **_place(Task.CONTROL, "controlnet"),
        **APACHE, note="soft edges, poses and depth, SDXL",
    ),
    _hub(
        "Comfy-Org/Depth-Anything-3", "geometry_estimation/depth_anything_3_small.safetensors",
        "depth_anything_3_small.safetensors", **_place(Task.DEPTH, "geometry_estimation"),
        **APACHE, note="for ComfyUI's own Depth Anything nodes",
    ),
    *_tagger("wd-v1-4-moat-tagger-v2", {}),
    *_tagger(
        "wd-vit-tagger-v3", V3_LABELS, bytes=378536310,
        sha256="35f23693620b668f4d53fd3c62bf65e40af739bc52c7eb0fbc49258b58d065b6",
    ),
    *_tagger(
        "wd-swinv2-tagger-v3", V3_LABELS, bytes=467460978,
        sha256="e6774bff34d43bd49f75a47db4ef217dce701c9847b546523eb85ff6dbba1db1",
    ),
    *_tagger(
        "wd-eva02-large-tagger-v3", V3_LABELS, bytes=1260435999,
        sha256="9e768793060c7939b277ccb382783e8670e8a042d29d77aa736be0c8cc898bfc",
    ),
    Model("ng_deepnegative_v1_75t.pt", page="https://huggingface.co/licyk/sd-embeddings",
          **EMBEDDING),
    Model("badhandv4.pt", page="https://civitai.com/models/16993", **EMBEDDING),
    _release(
        "xinntao/Real-ESRGAN", "v0.2.1", "RealESRGAN_x2plus.pth",
        **_place(Task.UPSCALE, "upscale_models"), **BSD, bytes=67061725,
        sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
    ),
)
# fmt: on


def find(name: str) -> Model:
    """The row of a file, also by its name without the ending where only one file has it."""
    wanted = name.strip().lower()
    named = [model for model in MODELS if wanted == model.file.lower()]
    named = named or [model for model in MODELS if wanted == Path(model.file).stem.lower()]
    if len(named) == 1:
        return named[0]
    if named:
        raise UnknownModel(f"{name} may be {' or '.join(model.file for model in named)}.")
    known = {key.lower(): model.file for model in MODELS for key in (model.file, model.name)}
    near = dict.fromkeys(known[key] for key in get_close_matches(wanted, known, n=5, cutoff=0.5))
    near = near or {file: file for file in known.values() if wanted and wanted in file.lower()}
    hint = f"Near to it: {', '.join(near)}. " if near else ""
    raise UnknownModel(
        f"{name} is not in the table. {hint}Run 'python install.py models --list' for all names."
    )


def folder(model: Model, models: Path) -> Path:
    """The folder under ComfyUI's `models` folder that the file is fetched into."""
    return models / model.folder / model.subfolder


def path(model: Model, models: Path) -> Path:
    """Where the file stands, or the unpacked folder, under ComfyUI's `models` folder."""
    return folder(model, models) / model.name


def present(model: Model, models: Path) -> bool:
    place = path(model, models)
    if model.members:
        return all((place / member).is_file() for member in model.members)
    return place.is_file()


def missing(model: Model, place: Path) -> str:
    """What to tell someone whose file is not in the folder `place`."""
    command = f"python install.py models {model.file}"
    terms = f"Licence: {model.licence}; commercial use: {model.commercial.value}."
    if model.url is None:
        return (
            f"{model.name} is not in {place}. No address is known to fetch it from: get it from "
            f"{model.page} and save it there. {terms}"
        )
    by_hand = f"unpack {model.url} into" if model.members else f"save {model.url} in"
    return (
        f"{model.name} is not in {place}. Run '{command}' in the pack's folder, or {by_hand} "
        f"{place / model.name if model.members else place}. {terms}"
    )


def terms(model: Model) -> str:
    """What may be done with the file."""
    return f"licence: {model.licence}; commercial use: {model.commercial.value}"


def size(count: int | None) -> str:
    """A number of bytes as a person reads it; decimal units, as download pages use."""
    if count is None:
        return "unknown"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def markdown() -> str:
    """The table of the README."""
    lines = [
        "| file | goes into | size | sha256 known | commercial use | licence |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for task in Task:
        rows = [model for model in MODELS if model.task is task]
        lines += [f"| **{task.value}** | | | | | |"] if rows else []
        for model in rows:
            place = folder(model, Path("models")).as_posix()
            note = f" ({model.note})" if model.note else ""
            lines.append(
                f"| [{model.file}]({model.page}){note} | `{place}` | {size(model.bytes)} "
                f"| {'yes' if model.sha256 else 'no'} | {model.commercial.value} "
                f"| {model.licence} |"
            )
    return "\n".join(lines)
