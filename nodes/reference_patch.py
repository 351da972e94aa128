"""Reference Only inside ComfyUI: a pass over the reference before every pass over the picture.

Both run in a wrapper around the model's `apply_model`, so that the host casts, scales and reads
the time step as for any other pass. What a pass needs travels in a copy of its options; nothing
outlives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import comfy.model_base
import comfy.utils
import torch
from comfy.ldm.modules import attention as host_attention
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ..likeness.reference.adain import Statistics, impose, measure
from ..likeness.reference.attention import KeysValues, attend_to_both, unconditional_rows
from ..likeness.reference.inpaint import beside
from ..likeness.reference.noise import noise_at
from ..likeness.reference.selection import SD, SDXL, Block, Family, Place

KEY = "likeness_reference"  # of our wrappers, and of the seed in the options of a step


class Written(Exception):
    """The pass over the reference has left all that was asked for: its rest is not computed."""


@dataclass(eq=False)
class Bank:
    """What a pass over the reference leaves for the pass that follows; each is taken once."""

    attention: Sequence[Place]
    adain: Sequence[Block]
    stored: dict[Place, KeysValues] = field(default_factory=dict)
    statistics: dict[Block, Statistics] = field(default_factory=dict)

    def keep(self, where: dict, place: Place | Block, what: object) -> None:
        where[place] = what
        if len(self.stored) + len(self.statistics) == len(self.attention) + len(self.adain):
            raise Written


@dataclass(frozen=True, eq=False)
class Reference:
    """What is taken of which latent, and when."""

    latent: Tensor  # (pictures, channels, height, width), as it left the autoencoder
    attention: tuple[Place, ...]
    adain: tuple[Block, ...]
    fidelity: float
    start: float  # of the sampling, from 0 to 1
    end: float

    @property
    def read(self) -> bool:
        return bool(self.attention or self.adain)

    def add_to(self, patcher: ModelPatcher) -> ModelPatcher:
        """A clone of the model that reads the reference."""
        clone = patcher.clone()
        clone.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, KEY, tell_seed)
        clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, self.apply)
        return clone

    def apply(
        self,
        executor,
        x: Tensor,
        t: Tensor,
        c_concat: Tensor | None,
        c_crossattn: Tensor | None,
        control: dict | None,
        transformer_options: dict,
        **conds,
    ) -> Tensor:
        model = executor.class_obj
        unconditional = unconditional_rows(
            transformer_options.get("cond_or_uncond") or [0], x.shape[0]
        )
        free = _left_free(self.attention, transformer_options)
        idle = self.fidelity == 1 and unconditional.all()
        if idle or not (free or self.adain) or not self._is_time(model.model_sampling, t):
            return executor(x, t, c_concat, c_crossattn, control, transformer_options, **conds)
        bank = Bank(free, self.adain)
        latent = self._fitted(model, x, transformer_options)
        noised, level = _noised(model.model_sampling, latent, t, transformer_options.get(KEY, 0))
        shown = beside(latent, c_concat)
        write = _as_no_step(_replacing(transformer_options, free, _keep(bank)))
        with suppress(Written), _on_outputs(model.diffusion_model, self.adain, _measure(bank)):
            executor(noised, level, shown, c_crossattn, None, write, **conds)
        del noised, latent, shown
        read = _replacing(transformer_options, free, _read(bank, unconditional, self.fidelity))
        adapt = _impose(bank, unconditional, self.fidelity)
        with _on_outputs(model.diffusion_model, self.adain, adapt):
            return executor(x, t, c_concat, c_crossattn, control, read, **conds)

    def _is_time(self, sampling, t: Tensor) -> bool:
        """As the host's own conditions of a part of the sampling."""
        first, last = (sampling.percent_to_sigma(percent) for percent in (self.start, self.end))
        return last <= t.max().item() <= first

    def _fitted(self, model, x: Tensor, options: dict) -> Tensor:
        """The latent as the network counts, at the size of x and with its rows."""
        chunks = len(options.get("cond_or_uncond") or [0])
        pictures, given = x.shape[0] // chunks, self.latent.shape[0]
        if given not in (1, pictures):
            raise ValueError(
                f"Reference Only: the reference has {given} pictures and {pictures} are sampled: "
                "give one for all of them, or one for each"
            )
        height, width = x.shape[-2:]
        latent = model.process_latent_in(self.latent.to(x))
        latent = comfy.utils.common_upscale(latent, width, height, "bilinear", "center")
        return latent.expand(pictures, -1, -1, -1).repeat(chunks, 1, 1, 1)


def tell_seed(executor, x: Tensor, timestep: Tensor, model_options: dict, seed: int | None):
    """Puts the sampler's seed where the passes of this step find it."""
    options = {**model_options.get("transformer_options", {}), KEY: seed or 0}
    return executor(x, timestep, {**model_options, "transformer_options": options}, seed)


def family(patcher: ModelPatcher) -> Family:
    kinds = (comfy.model_base.SDXL, comfy.model_base.SDXLRefiner)
    return SDXL if isinstance(patcher.model, kinds) else SD


