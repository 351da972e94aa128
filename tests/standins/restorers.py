"""Writes face restorers: the file names and tensors of the real networks, random weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from pack.likeness.nets.restoreformer import RestoreFormer, Shape
from safetensors.torch import save_file
from torch import Tensor, nn

LEVELS = 6  # with fewer the codes are no longer looked for at 16 pixels
NARROW = Shape(widths=(32,) * LEVELS, blocks=1, codes=64, code=32, between=32)
FULL = Shape()
MODULE = "pytorch_lightning.callbacks.model_checkpoint"


def restoreformer(shape: Shape = NARROW, seed: int = 0) -> RestoreFormer:
    """One whose answer shows the picture, by the codes and by what asks for them."""
    return made(lambda: RestoreFormer(shape), seed)


def restoreformer_tensors(shape: Shape = FULL, seed: int = 0) -> dict[str, Tensor]:
    """Widths (64, 128, 128, 256, 256, 512) are the real one's 291 MB."""
    return restoreformer(shape, seed).state_dict()


def restoreformerpp_tensors(seed: int = 0) -> dict[str, Tensor]:
    return restoreformer_tensors(Shape(plus=True), seed)


def gfpgan_tensors(seed: int = 0) -> dict[str, Tensor]:
    """There is one width: 349 MB."""
    from spandrel.architectures.GFPGAN import GFPGAN

    def make() -> nn.Module:
        return GFPGAN(
            out_size=512, num_style_feat=512, channel_multiplier=2, decoder_load_path=None,
            fix_decoder=False, num_mlp=8, input_is_latent=True, different_w=True, narrow=1,
            sft_half=True,
        )  # fmt: skip

    return made(make, seed).state_dict()


def codeformer_tensors(seed: int = 0) -> dict[str, Tensor]:
    """There is one width: 376 MB. Needs spandrel_extra_arches."""
    from spandrel_extra_arches.architectures.CodeFormer import CodeFormer

    return made(lambda: CodeFormer(dim_embd=512, n_head=8, n_layers=9), seed).state_dict()


def vqgan_tensors() -> dict[str, Tensor]:
    """CodeFormer's autoencoder, which lies beside it and is no restorer; only the names count."""
    parts = ("encoder.blocks.0", "encoder.blocks.24", "quantize.embedding", "generator.blocks.0")
    return {f"{part}.{kind}": torch.zeros(4) for part in parts for kind in ("weight", "bias")}


def made(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = make()
        lively(network)
    return network.requires_grad_(False).eval()


@torch.no_grad()
def lively(network: nn.Module) -> None:
    """As after training: norms that do something, and an answer that the whole picture is in."""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.GroupNorm):
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_(0, 0.1)
        if name.endswith((".q", ".k", ".v", ".proj_out")):
            gain = 1 if name.endswith((".q", ".k")) else 0.5
            layer.weight.normal_(0, gain * len(layer.weight) ** -0.5)
        if isinstance(layer, nn.Embedding):
            layer.weight.normal_(0, 0.1)
    if isinstance(network, RestoreFormer):
        network.decoder.conv_out.weight.normal_(0, 0.5 * network.shape.widths[0] ** -0.5 / 3)
    for name, weight in network.named_parameters():
        if name.endswith("position_emb"):
            weight.normal_()
        if "style_conv" in name and weight.shape == (1,):
            weight.fill_(0.1)  # of the noise, which is none before training
        if name.startswith(("condition", "final_linear")) and weight.ndim > 1:
            weight.mul_(5)
        if name.startswith("stylegan_decoder.to_rgb") and weight.ndim > 2:
            weight.mul_(0.3)


def write_restoreformer(
    file: Path, ch: int = 32, seed: int = 0, plus: bool = False, times: tuple[int, ...] = (1,) * 6
) -> Path:
    """Write a narrow one, which spandrel knows unless it is plus: 512 px, 2 MB.

    `ch` is a multiple of 32, and `times` are how much wider the levels are.
    """
    shape = Shape(tuple(ch * each for each in times), 1, 64, ch, ch, plus)
    return write(file, restoreformer_tensors(shape, seed))


def write(file: Path, tensors: Mapping[str, Tensor], level: str = "params") -> Path:
    """As a restorer's authors do, the tensors at a level of their own; as .ckpt, by Lightning."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in tensors.items()}, file)
    elif file.suffix == ".ckpt":
        write_lightning(file, tensors)
    else:
        torch.save({level: dict(tensors)}, file)
    return file


def write_lightning(file: Path, tensors: Mapping[str, Tensor], prefix: str = "vqvae.") -> None:
    """With what a network was trained with, and classes that are on the trainer's machine alone."""
    held = {f"{prefix}{name}": value for name, value in tensors.items()}
    held |= {
        "loss.discriminator.main.0.weight": torch.ones(8, 3, 4, 4),
        "loss.logvar": torch.ones(()),
    }
    with lightning_class("ModelCheckpoint") as kind:
        kept = kind()
        kept.best_model_score = torch.ones(())
        state = {kind: {"best_model_score": torch.ones(())}, "kept": kept}
        torch.save({"epoch": 3, "state_dict": held, "callbacks": state, "lr_schedulers": []}, file)


@contextmanager
def lightning_class(name: str, module: str = MODULE, base: type = object) -> Iterator[type]:
    """One that pickles under Lightning's name, while it does."""
    kind = type(name, (base,), {"__module__": module})
    parts = module.split(".")
    names = [".".join(parts[: number + 1]) for number in range(len(parts))]
    before = {each: sys.modules.get(each) for each in names}
    sys.modules.update({each: ModuleType(each) for each in names})
    setattr(sys.modules[module], name, kind)
    try:
        yield kind
    finally:
        for each, held in before.items():
            sys.modules.pop(each)
            if held is not None:
                sys.modules[each] = held
