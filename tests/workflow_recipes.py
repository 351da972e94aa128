"""What the three recipes are made of, for Stable Diffusion 1.5 and for SDXL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import workflow_parts as parts
from workflow_builder import Link, Node
from workflow_families import UNION, UNION_TYPES, Family
from workflow_layout import HERE, PAINT, SHOWN, WIDTH, Column, Numbers, node

NEGATIVE = "blurry, deformed, cartoon, painting, plastic skin"
IDENTITY_WORDS = """\
1girl, 1boy, ears, head, face, lips, mouth, 3d, asian, teeth
* man, * woman, * male, * female, * lips
*eye* !*eyewear*, *nose*, *body*"""


def picture(n: Numbers, name: str, title: str, portrait: str) -> Node:
    return parts.demo_portrait(n[name], HERE, (WIDTH, 395), portrait, title)


def load_checkpoint(n: Numbers, family: Family) -> Node:
    inputs = {"ckpt_name": family.checkpoint}
    made = n["checkpoint"], "CheckpointLoaderSimple", "Load Checkpoint", 120, inputs
    return node(*made, family.checkpoint)


def load_person(n: Numbers, family: Family) -> Node:
    """The person's LoRA, on the checkpoint."""
    inputs = {"model": Link(n["checkpoint"]), "clip": Link(n["checkpoint"], 1)}
    inputs |= {"lora_name": family.person, "strength_model": 1.0, "strength_clip": 1.0}
    return node(n["person"], "LoraLoader", "Person's LoRA", 150, inputs)


def strength(n: Numbers, name: str, title: str, share: float) -> Node:
    inputs = {"steps": 30, "strength": share, "counting": "as A1111"}
    return node(n[name], "LikenessExactStrength", title, 240, inputs)


def finding(n: Numbers) -> tuple[Node, ...]:
    """The largest face of the picture."""
    analyzer, found = n["analyzer"], n["found"]
    return (
        parts.load_analyzer(analyzer, HERE, (WIDTH, 150)),
        parts.detect_faces(found, HERE, (WIDTH, 240), Link(n["picture"]), Link(analyzer)),
        parts.select_faces(n["faces"], HERE, (WIDTH, 410), Link(found), "0"),
    )


def parsing(n: Numbers) -> tuple[Node, ...]:
    parser = "parsing_parsenet.pth"
    seen = {"image": Link(n["picture"]), "faces": Link(n["faces"]), "parser": Link(n["parser"])}
    return (
        node(n["parser"], "LikenessLoadFaceParser", "Load Face Parser", 150, {"parser": parser},
             parser),
        node(n["parsing"], "LikenessParseFace", "Parse Face", 240, seen | {"classes": "skin"}),
    )  # fmt: skip


def face_mask(n: Numbers, name: str, title: str, region: str) -> Node:
    """With the mask blur of A1111."""
    made = parts.mask(n[name], HERE, (WIDTH, 400), Link(n["faces"]), "one for each picture")
    own = {"region": region, "blur": 16.0, "parsing": Link(n["parsing"])}
    return replace(made, title=title, inputs={**made.inputs, **own})


def crop(n: Numbers, name: str, title: str, image: Link, mask: Link, family: Family) -> Node:
    """The face, framed as in the pictures that LoRAs of a face are trained on."""
    size = {"target.width": family.side, "target.height": family.side}
    return replace(parts.crop(n[name], HERE, (WIDTH, 455), image, mask, **size), title=title)


def crop_of_any_shape(
    n: Numbers, name: str, title: str, image: Link, mask: Link, family: Family
) -> Node:
    """What is masked, be it the face or the whole picture."""
    made = parts.crop(n[name], HERE, (WIDTH, 455), image, mask)
    own = {
        "image": image,
        "mask": mask,
        "target": "megapixels",
        "target.megapixels": family.megapixels,
        "target.multiple": "64",
    }
    kept = {key: value for key, value in made.inputs.items() if not key.startswith("target")}
    return replace(made, title=title, inputs=own | {k: kept[k] for k in kept if k not in own})


def soft_edges(n: Numbers, name: str, title: str, image: Link) -> Node:
    inputs = {"image": image, "network": Link(n["soft edge network"])}
    inputs |= {"resolution": 512, "levels": "smooth (softedge_pidinet)"}
    return node(n[name], "LikenessSoftEdge", title, 260, inputs)


def load_soft_edges(n: Numbers) -> Node:
    name = "table5_pidinet.pth"
    made = n["soft edge network"], "LikenessLoadSoftEdge", "Load Soft Edge Network", 150
    return node(*made, {"network": name}, name)


