"""Inpaint a face with a padded crop: one face is cut out, painted anew, and stitched back."""

import workflow_parts as parts
from workflow_builder import Group, Link, Node, Note, Workflow

NOTE = """\
# Inpaint a face with a padded crop

The largest face is masked without painting, cut out with its surroundings at the size the model \
likes, painted anew, and put back. **Outside the mask not one pixel changes.**

**Before the first run**: a checkpoint of the Stable Diffusion 1.5 family in *models/checkpoints*. \
This one is [v1-5-pruned-emaonly-fp16.safetensors](\
https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/\
v1-5-pruned-emaonly-fp16.safetensors?download=true); a realistic one paints better faces: choose \
yours in *Load Checkpoint*. Then press **Run**.

**Your own picture**: *choose file to upload* in *Picture*. Another face of it: its number in \
*Select Faces*, *indices*.

**Your own person**: add *Load LoRA* between *Load Checkpoint* and what it leads to (*MODEL* to \
*KSampler*, *CLIP* to both prompts), and write the sentence that the LoRA was trained with into \
*Prompt*.

**How much changes**: *denoise* in *KSampler*. 0.3 keeps the face, 0.5 is a good start, 0.7 makes \
a new one; take the most that shows no seam.

**How much the model sees around the face**: *percent* in *Crop For Inpaint*. 100 frames it as in \
the pictures that face LoRAs are trained on; less gives the face more pixels. For a tilted head \
connect *faces* of *Select Faces* to it: the crop is turned upright, and back.

**A seam**: widen *feather* in *Stitch Inpaint*, raise *colour*, or choose *multi-band*. \
**A larger mask**: *grow* in *Face Mask*.

**SDXL**: set *width* and *height* to 1024.
"""

WORKFLOW = Workflow(
    title="Inpaint a face with a padded crop",
    notes=(Note(100, NOTE, at=(-440, 0), size=(400, 450)),),
    groups=(
        Group("A picture, and the face in it", at=(-15, -75), size=(655, 805)),
        Group("The mask and the crop", at=(655, -75), size=(655, 1010), colour="#8A8"),
        Group("Painting it anew", at=(1325, -75), size=(655, 805), colour="#a1309b"),
        Group("Stitched back", at=(1995, -75), size=(420, 1010), colour="#b58b2a"),
    ),
    nodes=(
        parts.demo_portrait(1, (0, 0), (290, 200), "harbour"),
        parts.load_analyzer(2, (0, 265), (290, 200)),
        parts.detect_faces(3, (335, 0), (290, 240), Link(1), Link(2)),
        parts.select_faces(4, (335, 305), (290, 410), Link(3), "0"),
        parts.mask(5, (670, 0), (290, 400), Link(4), "one for each picture"),
        parts.crop(6, (670, 465), (290, 455), Link(1), Link(5)),
        Node(7, "PreviewImage", "What the model sees", (1005, 0), (290, 400), {"images": Link(6)}),
        Node(8, "MaskPreview", "What it may paint", (1005, 465), (290, 455), {"mask": Link(6, 1)}),
        parts.load_checkpoint(9, (1340, 0), (290, 120)),
        parts.prompt(10, "Prompt", (1340, 185), (290, 110), "a photo of a woman face", Link(9, 1)),
        parts.prompt(
            11,
            "Negative prompt",
            (1340, 360),
            (290, 110),
            "blurry, deformed, cartoon, painting, plastic skin",
            Link(9, 1),
        ),
        parts.encode(12, (1340, 535), (290, 60), Link(6), Link(9, 2)),
        parts.noise_mask(13, (1340, 660), (290, 60), Link(12), Link(6, 1)),
        parts.sample(
            14, (1675, 0), (290, 280), Link(9), (Link(10), Link(11)), Link(13), denoise=0.5
        ),
        parts.decode(15, (1675, 345), (290, 60), Link(14), Link(9, 2)),
        parts.stitch(16, (2010, 0), (390, 400), Link(6, 2), Link(15)),
        Node(
            17,
            "SaveImage",
            "Save Image",
            at=(2010, 465),
            size=(390, 455),
            inputs={"images": Link(16), "filename_prefix": "Likeness/inpaint_face"},
        ),
    ),
    thumbnail_of=(7, 8),
)
