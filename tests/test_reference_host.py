"""Reference Only in ComfyUI's sampler: conditions, masks, other patches, and no trace left."""

from __future__ import annotations

import comfy.model_base
import comfy.model_management
import comfy.supported_models
import pytest
import references
import tiny_unets
import torch
from comfy.model_patcher import ModelPatcher
from comfy_extras.nodes_hypertile import HyperTile
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from references import LATENT, referring, step
from tiny_unets import latent, prompt, sampled

pytestmark = pytest.mark.slow

VARIANTS = ("attention", "adain", "attention and adain")
START = 0.5 * latent(seed=9)


@pytest.fixture(scope="module")
def sd15() -> ModelPatcher:
    return tiny_unets.sd15(**tiny_unets.NARROW)


@pytest.fixture(scope="module")
def plain(sd15) -> torch.Tensor:
    return sampled(sd15)


@pytest.fixture(scope="module")
def both(sd15) -> ModelPatcher:
    return referring(sd15, variant="attention and adain")


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    """Within 1e-4 of the spread, after several steps."""
    torch.testing.assert_close(got, expected, atol=1e-4 * expected.std().item(), rtol=0)


def traces(patcher: ModelPatcher) -> list:
    """What could be left in the model: hooks, attributes, options."""
    found = [str(patcher.model_options), str(patcher.wrappers), sorted(vars(patcher.model))]
    for name, module in patcher.model.named_modules():
        hooks = len(module._forward_hooks) + len(module._forward_pre_hooks)
        found.append((name, hooks, sorted(vars(module))))
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_weight_of_nothing_is_no_patch_bit_for_bit(sd15, plain, variant):
    assert torch.equal(sampled(referring(sd15, weight=0.0, variant=variant)), plain)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_sde"])
def test_the_same_seed_twice_gives_the_same_picture(both, sampler):
    noise = latent(seed=4)
    first = sampled(both, sampler=sampler, noise=noise)
    assert torch.equal(sampled(both, sampler=sampler, noise=noise), first)
    assert not torch.equal(sampled(both, sampler=sampler, noise=noise, seed=4), first)


def test_the_model_that_came_in_keeps_no_trace(sd15, plain):
    before = traces(sd15)
    patched = referring(sd15, variant="attention and adain")
    first = sampled(patched)
    assert not torch.allclose(first, plain)
    assert torch.equal(sampled(sd15), plain)
    assert torch.equal(sampled(patched), first)
    assert traces(sd15) == before


@pytest.mark.parametrize("calls", [1, 9, 14, 30])
def test_an_error_in_mid_step_leaves_no_trace(sd15, plain, both, calls):
    """In the first pass over the reference, in the one over the picture, in a later step."""
    before, expected = traces(sd15), sampled(both)
    left = [calls]

    def fails(queries, keys, values, options):
        left[0] -= 1
        if not left[0]:
            raise comfy.model_management.InterruptProcessingException
        return queries, keys, values

    failing = both.clone()
    failing.set_model_attn2_patch(fails)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        sampled(failing)
    assert left == [0]
    assert traces(sd15) == before
    assert torch.equal(sampled(sd15), plain)
    assert torch.equal(sampled(both), expected)


def test_without_guidance(sd15, both):
    """At a cfg of 1 the host asks for the conditional rows alone."""
    got = sampled(both, cfg=1.0)
    assert not torch.allclose(got, sampled(sd15, cfg=1.0))
    close(got, sampled(both, cfg=1.0, negative=prompt(7)))


def test_a_host_short_of_memory_asks_twice(both, monkeypatch):
    expected, asked = sampled(both), []
    counting = both.clone()
    counting.set_model_unet_function_wrapper(
        lambda apply, given: (
            asked.append(given["cond_or_uncond"])
            or apply(given["input"], given["timestep"], **given["c"])
        )
    )
    monkeypatch.setattr(ModelPatcher, "get_free_memory", lambda *_: 0)
    close(sampled(counting), expected)
    assert asked == [[0], [1]] * 2 or asked == [[1], [0]] * 2


