"""Nodes that two blueprints have alike: a cut of a picture painted anew, and put back."""

from __future__ import annotations

import workflow_parts as parts
from blueprint_builder import Outside, Setting
from workflow_builder import Link, Node, Place, Size

SOURCES = ("model", "positive", "negative", "vae", "picture")
STEPS = ("strength", "steps", "cfg", "seed")
WIDTH = 290
COLUMN = 335  # from one column of nodes to the next


def exact_strength(number: int, at: Place, size: Size, strength: float) -> Node:
    inputs = {"steps": Setting("steps", 30), "strength": Setting("strength", strength)}
    inputs |= {"counting": "as A1111"}
    return Node(number, "LikenessExactStrength", "Exact Strength", at, size, inputs)


def sample(number: int, at: Place, size: Size, latent: Link, span: int) -> Node:
    """`span` is the node that says which steps."""
    inputs = {"model": Outside("model"), "add_noise": "enable", "noise_seed": Setting("seed", 1)}
    inputs |= {"steps": Link(span), "cfg": Setting("cfg", 7.0)}
    inputs |= {"sampler_name": "dpmpp_sde", "scheduler": "karras"}
    inputs |= {"positive": Outside("positive"), "negative": Outside("negative")}
    inputs |= {"latent_image": latent, "start_at_step": Link(span, 1), "end_at_step": 10000}
    inputs |= {"return_with_leftover_noise": "disable"}
    return Node(number, "KSamplerAdvanced", "KSampler (Advanced)", at, size, inputs)


def painted_anew(first: int, left: int, crop: int, strength: float) -> tuple[Node, ...]:
    """Six nodes from `first` on, from what the node `crop` has cut to the stitched picture."""
    encoded, masked, span, sampled, decoded, stitched = range(first, first + 6)
    columns = [left + COLUMN * index for index in range(3)]
    vae = Outside("vae")
    return (
        parts.encode(encoded, (columns[0], 0), (WIDTH, 60), Link(crop), vae),
        parts.noise_mask(masked, (columns[0], 125), (WIDTH, 60), Link(encoded), Link(crop, 1)),
        exact_strength(span, (columns[0], 250), (WIDTH, 220), strength),
        sample(sampled, (columns[1], 0), (WIDTH, 340), Link(masked), span),
        parts.decode(decoded, (columns[1], 405), (WIDTH, 60), Link(sampled), vae),
        parts.stitch(stitched, (columns[2], 0), (WIDTH, 214), Link(crop, 2), Link(decoded)),
    )
