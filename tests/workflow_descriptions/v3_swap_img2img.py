"""V3 swap and img2img: a swapped face, then one light pass that makes picture and face one."""

from dataclasses import replace

import workflow_parts as parts
import workflow_recipes as recipe
from workflow_builder import Link, Note, Workflow
from workflow_families import SD15, Family
from workflow_layout import (
    GUIDE,
    HERE,
    MASK,
    PAINT,
    SHOW,
    SHOWN,
    WIDTH,
    Column,
    Numbers,
    placed,
)

NOTE = """\
# {title}

The face of *Person* goes onto the face of *Picture*; then one light pass under a reference, soft \
edges and depth makes the two one picture. The fastest of the three recipes, and the one without \
a LoRA. What it is known to get wrong: make-up, and likeness where the faces differ a lot.

**The knobs** are in the two columns on the left:

1. *Picture* and *Person*: whose picture, and whose face.
2. *Load Checkpoint*: a {family} checkpoint; a realistic one paints better faces.
3. *Load Swapper*: as it is, a photomontage that needs no file. A network, such as *inswapper* or \
*ReSwapper*, makes more of it; with one, choose an insightface pack in *Load Face Analyzer*.
4. *Paint*: the `whole picture`, or `face and forehead` for the face alone: then **outside of the \
mask not one pixel changes**.
5. *Strength*: 0.2 to 0.4. More of it loses the likeness.
6. *Prompt*: what is read off the picture; add words of your own in *add*.

**A picture without a face** is not swapped, but painted where the whole picture is. **Several \
pictures at once**: core's *Rebatch Images* (1) behind *Picture*.

**Depth alone**: *strength* of *Soft edge control* to 0. **Sharper faces**: put *Restore Faces* \
between *Swap Faces* and *Crop For Inpaint*.

{files}
**Use your own face, or that of somebody who agreed.** These two people do not exist.
"""


def columns(n: Numbers, family: Family) -> tuple[Column, ...]:
    vae, clip = Link(n["checkpoint"], 2), Link(n["checkpoint"], 1)
    cut, edges = Link(n["crop"]), Link(n["soft edges"])
    held = recipe.both(n["Soft edge control"])
    swap = parts.swap_faces(
        n["swapped"],
        HERE,
        (WIDTH, 560),
        Link(n["picture"]),
        Link(n["swapper"]),
        faces=Link(n["faces"]),
        identity=Link(n["identity"]),
        analyzer=Link(n["analyzer"]),
    )
    photo, analyzer = Link(n["person's photo"]), Link(n["analyzer"])
    person = parts.make_identity(n["identity"], HERE, (WIDTH, 310), photo, analyzer, "")
    return (
        Column(
            "Your files",
            (
                recipe.picture(n, "picture", "Picture", "snow"),
                recipe.picture(n, "person's photo", "Person", "studio"),
                recipe.load_checkpoint(n, family),
                parts.load_swapper(n["swapper"], HERE, (WIDTH, 150)),
            ),
        ),
        Column(
            "Your settings",
            (
                recipe.face_mask(n, "mask", "Paint", "whole picture"),
                recipe.caption(n, "a photo of a person"),
                recipe.strength(n, "strength", "Strength", 0.3),
            ),
        ),
        Column("Which face", (*recipe.finding(n), *recipe.parsing(n)), MASK),
        Column("Swap", (person, replace(swap, title="Swap Faces")), PAINT),
        Column(
            "What the model sees",
            (
                recipe.crop_of_any_shape(
                    n, "crop", "Crop For Inpaint", Link(n["swapped"]), Link(n["mask"]), family
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
                *recipe.depth(n, cut),
                recipe.shown(n, "depth shown", "Depth", Link(n["depth map"]), 250),
            ),
            GUIDE,
        ),
        Column(
            "How hard it is held",
            (
                *recipe.networks(n, family, "soft edge", "depth"),
                recipe.guided(n, "Soft edge control", "soft edge", edges, 0.75, recipe.texts(n)),
                recipe.guided(n, "Depth control", "depth", Link(n["depth map"]), 0.8, held),
                recipe.reference(n, Link(n["checkpoint"]), Link(n["latent"])),
            ),
            GUIDE,
        ),
        recipe.words(n, family, cut, clip),
        recipe.painting(
            n, "", Link(n["reference"]), recipe.both(n["Depth control"]), family, n["crop"]
        ),
        Column(
            "Before and after",
            recipe.compared(n, Link(n["picture"]), Link(n["stitched"]), "v3_swap_img2img"),
            SHOW,
            SHOWN,
        ),
    )


def workflow(family: Family) -> Workflow:
    title = f"V3 swap and img2img{family.ending}"
    n = Numbers()
    nodes, groups = placed(columns(n, family))
    note = NOTE.format(
        title=title, family=family.name, files=recipe.files_note(title, family, nodes)
    )
    return Workflow(
        title,
        nodes,
        (Note(100, note, (-500, 0), (440, 1200)),),
        groups,
        thumbnail_of=(n["crop shown"], n["soft edges shown"]),
    )


WORKFLOW = workflow(SD15)
