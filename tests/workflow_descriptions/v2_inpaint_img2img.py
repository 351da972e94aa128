"""V2 inpaint and img2img: V1, then a light pass over the picture, so that skin and light agree."""

import workflow_recipes as recipe
from workflow_builder import Link, Note, Workflow
from workflow_descriptions.v1_inpaint import columns as first_pass
from workflow_families import SD15, Family
from workflow_layout import GUIDE, MASK, SHOW, SHOWN, Column, Numbers, placed

NOTE = """\
# {title}

First *V1 inpaint*: the face of *Picture* is painted anew as the person of your LoRA. Then a light \
pass over the whole picture under depth and soft edges, so that skin tone and background agree. \
Its author judged it the best of the three.

**The knobs** are in the columns on the left:

1. *Picture*, *Load Checkpoint* ({family}), *Person's LoRA*: your files.
2. *Mask*: the face. **Face and neck**: write `neck, left ear, right ear` into *add*.
3. *Prompt*: the words that the LoRA was trained with into *trigger*.
4. *Strength*: how much the face changes. 0.5 is a good start.
5. *Second pass paints*: the `whole picture`, or `face and forehead` for the face alone: then \
**outside of the mask not one pixel changes**, in both passes.
6. *Second strength*: 0.2 to 0.4. More of it pulls the picture into the style of the pictures \
that the LoRA was trained on.

**A picture without a face** is still painted by the second pass where that paints the whole \
picture. **Several pictures at once**: core's *Rebatch Images* (1) behind *Picture*.

**Depth alone** in the second pass: *strength* of *Second soft edge control* to 0.

{files}
**Use your own face, or that of somebody who agreed.** The demo portraits show nobody.
"""
SECOND = " of the second pass"


def second_pass(n: Numbers, family: Family) -> tuple[Column, ...]:
    """From the stitched picture on. Core's depth, the soft edges and the prompt hold it."""
    vae, cut = Link(n["checkpoint"], 2), Link(n["second crop"])
    edges = Link(n["second soft edges"])
    held = recipe.both(n["Second soft edge control"])
    return (
        Column(
            "What the second pass sees",
            (
                recipe.crop_of_any_shape(
                    n,
                    "second crop",
                    "Crop of the second pass",
                    Link(n["stitched"]),
                    Link(n["second mask"]),
                    family,
                ),
                recipe.soft_edges(n, "second soft edges", "Soft edges of the second pass", cut),
                *recipe.depth(n, cut),
                recipe.shown(n, "depth shown", "Depth", Link(n["depth map"]), 250),
            ),
            MASK,
        ),
        Column(
            "How hard it is held",
            (
                *recipe.further_network(n, family, "depth"),
                recipe.guided(
                    n, "Second soft edge control", "soft edge", edges, 0.75, recipe.texts(n)
                ),
                recipe.guided(n, "Depth control", "depth", Link(n["depth map"]), 0.8, held),
                *recipe.prepared(n, SECOND, n["second crop"], vae),
            ),
            GUIDE,
        ),
        recipe.painting(
            n,
            SECOND,
            Link(n["person"]),
            recipe.both(n["Depth control"]),
            family,
            n["second crop"],
        ),
    )


def workflow(family: Family) -> Workflow:
    title = f"V2 inpaint and img2img{family.ending}"
    n = Numbers()
    files, settings, *rest = first_pass(n, family)
    last = Link(n[f"stitched{SECOND}"])
    columns = (
        files,
        settings,
        Column(
            "Settings of the second pass",
            (
                recipe.face_mask(n, "second mask", "Second pass paints", "whole picture"),
                recipe.strength(n, f"strength{SECOND}", "Second strength", 0.3),
            ),
        ),
        *rest,
        *second_pass(n, family),
        Column(
            "Before and after",
            recipe.compared(n, Link(n["picture"]), last, "v2_inpaint_img2img"),
            SHOW,
            SHOWN,
        ),
    )
    nodes, groups = placed(columns)
    told = recipe.files_note(
        title, family, nodes, f"your person's LoRA ({family.name}) in *models/loras*"
    )
    note = NOTE.format(title=title, family=family.name, files=told)
    return Workflow(
        title,
        nodes,
        (Note(100, note, (-500, 0), (440, 1200)),),
        groups,
        thumbnail_of=(n["crop shown"], n["soft edges shown"], n["pose shown"]),
    )


WORKFLOW = workflow(SD15)
