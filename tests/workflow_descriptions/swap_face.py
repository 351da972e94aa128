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

**Your own pictures**: add two *Load Image*. One goes to *Detect Faces*, *Swap Faces* and \
*Compare Images* in place of *Target*, the other to *Make Identity* in place of *Person*. Several \
photos of the person make a better identity: *Create List* takes them in any size. *Save \
Identity* keeps it.

**Several faces**: *indices* in *Select Faces* says which, empty for all.

**Sharper**: *boost* in *Swap Faces*. **Hair or a hand over the face**: connect *Load Face \
Parser* and set *covers* to *parsed*. **A seam**: raise *colour* or widen *feather*.

**Restore before it is pasted**: take *crops* and *placement*, and end with *Paste Faces*.
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
        Node(
            1,
            "LikenessDemoPortrait",
            "Target",
            at=(0, 0),
            size=(290, 200),
            inputs={"portrait": "snow"},
        ),
        Node(
            2,
            "LikenessDemoPortrait",
            "Person",
            at=(0, 265),
            size=(290, 200),
            inputs={"portrait": "studio"},
        ),
        parts.load_analyzer(3, (0, 530), (290, 150)),
        parts.detect_faces(4, (335, 0), (290, 240), Link(1), Link(3)),
        parts.select_faces(5, (335, 305), (290, 400), Link(4), "0"),
        parts.make_identity(6, (335, 770), (290, 310), Link(2), Link(3), ""),
        parts.load_swapper(7, (670, 0), (290, 150)),
        Node(
            8,
            "LikenessSwapFaces",
            "Swap Faces",
            at=(670, 215),
            size=(290, 865),
            inputs={
                "image": Link(1),
                "swapper": Link(7),
                "strength": 1.0,
                "boost": 1,
                "covers": "box",
                "pairing": "in order",
                "way": "replace",
                "blend": "feather",
                "blend.feather": 0.1,
                "blend.colour": 0.0,
                "blend.grain": 0.0,
                "faces": Link(5),
                "identity": Link(6),
                "analyzer": Link(3),
            },
        ),
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
