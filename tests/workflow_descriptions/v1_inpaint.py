"""V1 inpaint: a person's face painted into a picture, held by soft edges, pose and a reference."""

import workflow_recipes as recipe
from workflow_builder import Link, Note, Workflow
from workflow_families import SD15, Family
from workflow_layout import GUIDE, MASK, SHOW, SHOWN, Column, Numbers, placed

NOTE = """\
# {title}

The face of *Picture* is painted anew as the person of your LoRA. Soft edges and the pose keep the \
expression, a reference keeps skin and light, and **outside the mask not one pixel changes**.

**The knobs** are in the two columns on the left:

1. *Picture*: the picture to paint in.
2. *Load Checkpoint*: a {family} checkpoint; a realistic one paints better faces.
3. *Person's LoRA*: yours, made for {family}; one for another family does nothing, and only \
ComfyUI's log says so. To try the workflow without one, bypass the node (Ctrl+B).
4. *Mask*: as it is, the face. **Face and neck**: write `neck, left ear, right ear` into *add*.
5. *Prompt*: the words that the LoRA was trained with into *trigger*. The rest is read off the \
picture; what belongs to the person is taken out of it.
6. *Strength*: 0.5 is a good start; 0.75 is A1111's own; take the most that shows no seam.

**How hard it is held**: *strength* in *Soft edge control* (0.75) and *Pose control* (0.7), \
*weight* in *Reference Only* (0.5). Less of them, more of the LoRA. A portrait of the person \
in the place of the picture's own crop: VAE-encode it and connect it to *Reference Only*.

**Another face**: its number in *Select Faces*. **A tilted head**: connect *faces* of *Select \
Faces* to *Crop For Inpaint*.

The settings are those of the recipe as it was written for A1111: DPM++ SDE Karras, 30 steps, mask \
blur 16, the strength counted as there. Seeds give other pictures than there.

**Several pictures at once**: core's *Rebatch Images* (1) behind *Picture*, since each has a \
prompt of its own. **A picture without a face** comes out as it went in, and the reports say so.

{files}
**Use your own face, or that of somebody who agreed.** The demo portraits show nobody.
"""


def columns(n: Numbers, family: Family) -> tuple[Column, ...]:
    """All up to the stitched picture."""
    vae, clip = Link(n["checkpoint"], 2), Link(n["person"], 1)
    cut = Link(n["crop"])
    edges, pose = Link(n["soft edges"]), Link(n["pose map"])
    held = recipe.both(n["Soft edge control"])
    return (
        Column(
            "Your files",
            (
                recipe.picture(n, "picture", "Picture", "harbour"),
                recipe.load_checkpoint(n, family),
                recipe.load_person(n, family),
            ),
        ),
        Column(
            "Your settings",
            (
                recipe.face_mask(n, "mask", "Mask", "face and forehead"),
                recipe.caption(n, "a photo of sks person"),
                recipe.strength(n, "strength", "Strength", 0.5),
            ),
        ),
        Column("Which face", (*recipe.finding(n), *recipe.parsing(n)), MASK),
        Column(
            "What the model sees",
            (
                recipe.crop(
                    n, "crop", "Crop For Inpaint", Link(n["picture"]), Link(n["mask"]), family
                ),
                recipe.shown(n, "crop shown", "The crop", cut),
                *recipe.prepared(n, "", n["crop"], vae),
            ),
            MASK,
        ),
        Column(
            "What it is held by",
            (
                recipe.load_soft_edges(n),
                recipe.soft_edges(n, "soft edges", "Soft Edge (PiDiNet)", cut),
                recipe.shown(n, "soft edges shown", "Soft edges", edges, 250),
                recipe.pose_map(n, Link(n["crop"], 2)),
                recipe.shown(n, "pose shown", "Pose", pose, 250),
            ),
            GUIDE,
        ),
        Column(
            "How hard it is held",
            (
                *recipe.networks(n, family, "soft edge", "pose"),
                recipe.guided(n, "Soft edge control", "soft edge", edges, 0.75, recipe.texts(n)),
                recipe.guided(n, "Pose control", "pose", pose, 0.7, held),
                recipe.reference(n, Link(n["person"]), Link(n["latent"])),
            ),
            GUIDE,
        ),
        recipe.words(n, family, cut, clip),
        recipe.painting(
            n, "", Link(n["reference"]), recipe.both(n["Pose control"]), family, n["crop"]
        ),
    )


def workflow(family: Family) -> Workflow:
    title = f"V1 inpaint{family.ending}"
    n = Numbers()
    compared = recipe.compared(n, Link(n["picture"]), Link(n["stitched"]), "v1_inpaint")
    nodes, groups = placed((*columns(n, family), Column("Before and after", compared, SHOW, SHOWN)))
    files = recipe.files_note(
        title, family, nodes, f"your person's LoRA ({family.name}) in *models/loras*"
    )
    note = NOTE.format(title=title, family=family.name, files=files)
    return Workflow(
        title,
        nodes,
        (Note(100, note, (-500, 0), (440, 1200)),),
        groups,
        thumbnail_of=(n["crop shown"], n["pose shown"]),
    )


WORKFLOW = workflow(SD15)
