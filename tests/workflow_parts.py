"""Nodes that several workflows have alike; where they stand is said by each workflow."""

from __future__ import annotations

from workflow_builder import Link, Node, Place, Size

CHECKPOINT = {
    "name": "v1-5-pruned-emaonly-fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/"
    "v1-5-pruned-emaonly-fp16.safetensors?download=true",
    "directory": "checkpoints",
}


def load_checkpoint(number: int, at: Place, size: Size) -> Node:
    inputs = {"ckpt_name": CHECKPOINT["name"]}
    return Node(
        number, "CheckpointLoaderSimple", "Load Checkpoint", at, size, inputs, (CHECKPOINT,)
    )


def demo_portrait(
    number: int, at: Place, size: Size, portrait: str, title: str = "Picture"
) -> Node:
    return Node(number, "LikenessLoadPortrait", title, at, size, {"portrait": portrait})


def load_analyzer(number: int, at: Place, size: Size) -> Node:
    inputs = {"analyzer": "built in"}
    return Node(number, "LikenessLoadFaceAnalyzer", "Load Face Analyzer", at, size, inputs)


def detect_faces(number: int, at: Place, size: Size, image: Link, analyzer: Link) -> Node:
    inputs = {"image": image, "analyzer": analyzer}
    inputs |= {"threshold": 0.5, "retry": "sizes, border, turns"}
    return Node(number, "LikenessDetectFaces", "Detect Faces", at, size, inputs)


def select_faces(number: int, at: Place, size: Size, faces: Link, indices: str) -> Node:
    inputs = {"faces": faces, "order": "largest first", "indices": indices}
    inputs |= {"min_score": 0.0, "min_pixels": 0, "min_share": 0.0}
    inputs |= {"min_age": 0, "max_age": 120, "sex": "any"}
    return Node(number, "LikenessSelectFaces", "Select Faces", at, size, inputs)


def prompt(number: int, title: str, at: Place, size: Size, text: str, clip: Link) -> Node:
    return Node(number, "CLIPTextEncode", title, at, size, {"text": text, "clip": clip})


def encode(number: int, at: Place, size: Size, pixels: Link, vae: Link) -> Node:
    return Node(number, "VAEEncode", "VAE Encode", at, size, {"pixels": pixels, "vae": vae})


def decode(number: int, at: Place, size: Size, samples: Link, vae: Link) -> Node:
    return Node(number, "VAEDecode", "VAE Decode", at, size, {"samples": samples, "vae": vae})


def noise_mask(number: int, at: Place, size: Size, samples: Link, mask: Link) -> Node:
    inputs = {"samples": samples, "mask": mask}
    return Node(number, "SetLatentNoiseMask", "Set Latent Noise Mask", at, size, inputs)


def sample(
    number: int, at: Place, size: Size, model: Link, texts: tuple[Link, Link], latent: Link, **own
) -> Node:
    positive, negative = texts
    inputs = {"model": model, "seed": 1, "steps": 20, "cfg": 7.0}
    inputs |= {"sampler_name": "dpmpp_2m", "scheduler": "karras"}
    inputs |= {"positive": positive, "negative": negative, "latent_image": latent}
    return Node(number, "KSampler", "KSampler", at, size, inputs | own)


def stitch(number: int, at: Place, size: Size, crops: Link, image: Link) -> Node:
    inputs = {"stitch": crops, "image": image, "way": "replace", "blend": "feather"}
    inputs |= {"blend.feather": 0.1, "blend.colour": 0.0, "blend.grain": 0.0}
    return Node(number, "LikenessStitchInpaint", "Stitch Inpaint", at, size, inputs)


