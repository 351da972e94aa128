"""ComfyUI's own models of the Stable Diffusion families, with narrow blocks and random weights."""

from __future__ import annotations

import math

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_base
import comfy.sample
import comfy.supported_models
import torch
from comfy.model_base import ModelType
from comfy.model_patcher import ModelPatcher
from torch import Tensor

COMMON = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "use_checkpoint": False,
    "use_spatial_transformer": True,
    "legacy": False,
    "dtype": torch.float32,
}
SD15 = COMMON | {
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "context_dim": 768,
    "num_heads": 8,
}
SDXL = COMMON | {
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_middle": 10,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "context_dim": 2048,
    "num_head_channels": 64,
    "use_linear_in_transformer": True,
    "num_classes": "sequential",
    "adm_in_channels": 2816,
}
NARROW = {"model_channels": 32, "context_dim": 24}
TOKENS = 7
POOLED = 1280  # of SDXL's text encoders


def sd15(kind: ModelType = ModelType.EPS, device: str = "cpu", **changes: object) -> ModelPatcher:
    """All of SD 1.5's blocks; `in_channels=9` makes it an inpainting one."""
    config = comfy.supported_models.SD15(SD15 | changes)
    model = comfy.model_base.BaseModel(config, kind, device=torch.device(device))
    if config.unet_config["in_channels"] == 9:
        model.set_inpaint()
    return _patched(model)


def sdxl(device: str = "cpu", **changes: object) -> ModelPatcher:
    config = comfy.supported_models.SDXL(SDXL | changes)
    return _patched(comfy.model_base.SDXL(config, device=torch.device(device)))


def narrow_sdxl() -> ModelPatcher:
    """The levels of SDXL with a transformer or two in each."""
    depths = {
        "transformer_depth": [0, 0, 1, 1, 2, 2],
        "transformer_depth_middle": 2,
        "transformer_depth_output": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    }
    return sdxl(**NARROW, **depths, num_head_channels=16)


def control() -> comfy.controlnet.ControlNet:
    """A ControlNet for `sd15` with NARROW blocks, loud enough to be seen."""
    settings = {name: value for name, value in (SD15 | NARROW).items() if name != "out_channels"}
    network = comfy.cldm.cldm.ControlNet(hint_channels=3, **settings)
    _fill(network)
    return comfy.controlnet.ControlNet(network, load_device=torch.device("cpu"))


def latent(pictures: int = 1, height: int = 16, width: int = 24, seed: int = 1) -> Tensor:
    shape = (pictures, 4, height, width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def prompt(seed: int, width: int = NARROW["context_dim"], **settings: object) -> list:
    """A text as it leaves an encoder, with the settings of a condition."""
    random = torch.Generator().manual_seed(seed)
    text = torch.randn(1, TOKENS, width, generator=random)
    pooled = torch.randn(1, POOLED, generator=random)
    return [[text, {"pooled_output": pooled, **settings}]]


@torch.inference_mode()
def sampled(
    patcher: ModelPatcher,
    start: Tensor | None = None,
    *,
    positive: list | None = None,
    negative: list | None = None,
    seed: int = 3,
    steps: int = 2,
    cfg: float = 4.0,
    sampler: str = "euler",
    noise: Tensor | None = None,
    **options: object,
) -> Tensor:
    start = latent(seed=9) * 0.5 if start is None else start
    noise = comfy.sample.prepare_noise(start, seed) if noise is None else noise
    return comfy.sample.sample(
        patcher,
        noise,
        steps,
        cfg,
        sampler,
        "karras",
        prompt(1) if positive is None else positive,
        prompt(2) if negative is None else negative,
        start,
        disable_pbar=True,
        seed=seed,
        **options,
    )


def _patched(model: comfy.model_base.BaseModel) -> ModelPatcher:
    _fill(model.diffusion_model)
    cpu = torch.device("cpu")
    return ModelPatcher(model, load_device=cpu, offload_device=cpu)


def _fill(network: torch.nn.Module) -> None:
    random = torch.Generator().manual_seed(0)
    for name, weight in network.named_parameters():
        if weight.is_meta:
            continue
        if weight.ndim == 1:
            weight.data.fill_(name.endswith("weight"))
        else:
            spread = 1 / math.sqrt(math.prod(weight.shape[1:]))
            weight.data.normal_(0, spread, generator=random)