def pose_map(n: Numbers, crops: Link) -> Node:
    inputs = {"draw": "face and body", "faces": Link(n["faces"]), "stitch": crops}
    return node(n["pose map"], "LikenessFacePoseMap", "Face Pose Map", 260, inputs)


def depth(n: Numbers, image: Link) -> tuple[Node, ...]:
    """Core's Depth Anything 3."""
    model = "depth_anything_3_small.safetensors"
    run = {"da3_model": Link(n["depth network"]), "image": image, "resolution": 504}
    run |= {"resize_method": "upper_bound_resize", "mode": "mono"}
    drawn = {"da3_geometry": Link(n["depth"]), "output": "depth"}
    drawn |= {"output.normalization": "v2_style", "output.apply_sky_clip": False}
    return (
        node(n["depth network"], "LoadDA3Model", "Load Depth Anything 3", 100,
             {"model_name": model, "weight_dtype": "default"}, model),
        node(n["depth"], "DA3Inference", "Run Depth Anything 3", 140, run),
        node(n["depth map"], "DA3Render", "Depth map", 120, drawn),
    )  # fmt: skip


def shown(n: Numbers, name: str, title: str, image: Link, height: int = 300) -> Node:
    return node(n[name], "PreviewImage", title, height, {"images": image})


def networks(n: Numbers, family: Family, *kinds: str) -> tuple[Node, ...]:
    """The ControlNets for these kinds of pictures: a file for each, or one that is told which."""
    if not family.union:
        return tuple(further for kind in kinds for further in further_network(n, family, kind))
    load = {"control_net_name": UNION}
    return (
        node(n["union"], "ControlNetLoader", "Load ControlNet", 80, load, UNION),
        *(further for kind in kinds for further in further_network(n, family, kind)),
    )


def further_network(n: Numbers, family: Family, kind: str) -> tuple[Node, ...]:
    """One more, beside those of `networks`."""
    if family.union:
        told = {"control_net": Link(n["union"]), "type": UNION_TYPES[kind]}
        return (node(n[f"{kind} control"], "SetUnionControlNetType", f"For {kind}", 80, told),)
    name = family.controls[kind]
    made = n[f"{kind} control"], "ControlNetLoader", f"Load {kind} ControlNet", 80
    return (node(*made, {"control_net_name": name}, name),)


def guided(
    n: Numbers, title: str, kind: str, image: Link, weight: float, prompts: tuple[Link, Link]
) -> Node:
    """The prompts, with a ControlNet's picture beside them."""
    inputs = {"positive": prompts[0], "negative": prompts[1]}
    inputs |= {"control_net": Link(n[f"{kind} control"]), "image": image}
    inputs |= {"strength": weight, "start_percent": 0.0, "end_percent": 1.0}
    return node(n[title], "ControlNetApplyAdvanced", title, 190, inputs)


def both(number: int) -> tuple[Link, Link]:
    """The positive and the negative prompt of a node."""
    return Link(number, 0), Link(number, 1)


def reference(n: Numbers, model: Link, latent: Link) -> Node:
    inputs = {"model": model, "weight": 0.5, "style_fidelity": 0.5, "variant": "attention"}
    inputs |= {"start_percent": 0.0, "end_percent": 1.0, "latent": latent}
    return node(n["reference"], "LikenessReferenceOnly", "Reference Only", 340, inputs)


def tags(n: Numbers, image: Link) -> tuple[Node, ...]:
    network = "wd-vit-tagger-v3.onnx"
    seen = {"image": image, "tagger": Link(n["tagger"]), "threshold": 0.35}
    seen |= {"character_threshold": 0.85, "exclude": "", "order": "surest first"}
    seen |= {"characters": "left out", "parentheses": "escaped"}
    return (
        node(n["tagger"], "LikenessLoadTagger", "Load Tagger", 150, {"tagger": network}, network,
             "wd-vit-tagger-v3.csv"),
        node(n["tags"], "LikenessTagImages", "Tag Images (WD14)", 330, seen),
    )  # fmt: skip


def caption(n: Numbers, trigger: str) -> Node:
    inputs = {"caption": Link(n["tags"]), "trigger": trigger, "add": "", "remove": IDENTITY_WORDS}
    return node(n["caption"], "LikenessCleanCaption", "Prompt", 400, inputs)


def negative(n: Numbers, family: Family) -> Node:
    inputs = {"prompt": NEGATIVE, "embeddings": family.embeddings, "missing": "stop"}
    names = [name.strip() + ".pt" for name in family.embeddings.split(",") if name.strip()]
    made = n["negative"], "LikenessAddEmbeddings", "Negative prompt", 260, inputs
    return node(*made, *names)