def crop(number: int, at: Place, size: Size, image: Link, mask: Link, **own) -> Node:
    """512 x 512, as the checkpoint likes it."""
    inputs = {"image": image, "mask": mask}
    inputs |= {"target": "fixed size", "target.width": 512, "target.height": 512}
    inputs |= {"padding": "percent", "padding.percent": 100.0}
    inputs |= {"mask_blur": 0.0, "outside": "shift inside", "empty": "leave the picture as it is"}
    inputs |= {"context_blur": 0.0, "blend_blur": 0.0}
    return Node(number, "LikenessCropForInpaint", "Crop For Inpaint", at, size, inputs | own)


def mask(number: int, at: Place, size: Size, faces: Link, masks: str) -> Node:
    inputs = {"faces": faces, "region": "face and forehead", "masks": masks}
    inputs |= {"unit": "share of the face", "unit.grow": 0.05, "unit.feather": 0.0, "blur": 0.0}
    inputs |= {"add": "", "subtract": "hair, hat, glasses, cloth, background"}
    return Node(number, "LikenessFaceMask", "Face Mask", at, size, inputs)


def make_identity(
    number: int, at: Place, size: Size, photos: Link, analyzer: Link, name: str
) -> Node:
    inputs = {"photos": photos, "analyzer": analyzer, "name": name}
    inputs |= {"people": "one person", "agreement": 0.3, "threshold": 0.5}
    return Node(number, "LikenessMakeIdentity", "Make Identity", at, size, inputs)


def load_swapper(number: int, at: Place, size: Size) -> Node:
    inputs = {"swapper": "built in: warp and blend"}
    return Node(number, "LikenessLoadSwapper", "Load Swapper", at, size, inputs)


RESTORER = {
    "name": "GFPGANv1.4.pth",
    "url": "https://github.com/TencentARC/GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth",
    "directory": "facerestore_models",
}


def load_restorer(number: int, at: Place, size: Size) -> Node:
    inputs = {"restorer": RESTORER["name"]}
    return Node(
        number, "LikenessLoadFaceRestorer", "Load Face Restorer", at, size, inputs, (RESTORER,)
    )


def swap_faces(number: int, at: Place, size: Size, image: Link, swapper: Link, **own) -> Node:
    inputs = {"image": image, "swapper": swapper, "strength": 1.0, "boost": 1, "covers": "box"}
    inputs |= {"pairing": "in order", "way": "replace", "blend": "feather"}
    inputs |= {"blend.feather": 0.1, "blend.colour": 0.0, "blend.grain": 0.0}
    return Node(number, "LikenessSwapFaces", "Swap Faces", at, size, inputs | own)


def restore_faces(number: int, at: Place, size: Size, image: Link, restorer: Link, **own) -> Node:
    inputs = {"image": image, "restorer": restorer, "strength": 1.0, "fidelity": 0.7}
    inputs |= {"covers": "square and parsed", "guard": 0.3, "min_pixels": 16, "max_pixels": 0}
    inputs |= {"factor": 1.0, "way": "replace", "blend": "feather"}
    inputs |= {"blend.feather": 0.1, "blend.colour": 0.0, "blend.grain": 0.0}
    return Node(number, "LikenessRestoreFaces", "Restore Faces", at, size, inputs | own)


def swapped_portraits() -> tuple[Node, ...]:
    """Nodes 1 to 8: a person's face (2) onto the first face (5) of a target (1), by Swap Faces."""
    return (
        demo_portrait(1, (0, 0), (290, 200), "snow", "Target"),
        demo_portrait(2, (0, 265), (290, 200), "studio", "Person"),
        load_analyzer(3, (0, 530), (290, 150)),
        detect_faces(4, (335, 0), (290, 240), Link(1), Link(3)),
        select_faces(5, (335, 305), (290, 400), Link(4), "0"),
        make_identity(6, (335, 770), (290, 310), Link(2), Link(3), ""),
        load_swapper(7, (670, 0), (290, 150)),
        swap_faces(
            8,
            (670, 215),
            (290, 865),
            Link(1),
            Link(7),
            faces=Link(5),
            identity=Link(6),
            analyzer=Link(3),
        ),
    )
