"""The swapping generator: its tensors, its arithmetic against plain numpy, and its files."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.likeness.nets.fan import FILE as FAN_FILE
from pack.likeness.nets.swap_generator import FILE, Generator, load, styled
from standins.fan import write_fan
from standins.reswapper import NARROW, generator, write_reswapper

# Of the sorted lines "name (shape)" of the tensors that ReSwapper's files have.
TENSORS = (64, "ef0cd6ef07df1094b1caf84d25e91bb259ca789c4915b0143d0b79b612b77842")
PARAMETERS = 138_292_739


@pytest.fixture
def file(tmp_path) -> Path:
    return write_reswapper(tmp_path / FILE)


def example(count: int = 1, size: int = 32, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops and latents."""
    random = torch.Generator().manual_seed(seed)
    latents = torch.randn(count, 512, generator=random)
    return torch.rand(count, 3, size, size, generator=random), latents / latents.norm(
        dim=1, keepdim=True
    )


def test_the_tensors_are_reswappers():
    with torch.device("meta"):
        network = Generator()
    tensors = network.state_dict()
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()) == TENSORS
    assert sum(tensor.numel() for tensor in tensors.values()) == PARAMETERS


# --- the same in numpy, from the description of the network ------------------------------------


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int = 1) -> np.ndarray:
    """(C, H, W); what is padded is padded before."""
    side = weight.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    return np.einsum("chwij,ocij->ohw", windows, weight, optimize=True) + bias[:, None, None]


def around(x: np.ndarray, pixels: int, mode: str) -> np.ndarray:
    return np.pad(x, ((0, 0), (pixels,) * 2, (pixels,) * 2), mode=mode)


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def doubled(x: np.ndarray) -> np.ndarray:
    """Three parts of the nearer pixel and one of the farther, in both directions."""
    for axis in (1, 2):
        ends = [(0, 0), (0, 0), (0, 0)]
        ends[axis] = (1, 1)
        wide = np.moveaxis(np.pad(x, ends, mode="edge"), axis, 0)
        before, here, after = wide[:-2], wide[1:-1], wide[2:]
        both = np.stack([0.75 * here + 0.25 * before, 0.75 * here + 0.25 * after], axis=1)
        x = np.moveaxis(both.reshape(-1, *both.shape[2:]), 0, axis)
    return x


def modulated(x: np.ndarray, style: np.ndarray) -> np.ndarray:
    gain, shift = np.split(style, 2)
    answer = np.empty_like(x)
    for channel, values in enumerate(x):
        centred = values - values.mean()
        answer[channel] = centred / math.sqrt((centred**2).mean() + 1e-8) * gain[channel]
        answer[channel] += shift[channel]
    return answer


def in_numpy(network: Generator, crop: torch.Tensor, latent: torch.Tensor) -> np.ndarray:
    """The answer (3, S, S) to a crop (3, S, S) and a latent (512,), in double precision."""
    tensors = {name: value.double().numpy() for name, value in network.state_dict().items()}

    def conv(x, name, stride=1):
        return convolved(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], stride)

    def style(name):
        return tensors[f"{name}.weight"] @ latent.double().numpy() + tensors[f"{name}.bias"]

    x = leaky(conv(around(crop.double().numpy(), 3, "reflect"), "target_encoder.0"))
    for name, stride in ((2, 1), (4, 2), (6, 2)):
        x = leaky(conv(around(x, 1, "constant"), f"target_encoder.{name}", stride))
    for number in range(6):
        block = f"style_blocks.{number}"
        inner = conv(around(x, 1, "reflect"), f"{block}.conv1")
        inner = np.maximum(modulated(inner, style(f"{block}.style1")), 0)
        inner = conv(around(inner, 1, "reflect"), f"{block}.conv2")
        x = x + modulated(inner, style(f"{block}.style2"))
    x = leaky(conv(around(doubled(x), 1, "constant"), "decoder.0"))
    x = leaky(conv(around(doubled(x), 1, "constant"), "decoderPart1.0"))
    x = leaky(conv(around(x, 1, "constant"), "decoderPart1.2"))
    return (np.tanh(conv(around(x, 3, "reflect"), "decoderPart2.0")) + 1) / 2


@pytest.mark.parametrize("size", [16, 36])
def test_the_arithmetic(size):
    network = generator(width=8)
    crops, latents = example(size=size)
    wanted = in_numpy(network, crops[0], latents[0])
    assert wanted.std() > 0.05
    assert np.abs(network(crops, latents)[0].numpy() - wanted).max() < 1e-5
    made = network.double()(crops.double(), latents.double())[0].numpy()
    assert np.abs(made - wanted).max() < 1e-10