def encoded(n: Numbers, clip: Link) -> tuple[Node, ...]:
    texts = (("caption", "Encode prompt"), ("negative", "Encode negative prompt"))
    return tuple(
        node(n[f"{name} encoded"], "CLIPTextEncode", title, 100,
             {"text": Link(n[name]), "clip": clip})
        for name, title in texts
    )  # fmt: skip


def texts(n: Numbers) -> tuple[Link, Link]:
    return Link(n["caption encoded"]), Link(n["negative encoded"])


def words(n: Numbers, family: Family, image: Link, clip: Link) -> Column:
    """From the tags of `image` to both prompts; what is cleaned of them is a setting's place."""
    return Column("The words", (*tags(n, image), negative(n, family), *encoded(n, clip)), PAINT)


def prepared(n: Numbers, ending: str, crops: int, vae: Link) -> tuple[Node, ...]:
    """The crop as a latent. Of the mask either all of a cell is painted or nothing, as in A1111."""
    latent, whole = n[f"latent{ending}"], n[f"whole cells{ending}"]
    return (
        parts.encode(latent, HERE, (WIDTH, 60), Link(crops), vae),
        node(
            whole,
            "ThresholdMask",
            f"Paint above 0.5{ending}",
            80,
            {"mask": Link(crops, 1), "value": 0.5},
        ),
        parts.noise_mask(n[f"masked{ending}"], HERE, (WIDTH, 60), Link(latent), Link(whole)),
    )


def painted(
    n: Numbers, ending: str, model: Link, prompts: tuple[Link, Link], vae: Link, family: Family
) -> tuple[Node, ...]:
    steps, sampler = n[f"strength{ending}"], n[f"sampler{ending}"]
    inputs = {"model": model, "add_noise": "enable", "noise_seed": 1, "steps": Link(steps)}
    inputs |= {"cfg": family.guidance, "sampler_name": "dpmpp_sde", "scheduler": "karras"}
    inputs |= {"positive": prompts[0], "negative": prompts[1]}
    inputs |= {"latent_image": Link(n[f"masked{ending}"]), "start_at_step": Link(steps, 1)}
    inputs |= {"end_at_step": 10000, "return_with_leftover_noise": "disable"}
    return (
        node(sampler, "KSamplerAdvanced", f"Sampler{ending}", 340, inputs),
        parts.decode(n[f"decoded{ending}"], HERE, (WIDTH, 60), Link(sampler), vae),
    )


def stitched(n: Numbers, ending: str, crops: int) -> Node:
    """Through the soft mask as it is: it is not feathered once more."""
    image = Link(n[f"decoded{ending}"])
    made = parts.stitch(n[f"stitched{ending}"], HERE, (WIDTH, 320), Link(crops, 2), image)
    return replace(
        made, title=f"Stitch Inpaint{ending}", inputs={**made.inputs, "blend.feather": 0.0}
    )


def painting(
    n: Numbers, ending: str, model: Link, prompts: tuple[Link, Link], family: Family, crops: int
) -> Column:
    """The sampler and what follows, up to the picture with the crop in it."""
    vae = Link(n["checkpoint"], 2)
    made = painted(n, ending, model, prompts, vae, family)
    return Column(f"Painting{ending}", (*made, stitched(n, ending, crops)), PAINT)


def compared(n: Numbers, before: Link, after: Link, name: str) -> tuple[Node, ...]:
    saved = {"images": after, "filename_prefix": f"Likeness/{name}"}
    sides = {"compare_view": ["", ""], "image_a": before, "image_b": after}
    return (
        node(n["compare"], "ImageCompare", "Before and after", 400, sides, width=SHOWN),
        node(n["save"], "SaveImage", "Save Image", 455, saved, width=SHOWN),
    )


def files_note(title: str, family: Family, nodes: Iterable[Node], *persons: str) -> str:
    """What has to be there before the first run, and how it gets there."""
    named = {model["name"]: model["directory"] for each in nodes for model in each.models}
    listed = "\n".join(f"- {name} in *models/{folder}*" for name, folder in named.items())
    own = "".join(f"\n- {line}" for line in persons)
    core = any(each.type == "LoadDA3Model" for each in nodes)
    depth = " The *Depth Anything 3* nodes came with ComfyUI 0.30." if core else ""
    return f"""\
## Before the first run

In the pack's folder, `python install.py models "{title}"` fetches what has an address and says \
where the rest is published:

{listed}{own}

**Memory**: about {family.memory} on the graphics card; with less, ComfyUI moves the models in \
and out and it takes longer.{depth} *Before and after* shows the two once *Nodes 2.0* is \
switched on in the main menu (the **C** in the corner).
"""
