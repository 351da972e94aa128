"""Synthetic data set of a person: a folder of pictures, a person's face on all of them."""

import workflow_parts as parts
from workflow_builder import Group, Link, Node, Note, Workflow

NOTE = """\
# Synthetic data set of a person

Press **Run**. The face of *Person* goes onto the largest face of every picture in a folder, and \
what came out broken is sorted out: no face found again, too little like the person, blurred, a \
step in colour at the edge, another pose. Each result has its measured values, each rejected one \
its reason.

**Use your own face, or that of somebody who agreed.** These people do not exist. Every picture \
says in its own metadata that a face was swapped.

**The results** are in ComfyUI's *output/dataset*: *accepted*, with a *metadata.jsonl* as \
trainers read it, *rejected*, *report.json* and the contact sheet. The originals are never \
touched. A run that was stopped goes on where it was.

**Your own pictures**: make a folder in ComfyUI's *input*, press **R**, and choose it in \
*folder*. Bodies, clothes and light of these pictures are what a training learns besides the \
face: take varied ones.

**Your own face**: *choose file to upload* in *Person*; *Create List* takes several photos. \
*Load Identity* takes a saved one.

**Better than a photomontage**: a network in *Load Swapper*, and in *Load Face Analyzer* the pack \
that it needs. With a pack *floor*, among the advanced settings, keeps only what is like the \
person. Mind the licences: most of these weights forbid commercial use, for what is trained on \
the results too.

The same without the editor: `python -m likeness swap-folder --help`.
"""

WORKFLOW = Workflow(
    title="Synthetic data set of a person",
    notes=(Note(100, NOTE, at=(-440, 0), size=(400, 640)),),
    groups=(
        Group("A person", at=(-15, -75), size=(320, 1010)),
        Group("Onto every picture of a folder", at=(320, -75), size=(340, 1010), colour="#a1309b"),
        Group("What came of it", at=(675, -75), size=(560, 1010), colour="#b58b2a"),
    ),
    nodes=(
        parts.demo_portrait(1, (0, 0), (290, 200), "garden", "Person"),
        parts.load_analyzer(2, (0, 265), (290, 150)),
        parts.make_identity(3, (0, 480), (290, 440), Link(1), Link(2), "nobody"),
        parts.load_swapper(4, (335, 0), (310, 150)),
        Node(
            5,
            "LikenessSwapFolder",
            "Swap Folder",
            at=(335, 215),
            size=(310, 705),
            inputs={
                "folder": "demo portraits",
                "identity": Link(3),
                "swapper": Link(4),
                "name": "dataset",
                "resume": "continue",
                "faces": "largest",
                "strength": 1.0,
                "boost": 1,
                "covers": "box",
                "pairing": "in order",
                "format": "png",
                "floor": 0.3,
                "sharpness": 0.08,
                "shift": 0.08,
                "colour": 15.0,
                "pose": 15.0,
                "analyzer": Link(2),
            },
        ),
        Node(6, "PreviewImage", "Contact sheet", (690, 0), (530, 300), {"images": Link(5)}),
        Node(7, "PreviewImage", "The person", (690, 365), (530, 555), {"images": Link(3, 1)}),
    ),
    thumbnail_of=(5,),
    thumbnail_at=(0.0, 0.0),
)
