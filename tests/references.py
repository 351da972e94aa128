"""Models that read a reference, single steps of them, and the same steps worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("comfy_api.latest", reason="no COMFYUI_PATH: run 'python install.py test'")

import tiny_unets
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_patcher import ModelPatcher
from pack.likeness.reference.noise import noise_at
from pack.nodes.reference import ReferenceOnly
from pack.nodes.reference_patch import KEY, layers

SETTINGS = {
    "weight": 0.5,
    "style_fidelity": 0.5,
    "variant": "attention",
    "start_percent": 0.0,
    "end_percent": 1.0,
}
SEED = 3
LATENT = tiny_unets.latent(seed=5)
BOTH = [1, 0]  # as the host puts them: the unconditional rows, then the conditional ones


def told(patcher: ModelPatcher, **changes: object) -> tuple[ModelPatcher, str]:
    """The model and the report."""
    if not changes.keys() & {"image", "latent"}:
        changes["latent"] = {"samples": LATENT}
    return ReferenceOnly.execute(patcher, **(SETTINGS | changes)).args


def referring(patcher: ModelPatcher, **changes: object) -> ModelPatcher:
    return told(patcher, **changes)[0]


def texts(chunks: list[int], pictures: int = 1) -> Tensor:
    """One prompt for conditional rows, another one for the rest."""
    return torch.cat(
        [tiny_unets.prompt(1 + chunk)[0][0].expand(pictures, -1, -1) for chunk in chunks]
    )


@torch.inference_mode()
def step(
    patcher: ModelPatcher,
    x: Tensor | None = None,  # of one chunk
    chunks: list[int] = BOTH,
    sigma: float = 2.0,
    options: dict | None = None,
    **conds: object,
) -> Tensor:
    """What the model makes of x, as the sampler asks for it."""
    x = 2 * tiny_unets.latent(seed=9) if x is None else x
    if getattr(patcher.model.diffusion_model, "num_classes", None) and "y" not in conds:
        conds["y"] = torch.zeros(len(x) * len(chunks), patcher.model.adm_channels)
    t = torch.full((len(x) * len(chunks),), sigma)
    given = {
        **patcher.model_options["transformer_options"],
        "wrappers": patcher.wrappers,
        "cond_or_uncond": chunks,
        "sigmas": t[:1],
        KEY: SEED,
    }
    context = texts(chunks, len(x))
    rows = torch.cat([x] * len(chunks))
    given |= options or {}
    return patcher.model.apply_model(
        rows, t, c_crossattn=context, transformer_options=given, **conds
    )


@contextmanager
def replaced(modules: list[nn.Module], make: Callable) -> Iterator[None]:
    """Each module's forward made anew from the one it has."""
    for module in modules:
        module.forward = make(module, module.forward)
    try:
        yield
    finally:
        for module in modules:
            del module.forward


@torch.inference_mode()
def by_hand(
    patcher: ModelPatcher,
    attention: list[tuple],
    adain: list[tuple],
    fidelity: float,
    sigma: float = 2.0,
    control: dict | None = None,
    latent: Tensor = LATENT,
) -> Tensor:
    """`step` of the plain model, its modules replaced: norm1(x) is stored, and read beside x."""
    model, unet = patcher.model, patcher.model.diffusion_model
    sampling = model.model_sampling
    t = sampling.timestep(torch.tensor([sigma]))
    alpha = 1 / (1 + sampling.sigmas[t] ** 2)
    z = model.process_latent_in(latent)
    noise = noise_at(SEED, float(t), (1, *z.shape[1:]))
    noised = alpha.sqrt() * z + (1 - alpha).sqrt() * noise
    context, unconditional = texts(BOTH), [0]
    y = {"y": torch.zeros(2, model.adm_channels)} if unet.num_classes else {}
    bank: dict[nn.Module, object] = {}

    def write(module, forward):
        def written(x, context=None, value=None, transformer_options=None):
            bank[module] = x
            return forward(x, context=context, value=value)

        return written

    def read(module, forward):
        def seen(x, context=None, value=None, transformer_options=None):
            everybody = forward(x, context=torch.cat([x, bank[module]], 1))
            mixed = everybody.clone()
            mixed[unconditional] = forward(x[unconditional], context=x[unconditional])
            return fidelity * mixed + (1 - fidelity) * everybody

        return seen

    def measure(module, forward):
        def measured(*given, **named):
            out = forward(*given, **named)
            bank[module] = out.mean((2, 3), True), out.var((2, 3), correction=0, keepdim=True)
            return out

        return measured

    def impose(module, forward):
        def imposed(*given, **named):
            out = forward(*given, **named)
            mean, variance = bank[module]
            own = out.var((2, 3), correction=0, keepdim=True).clamp(min=1e-6).sqrt()
            everybody = (out - out.mean((2, 3), True)) / own * variance.clamp(min=1e-6).sqrt()
            everybody += mean
            mixed = everybody.clone()
            mixed[unconditional] = out[unconditional]
            return fidelity * mixed + (1 - fidelity) * everybody

        return imposed

    selves = [self_attention(unet, place) for place in attention]
    ends = [layers(unet)[block][-1] for block in adain]
    rows = t.expand(2).float()
    with replaced(selves, write), replaced(ends, measure):
        unet(torch.cat([noised] * 2), rows, context, **y)
    x = torch.cat([2 * tiny_unets.latent(seed=9)] * 2)
    level = torch.full((2,), sigma)
    with replaced(selves, read), replaced(ends, impose):
        scaled = sampling.calculate_input(level, x)
        out = unet(scaled, rows, context, control=control, **y)
    return sampling.calculate_denoised(level, out, x)


def self_attention(unet: UNetModel, place: tuple) -> nn.Module:
    *block, number = place
    transformers = [
        each
        for layer in layers(unet)[tuple(block)]
        for each in layer.modules()
        if hasattr(each, "attn1")
    ]
    return transformers[number].attn1
