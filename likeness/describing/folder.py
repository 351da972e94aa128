"""Loading describers: a folder as transformers saves it, offline, and nothing in it is ever run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..report import counted
from ..weights import MALFORMED
from .describer import Describer
from .known import CONFIG, KNOWN, cure

WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # the first of these counts
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
VOCABULARIES = ("tokenizer.json", "vocab.txt")
# What a config may name that has nothing to do with the network: code, other files, other kernels.
FOREIGN = {
    "auto_map", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "experts_implementation", "_experts_implementation", "quantization_config", "fusion_config",
    "distributed_config", "transformers_weights", "dtype", "torch_dtype",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """The classes of transformers that a folder is for."""

    architecture: str
    config: str
    image_processor: str
    processor: str


KINDS: Mapping[str, Kind] = {  # by model_type
    "blip": Kind("BlipForQuestionAnswering", "BlipConfig", "BlipImageProcessor", "BlipProcessor"),
    "vilt": Kind("ViltForQuestionAnswering", "ViltConfig", "ViltImageProcessor", "ViltProcessor"),
}


def load(folder: Path) -> Describer:
    """The describer in `folder`; what kind it is, its config.json tells."""
    facts = _facts(folder)
    kind = _kind(facts, folder)
    weights = _one_of(WEIGHTS, folder)
    _one_of(PROCESSORS, folder)
    _one_of(VOCABULARIES, folder)
    with _quiet() as transformers, _whole(folder):
        config = getattr(transformers, kind.config).from_dict(_own(facts))
        here = {"local_files_only": True, "trust_remote_code": False}
        images = getattr(transformers, kind.image_processor).from_pretrained(folder, **here)
        tokenizer = transformers.BertTokenizerFast.from_pretrained(folder, **here)
        network, found = getattr(transformers, kind.architecture).from_pretrained(
            None,
            config=config,
            state_dict=_tensors(weights),
            attn_implementation="eager",
            output_loading_info=True,
        )
        _check(network, tokenizer, found["missing_keys"])
        processor = getattr(transformers, kind.processor)(images, tokenizer)
    return Describer(folder.name, network.float().requires_grad_(False).eval(), processor)


def describe(describer: Describer) -> str:
    """Which network it is, how it answers, and its licence where that is known."""
    config = describer.network.config
    answers = "writes its answers" if describer.writes else f"picks of {config.num_labels} answers"
    lines = [f"{describer.name}: {describer.kind}, {answers}"]
    if source := KNOWN.get(describer.name):
        lines.append(f"licence: {source.licence}")
    return "\n".join(lines)


def _check(network: Any, tokenizer: Any, lacking: Iterable[str]) -> None:
    if names := sorted(lacking):
        raise ValueError(f"its weights lack {counted(len(names), 'tensor')}, such as {names[0]}")
    for name, weight in network.named_parameters():
        if not all(bound.isfinite() for bound in weight.aminmax()):
            raise ValueError(f"its {name} holds values that are no numbers")
    rows = len(network.get_input_embeddings().weight)
    if len(tokenizer) > rows:
        raise ValueError(f"its vocabulary has {len(tokenizer)} words, its network knows {rows}")


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / CONFIG).read_text("utf-8"))
    except FileNotFoundError as problem:
        raise FileNotFoundError(_lacks(folder, CONFIG)) from problem
    except (OSError, ValueError, RecursionError) as problem:
        raise ValueError(_broken(folder, f"{CONFIG} cannot be read: {problem}")) from problem
    if not isinstance(facts, dict):
        raise ValueError(_broken(folder, f"{CONFIG} holds a {type(facts).__name__}"))
    return facts


def _kind(facts: Mapping[str, Any], folder: Path) -> Kind:
    name = facts.get("model_type")
    kind = KINDS.get(name) if isinstance(name, str) else None
    architectures = facts.get("architectures") or ([kind.architecture] if kind else [])
    if kind is None or kind.architecture not in architectures:
        told = str(architectures[0] if isinstance(architectures, list) and architectures else name)
        wanted = " or ".join(kind.architecture for kind in KINDS.values())
        raise ValueError(
            f"{folder} holds a {told[:60]}, which answers no questions about pictures: a describer "
            f"is a {wanted}. {cure(folder)}"
        )
    return kind


def _own(facts: Any) -> Any:
    """The facts without what would have other code or files used."""
    if isinstance(facts, dict):
        return {name: _own(value) for name, value in facts.items() if name not in FOREIGN}
    return facts


def _one_of(names: tuple[str, ...], folder: Path) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(_lacks(folder, " or ".join(names)))


def _tensors(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *MALFORMED) as problem:  # whose words advise to load it anyway
        raise ValueError(
            f"{file.name} is cut short, or holds more than weights, and is not opened: a "
            f"{WEIGHTS[0]} in its place can hold nothing else"
        ) from problem
    if not isinstance(held, Mapping) or not all(isinstance(each, Tensor) for each in held.values()):
        raise ValueError(f"{file.name} holds a {type(held).__name__}, not tensors by name")
    return dict(held)


@contextmanager
def _quiet() -> Iterator[Any]:
    """The package transformers, as it is without its bars and reports."""
    import transformers
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """What transformers says about a broken folder becomes an error that names it and the cure."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except (*MALFORMED, ArithmeticError, StrictDataclassError, SafetensorError) as problem:
        raise ValueError(_broken(folder, str(problem) or type(problem).__name__)) from problem


def _lacks(folder: Path, name: str) -> str:
    needed = ", ".join(
        [CONFIG, *(" or ".join(names) for names in (WEIGHTS, PROCESSORS, VOCABULARIES))]
    )
    return f"{folder} has no {name}. A describer is a folder with {needed}. {cure(folder)}"


def _broken(folder: Path, reason: str) -> str:
    first = " ".join(reason.split())[:300].rstrip(".")
    return f"{folder} cannot be used: {first}. {cure(folder)}"
