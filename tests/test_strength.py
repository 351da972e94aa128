"""Which steps a strength means: as diffusers runs them, as A1111's rule has it, as the host's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from graphs import node
from pack.likeness.strength import Counting, describe_span, span

STEPS = (1, 2, 7, 20, 30, 50, 100)
STRENGTHS = (0.01, 0.2, 0.29, 0.3, 0.5, 0.57, 0.7, 0.75, 0.9, 0.999, 0.9999, 1.0)
FAMILY = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
every_steps = pytest.mark.parametrize("steps", STEPS)
every_strength = pytest.mark.parametrize("strength", STRENGTHS)


@pytest.fixture(scope="module")
def samplers():
    return pytest.importorskip("comfy.samplers", reason="no COMFYUI_PATH")


def host_sigmas(samplers, steps: int, scheduler: str = "karras") -> torch.Tensor:
    from comfy.model_sampling import ModelSamplingDiscrete

    return samplers.calculate_sigmas(ModelSamplingDiscrete(), scheduler, steps)


@pytest.mark.parametrize("pipeline", ["StableDiffusionInpaintPipeline", "StableDiffusionXL"])
@every_steps
@every_strength
def test_as_diffusers_runs_the_steps_that_its_pipelines_run(samplers, pipeline, steps, strength):
    """The noise levels too: the host's Karras schedule from our step on is that of diffusers."""
    import diffusers

    scheduler = diffusers.DPMSolverMultistepScheduler(use_karras_sigmas=True, **FAMILY)
    scheduler.set_timesteps(steps)
    name = pipeline if pipeline.endswith("Pipeline") else f"{pipeline}Img2ImgPipeline"
    get = getattr(diffusers, name).get_timesteps
    more = (None,) if "XL" in name else ()
    timesteps, _ = get(SimpleNamespace(scheduler=scheduler), steps, strength, None, *more)
    ours = span(steps, strength, Counting.DIFFUSERS)
    assert ours.run == len(timesteps)
    if steps == 1:  # their ramp divides by steps - 1
        return
    theirs = scheduler.sigmas[len(scheduler.timesteps) - len(timesteps) :]
    levels = host_sigmas(samplers, ours.steps)[ours.start :]
    assert len(levels) == len(theirs)
    torch.testing.assert_close(levels, theirs, rtol=1e-4, atol=1e-6)


@every_steps
@every_strength
def test_as_a1111_runs_its_rule(steps, strength):
    """The schedule from steps - t - 1 on, with t the share of the steps, rounded down."""
    levels = np.arange(steps + 1)  # a schedule has one level more than steps
    share = int(min(strength, 0.999) * steps)
    wanted = levels[steps - share - 1 :]
    ours = span(steps, strength, Counting.A1111)
    assert (ours.steps, ours.run) == (steps, len(wanted) - 1)


@every_steps
@every_strength
@pytest.mark.parametrize("scheduler", ["karras", "normal", "simple"])
def test_as_ksampler_has_the_noise_levels_of_the_hosts_denoise(
    samplers, steps, strength, scheduler
):
    sampler = SimpleNamespace(
        sampler="dpmpp_sde",
        model=SimpleNamespace(get_model_object=lambda _: sampling),
        scheduler=scheduler,
        device="cpu",
    )
    from comfy.model_sampling import ModelSamplingDiscrete

    sampling = ModelSamplingDiscrete()
    sampler.calculate_sigmas = lambda count: samplers.calculate_sigmas(sampling, scheduler, count)
    samplers.KSampler.set_steps(sampler, steps, strength)
    ours = span(steps, strength, Counting.KSAMPLER)
    levels = samplers.calculate_sigmas(sampling, scheduler, ours.steps)[ours.start :]
    assert torch.equal(levels, sampler.sigmas)


@pytest.mark.parametrize(
    ("counting", "run", "steps"),
    [(Counting.A1111, 16, 30), (Counting.DIFFUSERS, 15, 30), (Counting.KSAMPLER, 30, 60)],
)
def test_the_table_of_the_help(counting, run, steps):
    ours = span(30, 0.5, counting)
    assert (ours.run, ours.steps) == (run, steps)
    assert describe_span(ours, 0.5, counting).endswith(
        f"{counting.value}: {run} of {steps} steps are run, from step {steps - run} on"
    )


@pytest.mark.parametrize(
    ("counting", "run"), [(Counting.A1111, 1), (Counting.DIFFUSERS, 0), (Counting.KSAMPLER, 0)]
)
def test_no_strength_runs_nothing_but_a1111s_one_step(counting, run):
    assert span(30, 0.0, counting).run == run


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_that_is_none_is_refused(strength):
    with pytest.raises(ValueError, match="choose 0 to 1"):
        span(30, strength, Counting.A1111)


def test_a_strength_too_small_for_the_host_is_refused():
    with pytest.raises(ValueError, match=r"schedule of 20000.*0\.002 or more"):
        span(20, 0.001, Counting.KSAMPLER)


def test_the_host_samples_from_there_on(server):
    """As many previews as steps would show nothing: the sampler's own line in the log counts."""
    graph = {
        "model": node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly-fp16.safetensors"),
        "empty": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "text": node("CLIPTextEncode", text="", clip=["model", 1]),
        "strength": node("LikenessExactStrength", steps=6, strength=0.5, counting="as A1111"),
        "sampler": node(
            "KSamplerAdvanced",
            model=["model", 0],
            add_noise="enable",
            noise_seed=1,
            steps=["strength", 0],
            cfg=1.0,
            sampler_name="euler",
            scheduler="karras",
            positive=["text", 0],
            negative=["text", 0],
            latent_image=["empty", 0],
            start_at_step=["strength", 1],
            end_at_step=10000,
            return_with_leftover_noise="disable",
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["model", 2]),
        "shown": node("PreviewImage", images=["decode", 0]),
    }
    server.mark()
    result = server.run(graph)
    assert "4 of 6 steps are run, from step 2 on" in result.texts["strength"]
    assert "4/4" in server.recent()