def layers(unet: UNetModel) -> dict[Block, Sequence[torch.nn.Module]]:
    """Every block of the network, in its order."""
    blocks = {("input", i): block for i, block in enumerate(unet.input_blocks)}
    if unet.middle_block is not None:
        blocks["middle", 0] = unet.middle_block
    return blocks | {("output", i): block for i, block in enumerate(unet.output_blocks)}


def widths(unet: UNetModel) -> dict[Place, int]:
    """How wide every self-attention of the network is, in its order."""
    return {
        (*block, i): transformer.norm1.normalized_shape[0]
        for block, parts in layers(unet).items()
        for part in parts
        if isinstance(part, host_attention.SpatialTransformer)
        for i, transformer in enumerate(part.transformer_blocks)
        if not transformer.disable_self_attn
    }


def refuse_unfit(patcher: ModelPatcher) -> None:
    """Only the UNets of Stable Diffusion have the blocks that are meant."""
    unet = getattr(patcher.model, "diffusion_model", None)
    if not isinstance(unet, UNetModel) or unet.use_temporal_resblocks or not widths(unet):
        raise ValueError(
            f"model: Reference Only works on the UNets of Stable Diffusion 1.x, 2.x and SDXL, and "
            f"this model is a {type(patcher.model).__name__}: load a checkpoint of those families"
        )
    if patcher.get_wrappers(WrappersMP.APPLY_MODEL, KEY):
        raise ValueError(
            "model: this model already reads a reference: connect the model that went into the "
            "first Reference Only node, and use one of the two"
        )


def _left_free(places: Sequence[Place], options: dict) -> list[Place]:
    """Those whose self-attention no other patch replaces: what it does there stays its own."""
    taken = options.get("patches_replace", {}).get("attn1", {})
    return [place for place in places if place not in taken and place[:2] not in taken]


def _replacing(options: dict, places: Sequence[Place], patch: Callable) -> dict:
    """A copy of the options in which the self-attention of these places is the patch."""
    replaced = options.get("patches_replace", {})
    attention = {**replaced.get("attn1", {}), **dict.fromkeys(places, patch)}
    return {**options, "patches_replace": {**replaced, "attn1": attention}}


def _as_no_step(options: dict) -> dict:
    """Caches that skip steps wrap the network itself: they shall not take this for a step."""
    wrappers = {**options.get("wrappers", {}), WrappersMP.DIFFUSION_MODEL: {}}
    return {**options, "wrappers": wrappers}


def _noised(sampling, latent: Tensor, t: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The latent under the noise of the nearest whole time step, and that step's sigma.

    The rows share their noise: so the picture does not depend on how the host divides a batch.
    """
    step = sampling.timestep(t)
    sigma = sampling.sigma(step).to(t)
    noise = noise_at(seed, step.flatten()[0].item(), (1, *latent.shape[1:])).to(latent)
    return sampling.noise_scaling(sigma.view(-1, 1, 1, 1), noise, latent), sigma


def _place(options: Mapping) -> Place:
    return (*options["block"], options["block_index"])


def _attend(options: dict) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The host's own attention, as the block that has these options calls it."""

    def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return host_attention.optimized_attention(
            queries,
            keys,
            values,
            options["n_heads"],
            attn_precision=options["attn_precision"],
            transformer_options=options,
        )

    return attend


def _keep(bank: Bank) -> Callable:
    def patch(queries: Tensor, keys: Tensor, values: Tensor, options: dict) -> Tensor:
        bank.keep(bank.stored, _place(options), (keys, values))
        return _attend(options)(queries, keys, values)

    return patch


def _read(bank: Bank, unconditional: Tensor, fidelity: float) -> Callable:
    def patch(queries: Tensor, keys: Tensor, values: Tensor, options: dict) -> Tensor:
        attend = _attend(options)
        stored = bank.stored.pop(_place(options), None)
        if stored is None:  # a block that the pass over the reference was led around
            return attend(queries, keys, values)
        if not len(queries) == len(keys) == len(stored[0]) == len(unconditional):
            raise ValueError(
                "Reference Only: another patch of this model cuts self-attention into tiles "
                "(HyperTile does): take it away from the model"
            )
        return attend_to_both(attend, queries, keys, values, stored, unconditional, fidelity)

    return patch


def _measure(bank: Bank) -> Callable:
    def hook(block: Block, output: Tensor) -> None:
        bank.keep(bank.statistics, block, measure(output))

    return hook


def _impose(
    bank: Bank, unconditional: Tensor, fidelity: float
) -> Callable[[Block, Tensor], Tensor]:
    def hook(block: Block, output: Tensor) -> Tensor:
        wanted = bank.statistics.pop(block, None)
        return output if wanted is None else impose(output, wanted, unconditional, fidelity)

    return hook


@contextmanager
def _on_outputs(
    unet: UNetModel, blocks: Sequence[Block], hook: Callable[[Block, Tensor], Tensor | None]
) -> Iterator[None]:
    """While it lasts, the hook sees what these blocks give, and may give something else.

    The host calls a block layer by layer, so that its last layer is what can be hooked. Its own
    patches see a block's output after ControlNet has added to it, which is too late.
    """
    every = layers(unet)
    with ExitStack() as stack:
        for block in blocks:
            handle = every[block][-1].register_forward_hook(
                lambda _layer, _inputs, output, block=block: hook(block, output)
            )
            stack.callback(handle.remove)
        yield
