"""Reference Only in ComfyUI's own networks, one step at a time."""

from __future__ import annotations

import pytest
import references
import tiny_unets
import torch
from comfy.model_base import ModelType
from comfy.utils import common_upscale
from pack.nodes.reference_patch import widths
from references import BOTH, LATENT, by_hand, referring, step, told

WIDE = [("input", 7, 0), ("input", 8, 0), ("middle", 0, 0)]
WIDE += [("output", i, 0) for i in (3, 4, 5)]
HALF = [("input", 4, 0), ("input", 5, 0), *WIDE]  # of SD 1.5
ADAPTED = [("input", 10), ("input", 11), ("middle", 0), *(("output", i) for i in range(4))]
VARIANTS = ("attention", "adain", "attention and adain")
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(scope="module")
def sd15():
    return tiny_unets.sd15(**tiny_unets.NARROW)


@pytest.fixture(scope="module")
def sdxl():
    return tiny_unets.narrow_sdxl()


def places(patcher) -> list[tuple]:
    """Those that the reference was given."""
    [wrapper] = patcher.get_wrappers("apply_model", references.KEY)
    return list(wrapper.__self__.attention)


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    """Within 1e-5 of the spread."""
    torch.testing.assert_close(got, expected, atol=1e-5 * expected.std().item(), rtol=0)


def test_what_half_the_weight_selects_in_sd15():
    whole = tiny_unets.sd15(device="meta")
    patched, report = told(whole, weight=0.5)
    assert places(patched) == HALF
    assert "attention: 8 of 16 blocks: 6 of width 1280, 2 of width 640" in report


def test_what_half_the_weight_selects_in_sdxl():
    whole = tiny_unets.sdxl(device="meta")
    patched, report = told(whole, weight=0.5)
    assert len(widths(whole.model.diffusion_model)) == 70
    down = [("input", block, i) for block in (7, 8) for i in range(10)]
    middle = [("middle", 0, i) for i in range(10)]
    assert places(patched) == [*down, *middle, *(("output", 0, i) for i in range(5))]
    assert "attention: 35 of 70 blocks: 35 of width 1280" in report
    assert "style fidelity in use: 0.125" in report


@pytest.mark.parametrize(
    ("weight", "selected"), [(0.05, 1), (0.06, 1), (0.07, 2), (0.25, 4), (0.7, 12), (1.0, 16)]
)
def test_how_many_a_weight_selects(sd15, weight, selected):
    assert len(places(referring(sd15, weight=weight))) == selected


@every_variant
def test_a_weight_of_nothing_is_no_patch(sd15, variant):
    assert torch.equal(step(referring(sd15, weight=0.0, variant=variant)), step(sd15))


@every_variant
def test_outside_its_part_of_the_sampling_it_is_no_patch(sd15, variant):
    late = referring(sd15, start_percent=0.5, variant=variant)
    early = referring(sd15, end_percent=0.5, variant=variant)
    for sigma, idle, busy in ((10.0, late, early), (0.1, early, late)):
        plain = step(sd15, sigma=sigma)
        assert torch.equal(step(idle, sigma=sigma), plain)
        assert not torch.equal(step(busy, sigma=sigma), plain)


@every_variant
@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_a_fidelity_of_one_leaves_the_unconditional_half_alone(sd15, variant, weight):
    x = tiny_unets.latent(1, 32, 48)  # with less, ComfyUI's attention differs by its rows
    got = step(referring(sd15, style_fidelity=1.0, variant=variant, weight=weight), x)
    plain = step(sd15, x)
    assert torch.equal(got[0], plain[0])
    assert not torch.allclose(got[1], plain[1])


@every_variant
def test_a_fidelity_of_nothing_changes_both_halves(sd15, variant):
    got, plain = step(referring(sd15, style_fidelity=0.0, variant=variant)), step(sd15)
    assert not torch.allclose(got[0], plain[0])
    assert not torch.allclose(got[1], plain[1])


@pytest.mark.parametrize("fidelity", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    ("weight", "variant", "attention", "adain"),
    [
        (0.5, "attention", HALF, []),
        (1.0, "adain", [], ADAPTED),
        (0.35, "attention and adain", WIDE, [ADAPTED[1], ADAPTED[2], *ADAPTED[3:5]]),
    ],
)
def test_it_is_what_replaced_modules_give(sd15, weight, variant, attention, adain, fidelity):
    patched = referring(sd15, weight=weight, variant=variant, style_fidelity=fidelity)
    close(step(patched), by_hand(sd15, attention, adain, fidelity))


