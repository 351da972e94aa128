"""A sampling step that looks at a reference, against a plain one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import torch
from measure import Goal, Kind, Row, in_turn

PAIRS = 3
LATENT = 48  # of a side: a picture of 384 px
WORDS, TEXT = 77, 768  # what SD 1.5 reads, and how wide each is
WEIGHTS = (0.5, 1.0)
SETTINGS = {
    "style_fidelity": 0.5,
    "variant": "attention",
    "start_percent": 0.0,
    "end_percent": 1.0,
}


def rows() -> Iterator[Row]:
    """SD 1.5's network whole, of random weights; both halves of the guidance in every step."""
    _open_host()
    import tiny_unets
    from pack.nodes.reference import ReferenceOnly

    start, reference = (tiny_unets.latent(1, LATENT, LATENT, seed) for seed in (1, 2))
    plain = tiny_unets.sd15()
    texts = dict(zip(("positive", "negative"), map(_text, (3, 4)), strict=True))

    def step(model) -> torch.Tensor:
        return tiny_unets.sampled(model, start, steps=1, **texts)

    for weight in WEIGHTS:
        latent = {"samples": reference}
        made = ReferenceOnly.execute(plain, weight=weight, latent=latent, **SETTINGS)
        looking = made.args[0]
        assert not torch.equal(step(plain), step(looking)), "the reference changes nothing"
        pairs = in_turn(lambda: step(plain), lambda looking=looking: step(looking), PAIRS)
        what = f"a step of SD 1.5 with Reference Only at {weight:g}, against a plain one"
        yield Row("reference", what, pairs, Goal(Kind.RATIO, 2.2))


def _open_host() -> None:
    """ComfyUI's own modules, in this process."""
    sys.path.append(os.environ["COMFYUI_PATH"])
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()


def _text(seed: int) -> list:
    """As it leaves the text encoder."""
    random = torch.Generator().manual_seed(seed)
    return [[torch.randn(1, WORDS, TEXT, generator=random), {}]]
