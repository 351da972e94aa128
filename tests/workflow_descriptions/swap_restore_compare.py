"""Swap, restore and compare: a person's face onto a picture, made sharp, and measured."""

import workflow_parts as parts
from workflow_builder import Group, Link, Node, Note, Workflow

NOTE = """\
# Swap, restore and compare

**One file is needed**: *GFPGANv1.4.pth* in *models/facerestore_models*. In the pack's folder run \
`python install.py models GFPGANv1.4.pth`. Other restorers do as well: choose one in *Load Face \
Restorer*, RestoreFormer++ for one. CodeFormer and GPEN may not be used commercially.

Press **Run**. The face of *Person* goes onto the face of *Target*, *Restore Faces* makes it \
sharp, and *Compare Images* shows the two, once *Nodes 2.0* is switched on in the main menu (the \
**C** in the corner). The sheet below has the face in detail, with its measured values.

**Use your own face, or that of somebody who agreed.** These two people do not exist.

**Still the same person.** Restorers paint eyes and teeth anew. In *Load Face Analyzer* choose an \
insightface pack, such as buffalo_l: then *guard* in *Restore Faces* mixes in only as much as \
leaves the face like itself, and the report has the similarity.

**Which restorer?** *Compare Restorers* takes up to four, and several *fidelities* of CodeFormer.

**Hats, hands and the background stay**: connect *Load Face Parser* to *parser*. Face, ears and \
hair are put back.

**The rest of the picture too**: set *factor* to 2 and connect core's *Load Upscale Model*, such \
as RealESRGAN_x2plus.pth, to *upscale_model*.

**Your own pictures**: *choose file to upload* in *Target* and *Person*. To restore without a \
swap, connect the picture to *Restore Faces* itself.
"""

WORKFLOW = Workflow(
    title="Swap, restore and compare",
    notes=(Note(100, NOTE, at=(-440, 0), size=(400, 760)),),
    groups=(
        Group("Two pictures", at=(-15, -75), size=(320, 1170)),
        Group("Which face, which person", at=(320, -75), size=(320, 1170)),
        Group("Swap", at=(655, -75), size=(320, 1170), colour="#a1309b"),
        Group("Restore", at=(990, -75), size=(320, 1170), colour="#3f7e4e"),
        Group("Compare", at=(1325, -75), size=(760, 1170), colour="#b58b2a"),
    ),
    nodes=(
        *parts.swapped_portraits(),
        parts.load_restorer(9, (1005, 0), (290, 150)),
        parts.restore_faces(
            10, (1005, 215), (290, 865), Link(8), Link(9), faces=Link(5), analyzer=Link(3)
        ),
        Node(
            11,
            "ImageCompare",
            "Compare Images",
            at=(1340, 0),
            size=(365, 400),
            inputs={"compare_view": ["", ""], "image_a": Link(8), "image_b": Link(10)},
        ),
        Node(
            12,
            "SaveImage",
            "Save Image",
            at=(1720, 0),
            size=(350, 400),
            inputs={"images": Link(10), "filename_prefix": "Likeness/swap_restore"},
        ),
        Node(
            13,
            "LikenessCompareRestorers",
            "Compare Restorers",
            at=(1340, 465),
            size=(290, 400),
            inputs={
                "image": Link(8),
                "restorer": Link(9),
                "fidelities": "0.7",
                "faces": Link(5),
                "analyzer": Link(3),
            },
        ),
        Node(14, "PreviewImage", "Side by side", (1645, 465), (425, 615), {"images": Link(13)}),
    ),
    thumbnail_of=(12,),
    thumbnail_with={9: {"restorer": "gfpgan_1.4.onnx"}},
)