def test_in_sdxl_too(sdxl):
    patched = referring(sdxl, weight=0.2, variant="attention and adain", style_fidelity=0.5)
    wide = [("input", 7, 0), ("input", 7, 1), ("input", 8, 0), ("input", 8, 1)]
    adapted = [("middle", 0), ("output", 0), ("output", 1)]
    close(step(patched), by_hand(sdxl, wide, adapted[:2], 0.125))


def test_in_a_network_that_predicts_velocity():
    velocity = tiny_unets.sd15(ModelType.V_PREDICTION, **tiny_unets.NARROW)
    close(step(referring(velocity)), by_hand(velocity, HALF, [], 0.5))


def test_the_reference_is_seen_without_the_control(sd15):
    random = torch.Generator().manual_seed(8)

    def control() -> dict:
        wide = torch.randn(2, 128, 2, 3, generator=random)
        return {"middle": [wide], "output": [wide + 1, wide - 1]}

    random_state = random.get_state()
    patched = referring(sd15, variant="attention and adain")
    got = step(patched, control=control())
    random.set_state(random_state)
    adapted = [("input", 11), ("middle", 0), ("output", 0), ("output", 1)]
    close(got, by_hand(sd15, HALF, adapted, 0.5, control=control()))
    assert not torch.allclose(got, step(patched))


@every_variant
def test_rows_may_come_in_any_order_and_apart(sd15, variant):
    patched = referring(sd15, variant=variant, weight=0.7)
    together = step(patched)
    close(step(patched, chunks=[0, 1]).flip(0), together)
    close(torch.cat([step(patched, chunks=[chunk]) for chunk in BOTH]), together)
    close(step(patched, chunks=[0, 1, 0])[1:], together)


@every_variant
def test_a_batch_is_as_its_pictures_alone(sd15, variant):
    patched = referring(sd15, variant=variant)
    pair = 2 * torch.cat([tiny_unets.latent(seed=9), tiny_unets.latent(seed=10)])
    got = step(patched, pair)
    for i in (0, 1):
        close(got[[i, 2 + i]], step(patched, pair[i : i + 1]))


def test_every_picture_of_a_batch_has_its_own_reference(sd15):
    references_of_two = torch.cat([LATENT, tiny_unets.latent(seed=6)])
    patched = referring(sd15, latent={"samples": references_of_two})
    got = step(patched, 2 * tiny_unets.latent(seed=9).repeat(2, 1, 1, 1))
    for i in (0, 1):
        alone = referring(sd15, latent={"samples": references_of_two[i : i + 1]})
        close(got[[i, 2 + i]], step(alone))


def test_references_that_are_not_as_many_as_the_pictures(sd15):
    patched = referring(sd15, latent={"samples": LATENT.repeat(3, 1, 1, 1)})
    with pytest.raises(ValueError, match="3 pictures and 1 are sampled"):
        step(patched)


@pytest.mark.parametrize("size", [(16, 24), (24, 16), (40, 40), (7, 9)])
def test_a_reference_of_another_size_is_fitted(sd15, size):
    other = tiny_unets.latent(1, *size)
    fitted = common_upscale(other, 24, 16, "bilinear", "center")
    got = step(referring(sd15, latent={"samples": other}))
    close(got, step(referring(sd15, latent={"samples": fitted})))


def test_what_an_inpainting_network_is_shown():
    inpainting = tiny_unets.sd15(in_channels=9, **tiny_unets.NARROW)
    seen = []
    first = inpainting.model.diffusion_model.input_blocks[0][0]
    shown = torch.randn(2, 5, 16, 24)
    handle = first.register_forward_pre_hook(lambda _layer, given: seen.append(given[0]))
    step(referring(inpainting), c_concat=shown)
    handle.remove()
    reference, picture = seen
    z = inpainting.model.process_latent_in(LATENT)
    assert torch.equal(reference[:, 4], torch.zeros(2, 16, 24))
    torch.testing.assert_close(reference[:, 5:], z.repeat(2, 1, 1, 1))
    assert torch.equal(picture[:, 4:], shown)


def test_the_reference_goes_no_further_than_it_is_needed(sd15):
    counts = dict.fromkeys(("first", "last needed", "after it"), 0)
    blocks = sd15.model.diffusion_model
    watched = (blocks.input_blocks[0][0], blocks.output_blocks[5][0], blocks.output_blocks[6][0])
    handles = []
    for name, layer in zip(counts, watched, strict=True):

        def count(*_, name=name):
            counts[name] += 1

        handles.append(layer.register_forward_pre_hook(count))
    step(referring(sd15, weight=0.5))
    step(referring(sd15, style_fidelity=1.0), chunks=[1])
    for handle in handles:
        handle.remove()
    assert counts == {"first": 3, "last needed": 3, "after it": 2}
