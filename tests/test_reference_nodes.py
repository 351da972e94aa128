"""Reference Only in the real host, on the stand-in checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import assert_works, node, put, refused
from shapes import smooth

pytestmark = pytest.mark.slow

SD15 = "v1-5-pruned-emaonly-fp16.safetensors"
SETTINGS = {
    "weight": 1.0,
    "style_fidelity": 0.5,
    "variant": "attention",
    "start_percent": 0.0,
    "end_percent": 1.0,
}


def painted(server, *, referring: bool = True, cfg: float = 4.0, **changes: object) -> dict:
    """A picture of two steps by a model that reads a smooth picture of another size."""
    by_image = {"image": ["picture", 0], "vae": ["load", 2]}
    given = SETTINGS | ({} if "latent" in changes else by_image) | changes
    sampler = {"steps": 2, "cfg": cfg, "sampler_name": "euler", "scheduler": "karras"}
    return put(server, smooth((96, 128))[None]) | {
        "load": node("CheckpointLoaderSimple", ckpt_name=SD15),
        "good": node("CLIPTextEncode", text="a portrait", clip=["load", 1]),
        "bad": node("CLIPTextEncode", text="blurry", clip=["load", 1]),
        "empty": node("EmptyLatentImage", width=64, height=96, batch_size=2),
        "reference": node("LikenessReferenceOnly", model=["load", 0], **given),
        "sample": node(
            "KSampler",
            model=["reference" if referring else "load", 0],
            seed=1,
            positive=["good", 0],
            negative=["bad", 0],
            latent_image=["empty", 0],
            denoise=1.0,
            **sampler,
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["load", 2]),
        "save": node("PreviewImage", images=["decode", 0]),
        "told": node("PreviewAny", source=["reference", 1]),
    }


def shown(server, prompt: dict) -> np.ndarray:
    return np.stack(server.run(prompt).images("save"))


def test_in_the_host(server):
    server.forget()
    result = server.run(painted(server))
    report = result.texts["reference"]
    assert "attention: 1 of 1 blocks: 1 of width 320" in report
    assert "reference: 1 picture of 128 x 96 px" in report
    first = np.stack(result.images("save"))
    assert first.shape == (2, 96, 64, 3)
    server.forget()
    assert np.array_equal(shown(server, painted(server)), first)
    plain = shown(server, painted(server, referring=False))
    assert not np.array_equal(plain, first)
    assert np.array_equal(shown(server, painted(server, weight=0.0)), plain)


def test_what_it_is_not_given(server):
    prompt = painted(server)
    del prompt["reference"]["inputs"]["vae"]
    refused(server, prompt, "reference", "vae: image needs one")
    del prompt["reference"]["inputs"]["image"]
    refused(server, prompt, "reference", "neither is connected")
    refused(
        server,
        painted(server, image=["picture", 0], latent=["empty", 0]),
        "reference",
        "both are connected",
    )
    assert_works(server)


def test_more_references_than_pictures(server):
    prompt = painted(server, latent=["three", 0])
    prompt["three"] = node("EmptyLatentImage", width=64, height=64, batch_size=3)
    refused(server, prompt, "sample", "3 pictures and 2 are sampled")
    assert_works(server)
