"""Swap a face: a person's face onto a face of a picture, with nothing downloaded."""

import workflow_parts as parts
from workflow_builder import Group, Link, Node, Note, Workflow

NOTE = """\
# Swap a face

Press **Run**. The face of *Person* goes onto the face of *Target*. **Outside the face not one \
pixel changes.** *Compare Images* shows before and after, once *Nodes 2.0* is switched on in the \
main menu (the **C** in the corner).

**Use your own face, or that of somebody who agreed.** These two people do not exist.

**Nothing is downloaded**: *built in: warp and blend* is a photomontage by landmarks, good for \
frontal faces. For a real swap choose a network in *Load Swapper*, such as inswapper_128.onnx, \
and in *Load Face Analyzer* the insightface pack that it needs, buffalo_l. Both are for \
non-commercial research only. The report then says how like the person the face was, and is.

**Your own pictures**: *choose file to upload* in *Target* and in *Person*. Several photos of \
the person make a better identity: *Create List* takes them in any size. *Save Identity* keeps it.

**Several faces**: *indices* in *Select Faces* says which, empty for all.

**Sharper**: *boost* in *Swap Faces*. **Hair or a hand over the face**: connect *Load Face \
Parser* and set *covers* to *parsed*. **A seam**: raise *colour* or widen *feather*.

**Restore the new face**: the workflow *Swap, restore and compare* does that.
"""

WORKFLOW = Workflow(
    title="Swap a face",
    notes=(Note(100, NOTE, at=(-440, 0), size=(400, 620)),),
    groups=(
        Group("A picture, and a person", at=(-15, -75), size=(320, 1180)),
        Group("Which face, and whose", at=(320, -75), size=(320, 1180), colour="#8A8"),
        Group("The swap", at=(655, -75), size=(320, 1180), colour="#a1309b"),
        Group("Before and after", at=(990, -75), size=(420, 1180), colour="#b58b2a"),
    ),
    nodes=(
        *parts.swapped_portraits(),
        Node(
            9,
            "ImageCompare",
            "Compare Images",
            at=(1005, 0),
            size=(390, 400),
            inputs={"compare_view": ["", ""], "image_a": Link(1), "image_b": Link(8)},
        ),
        Node(
            10,
            "SaveImage",
            "Save Image",
            at=(1005, 465),
            size=(390, 615),
            inputs={"images": Link(8), "filename_prefix": "Likeness/swap_face"},
        ),
        Node(11, "PreviewImage", "The person", (0, 745), (290, 335), {"images": Link(6, 1)}),
    ),
    thumbnail_of=(11, 10),
)