def test_a_wrapper_of_another_pack_is_kept(sd15, both):
    heard = []

    def wrapper(apply, given):
        heard.append(given["cond_or_uncond"])
        return 2 * apply(given["input"], given["timestep"], **given["c"])

    wrapped = sd15.clone()
    wrapped.set_model_unet_function_wrapper(wrapper)
    after = sampled(referring(wrapped), steps=1)
    assert len(heard) == 1
    before = referring(sd15)
    before.set_model_unet_function_wrapper(wrapper)
    assert torch.equal(sampled(before, steps=1), after)
    assert not torch.allclose(sampled(wrapped, steps=1), after)


def test_a_replaced_attention_stays_the_other_packs(sd15):
    """What another patch put in the place of a block's self-attention does not read."""
    seen = []

    def replacement(queries, keys, values, options):
        seen.append(keys.shape[1])
        return values

    for place in (("middle", 0, 0), ("middle", 0)):
        other = sd15.clone()
        other.set_model_attn1_replace(replacement, *place)
        seen.clear()
        step(referring(other))
        assert seen == [6, 6]  # 2 x 3 tokens, of the reference and of the picture


def test_perturbed_attention_guidance(sd15, both):
    guided = PerturbedAttentionGuidance.execute(both, 3.0).args[0]
    got = sampled(guided)
    assert got.isfinite().all()
    assert not torch.allclose(got, sampled(both))
    assert not torch.allclose(got, sampled(PerturbedAttentionGuidance.execute(sd15, 3.0).args[0]))


def test_tiles_of_another_patch_are_refused(sd15):
    tiled = HyperTile.execute(sd15, 32, 1, 0, False)[0]
    start = latent(1, 32, 32)
    sampled(tiled, start, steps=1)
    with pytest.raises(ValueError, match="HyperTile"):
        sampled(referring(tiled, weight=1.0), start, steps=1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_batch_of_two_is_two_pictures(sd15, variant):
    patched = referring(sd15, variant=variant)
    start, noise = START.repeat(2, 1, 1, 1), latent(2, seed=4)
    pair = sampled(patched, start, noise=noise)
    for i in (0, 1):
        close(pair[i : i + 1], sampled(patched, start[:1], noise=noise[i : i + 1]))


def test_conditions_with_masks_and_areas(sd15, both):
    left = torch.zeros(1, 16, 24)
    left[..., :12] = 1
    halves = prompt(1, mask=left, mask_strength=1.0) + prompt(1, mask=1 - left, mask_strength=1.0)
    close(sampled(both, positive=halves), sampled(both))
    area = prompt(1) + prompt(5, area=(8, 16, 4, 0), strength=1.0)
    got = sampled(both, positive=area)
    assert got.isfinite().all()
    assert not torch.allclose(got, sampled(sd15, positive=area))


def test_prompts_of_other_lengths(sd15, both):
    """These cannot share a batch."""
    long = prompt(2)
    long[0][0] = torch.cat([long[0][0], long[0][0][:, :4]], 1)
    got = sampled(both, negative=long)
    assert got.isfinite().all()
    assert not torch.allclose(got, sampled(sd15, negative=long))


def test_a_lora(sd15, plain):
    """Laid over the weights, before and after: as if the weights had been so."""
    key = "diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_k.weight"
    weight = sd15.model.get_parameter(key)
    change = {key: (torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)),)}
    before = sd15.clone()
    before.add_patches(change)
    after = referring(sd15)
    after.add_patches(change)
    changed = tiny_unets.sd15(**tiny_unets.NARROW)
    changed.model.get_parameter(key).data += change[key][0]
    expected = sampled(referring(changed))
    close(sampled(referring(before)), expected)
    close(sampled(after), expected)
    assert not torch.allclose(sampled(referring(sd15)), expected)
    before.unpatch_model()
    assert torch.equal(sampled(sd15), plain)


