"""Detail every face: each face of a picture is cut out upright, painted anew, and stitched back."""

import workflow_parts as parts
from workflow_builder import Group, Link, Node, Note, Workflow

NOTE = """\
# Detail every face

Small faces come out of a model blurred. Here every face of a picture is cut out upright, \
enlarged, painted anew, all in one batch, and put back. **Outside the masks not one pixel \
changes.** *Compare Images* shows before and after, once *Nodes 2.0* is switched on in the main \
menu (the **C** in the corner).

**Before the first run**: a checkpoint of the Stable Diffusion 1.5 family in *models/checkpoints*. \
This one is [v1-5-pruned-emaonly-fp16.safetensors](\
https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/\
v1-5-pruned-emaonly-fp16.safetensors?download=true); a realistic one paints better faces: choose \
yours in *Load Checkpoint*. Then press **Run**.

**Your own picture**: *choose file to upload* in *Picture*, and delete *Beside it*, whose \
picture *Stitch Images* puts to its right. After a sampler, connect the *IMAGE* of its *VAE \
Decode* in place of *Stitch Images*; a batch works as well.

**Which faces**: *Select Faces*. *min_pixels* leaves small ones out, *indices* takes some by \
number. Turned heads need an insightface pack in *Load Face Analyzer*.

**How much changes**: *denoise* in *KSampler*. 0.3 sharpens what is there, 0.4 is a good start, \
from 0.6 on everybody looks like the prompt.

**One person's LoRA** belongs on one face only: see *Inpaint a face with a padded crop*. A style's \
LoRA, as used for the picture: *Load LoRA* after *Load Checkpoint*.

**Many faces, little memory**: take them in parts with *indices*: `0-3`, then `4-7` on the result.

**A seam**: widen *feather* in *Stitch Inpaint*, or raise *colour*. **SDXL**: set *width* and \
*height* of *Crop For Inpaint* to 1024.
"""

WORKFLOW = Workflow(
    title="Detail every face",
    notes=(Note(100, NOTE, at=(-440, 0), size=(400, 470)),),
    groups=(
        Group("A picture with several faces", at=(-15, -75), size=(320, 1010)),
        Group("The faces, and which of them", at=(320, -75), size=(320, 1010), colour="#8A8"),
        Group("A mask and a crop of each", at=(655, -75), size=(320, 1010), colour="#8A8"),
        Group("Painting them anew, in one batch", at=(990, -75), size=(655, 805), colour="#a1309b"),
        Group("Stitched back", at=(1660, -75), size=(755, 1010), colour="#b58b2a"),
    ),
    nodes=(
        parts.demo_portrait(1, (0, 0), (290, 200), "harbour"),
        parts.demo_portrait(2, (0, 265), (290, 200), "studio", "Beside it"),
        Node(
            3,
            "ImageStitch",
            "Stitch Images",
            at=(0, 530),
            size=(290, 200),
            inputs={
                "image1": Link(1),
                "direction": "right",
                "match_image_size": True,
                "spacing_width": 0,
                "spacing_color": "white",
                "image2": Link(2),
            },
        ),
        parts.load_analyzer(4, (335, 0), (290, 150)),
        parts.detect_faces(5, (335, 215), (290, 240), Link(3), Link(4)),
        parts.select_faces(6, (335, 520), (290, 400), Link(5), ""),
        parts.mask(7, (670, 0), (290, 400), Link(6), "one for each face"),
        parts.crop(
            8,
            (670, 465),
            (290, 455),
            Link(3),
            Link(7),
            **{"padding.percent": 40.0, "faces": Link(6)},
        ),
        parts.load_checkpoint(9, (1005, 0), (290, 120)),
        parts.prompt(10, "Prompt", (1005, 185), (290, 110), "a photo of a woman face", Link(9, 1)),
        parts.prompt(
            11,
            "Negative prompt",
            (1005, 360),
            (290, 110),
            "blurry, deformed, cartoon, painting, plastic skin",
            Link(9, 1),
        ),
        parts.encode(12, (1005, 535), (290, 60), Link(8), Link(9, 2)),
        parts.noise_mask(13, (1005, 660), (290, 60), Link(12), Link(8, 1)),
        parts.sample(
            14, (1340, 0), (290, 280), Link(9), (Link(10), Link(11)), Link(13), denoise=0.4
        ),
        parts.decode(15, (1340, 345), (290, 60), Link(14), Link(9, 2)),
        Node(16, "PreviewImage", "The faces", (1675, 0), (290, 400), {"images": Link(8)}),
        parts.stitch(17, (1675, 465), (290, 455), Link(8, 2), Link(15)),
        Node(
            18,
            "ImageCompare",
            "Compare Images",
            at=(2010, 0),
            size=(390, 400),
            inputs={"compare_view": ["", ""], "image_a": Link(3), "image_b": Link(17)},
        ),
        Node(
            19,
            "SaveImage",
            "Save Image",
            at=(2010, 465),
            size=(390, 455),
            inputs={"images": Link(17), "filename_prefix": "Likeness/detail_faces"},
        ),
    ),
    thumbnail_of=(16,),
)