def test_a_flat_map_has_no_spread():
    """The epsilon is under the root: what hardly differs is not blown up."""
    style = torch.cat([torch.ones(1, 1), torch.zeros(1, 1)], dim=1)
    flat = torch.full((1, 1, 4, 4), 3.0)
    assert torch.equal(styled(flat, style), torch.zeros(1, 1, 4, 4))
    faint = torch.tensor([-1e-4, 1e-4]).expand(1, 1, 4, 2)
    assert styled(faint, style).abs().max() == pytest.approx(0.5**0.5, rel=1e-4)


# --- sizes, batches, precisions -----------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 100, 128, 256])
def test_any_multiple_of_four(size):
    made = generator()(*example(size=size))
    assert made.shape == (1, 3, size, size)
    assert 0 <= made.min() < made.max() <= 1


def test_a_batch_is_its_parts():
    network = generator()
    crops, latents = example(3)
    together = network(crops, latents)
    for number in range(3):
        alone = network(crops[number : number + 1], latents[number : number + 1])
        assert (alone[0] - together[number]).abs().max() < 1e-5
    assert (together[0] - together[1]).abs().mean() > 0.02
    assert (network(crops, latents.flip(0)) - together).abs().mean() > 0.02


@pytest.mark.parametrize(("dtype", "least"), [(torch.bfloat16, 0.02), (torch.float16, 0.003)])
def test_half_precision(dtype, least):
    network, (crops, latents) = generator(), example(size=64)
    exact = network(crops, latents)
    made = network.to(dtype)(crops.to(dtype), latents.to(dtype))
    assert made.dtype == dtype
    assert (made.float() - exact).abs().mean() < least


def test_half_precision_squares_nothing_away():
    """Squares of these are too large for half precision; those of the faint ones are nothing."""
    style = torch.cat([torch.ones(1, 1), torch.zeros(1, 1)], dim=1).half()
    for size in (6e4, 1e-3):
        maps = size * torch.tensor([-1.0, 1.0]).expand(1, 1, 4, 2)
        assert styled(maps.half(), style).abs().sub(1).abs().max() < 0.01


# --- files --------------------------------------------------------------------------------------


def test_what_is_loaded_is_what_was_saved(file):
    network = load(file)
    saved = torch.load(file, weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("width", [4, NARROW])
def test_the_width_is_told_by_the_tensors(tmp_path, width):
    network = load(write_reswapper(tmp_path / FILE, width=width))
    assert network.target_encoder[0].out_channels == width
    assert (network(*example()) - generator(width)(*example())).abs().max() < 1e-5


def test_what_old_files_have_besides_is_left_out(file):
    """The oldest kept a second encoder, which nothing asked."""
    tensors = torch.load(file, weights_only=True)
    extra = {f"latent_encoder.{place}.weight": torch.zeros(4) for place in (0, 2, 4, 6, 9)}
    torch.save(tensors | extra, file)
    assert load(file).state_dict().keys() == tensors.keys()


@pytest.mark.parametrize("name", sorted(generator(4).state_dict()))
def test_a_missing_tensor_is_never_made_up(tmp_path, name):
    tensors = generator(4).state_dict()
    del tensors[name]
    torch.save(tensors | {"latent_encoder.0.weight": torch.zeros(4)}, tmp_path / FILE)
    with pytest.raises(ValueError, match=f"lacks 1 tensor, such as {name}|holds no swapping"):
        load(tmp_path / FILE)


def test_a_foreign_tensor_is_refused(file):
    torch.save(torch.load(file, weights_only=True) | {"surplus": torch.zeros(4)}, file)
    with pytest.raises(ValueError, match=r"has 1 tensor too many, such as surplus.*Delete it"):
        load(file)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers(file, value):
    tensors = torch.load(file, weights_only=True)
    tensors["style_blocks.3.style2.weight"][7, 5] = value
    torch.save(tensors, file)
    with pytest.raises(ValueError, match=r"its style_blocks\.3\.style2\.weight holds.*no numbers"):
        load(file)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_files_of_other_precisions(file, dtype):
    saved = {name: value.to(dtype) for name, value in generator().state_dict().items()}
    torch.save(saved, file)
    weights = load(file).state_dict()
    assert all(torch.equal(weights[name], value.float()) for name, value in saved.items())


def test_a_broken_file(file):
    file.write_bytes(file.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"\(100,000 bytes\) cannot be used.*Delete it"):
        load(file)


def test_another_network(tmp_path):
    write_fan(tmp_path / FAN_FILE, width=16, stacks=1)
    with pytest.raises(ValueError, match=f"holds no swapping network.*Use {FILE}; 'python"):
        load(tmp_path / FAN_FILE)