def test_a_controlnet(sd15):
    """It acts on the picture alone: the reference is read as it is without one."""
    control = tiny_unets.control()
    hint = torch.rand(1, 3, 128, 192, generator=torch.Generator().manual_seed(2))
    control.set_cond_hint(hint, 1.0, (0.0, 1.0))
    under = {"control": control, "control_apply_to_uncond": True}
    prompts = {"positive": prompt(1, **under), "negative": prompt(2, **under)}
    stored = []

    def heard(queries, keys, values, options):
        stored.append(queries)
        return queries, keys, values

    def first_of_the_reference(**given) -> torch.Tensor:
        """What the first block after the middle block is asked, in the first pass."""
        stored.clear()
        listening = referring(sd15, weight=1.0)
        listening.set_model_attn1_patch(heard)
        sampled(listening, steps=1, **given)
        return stored[7]

    assert torch.equal(first_of_the_reference(**prompts), first_of_the_reference())
    got = sampled(referring(sd15), **prompts)
    assert not torch.allclose(got, sampled(referring(sd15)))
    assert not torch.allclose(got, sampled(sd15, **prompts))


def test_a_noise_mask_keeps_the_rest(sd15, both):
    mask = torch.zeros(1, 1, 16, 24)
    mask[..., 8:] = 1
    got = sampled(both, START, noise_mask=mask)
    close(got[..., :8], START[..., :8])
    assert not torch.allclose(got, sampled(sd15, START, noise_mask=mask))


def test_an_inpainting_model(sd15):
    inpainting = tiny_unets.sd15(in_channels=9, **tiny_unets.NARROW)
    mask = torch.ones(1, 1, 16, 24)
    shown = {"concat_latent_image": START, "concat_mask": mask}
    prompts = {"positive": prompt(1, **shown), "negative": prompt(2, **shown)}
    got = sampled(referring(inpainting), START, noise_mask=mask, **prompts)
    assert got.isfinite().all()
    assert not torch.allclose(got, sampled(inpainting, START, noise_mask=mask, **prompts))


def test_in_sdxl():
    patcher = tiny_unets.narrow_sdxl()
    patched = referring(patcher, variant="attention and adain")
    first = sampled(patched)
    assert torch.equal(sampled(patched), first)
    assert not torch.allclose(first, sampled(patcher))


def test_a_batch_of_references_for_one_picture(sd15):
    patched = referring(sd15, latent={"samples": LATENT.repeat(3, 1, 1, 1)})
    with pytest.raises(ValueError, match="3 pictures and 1 are sampled"):
        sampled(patched)


def flux() -> ModelPatcher:
    settings = {
        "image_model": "flux",
        "in_channels": 16,
        "out_channels": 16,
        "patch_size": 2,
        "vec_in_dim": 8,
        "context_in_dim": 8,
        "hidden_size": 32,
        "mlp_ratio": 2.0,
        "num_heads": 2,
        "depth": 1,
        "depth_single_blocks": 1,
        "axes_dim": [4, 6, 6],
        "txt_ids_dims": [],
        "theta": 10000,
        "qkv_bias": True,
        "guidance_embed": False,
        "dtype": torch.float32,
    }
    model = comfy.model_base.Flux(comfy.supported_models.Flux(settings), device="meta")
    return ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def test_a_model_of_another_kind():
    with pytest.raises(ValueError, match=r"model: .* this model is a Flux"):
        referring(flux(), latent={"samples": torch.zeros(1, 16, 8, 8)})


def test_two_references():
    patched = referring(tiny_unets.sd15(**tiny_unets.NARROW))
    with pytest.raises(ValueError, match="already reads a reference"):
        referring(patched)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"latent": None}, "neither is connected"),
        ({"latent": {"samples": LATENT}, "image": torch.zeros(1, 64, 64, 3)}, "both are connected"),
        ({"image": torch.zeros(1, 64, 64, 3)}, "vae: image needs one"),
        ({"latent": {"samples": torch.zeros(1, 16, 8, 8)}}, r"latent: .*\(1, 16, 8, 8\).*, 4,"),
        ({"latent": {"samples": LATENT * torch.nan}}, "latent: .*not numbers.*--fp32-vae"),
        ({"start_percent": 0.6, "end_percent": 0.5}, "start_percent: 0.6 comes after"),
    ],
)
def test_what_cannot_be_is_refused(sd15, given, words):
    with pytest.raises(ValueError, match=words):
        references.told(sd15, **given)
