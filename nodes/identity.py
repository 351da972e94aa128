"""People: made from photos, put together, and compared with faces."""

from __future__ import annotations

from enum import Enum

import torch
from comfy_api.latest import io

from ..likeness.compare import compare, describe_compared, require_embeddings
from ..likeness.detect import require_images
from ..likeness.face import Faces as FoundFaces
from ..likeness.identity import People
from ..likeness.report import describe_people
from .host import meant, named, progress, reported
from .types import Analyzer, Faces, Identity

MAKERS = "Make Identity, Load Identity or Join Identities"
ALIKE = 0.35


class Count(str, Enum):
    ONE = "one person"
    EACH = "a person for each photo"


class MakeIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessMakeIdentity",
            display_name="Make Identity",
            category="Likeness/identity",
            description="Makes a person out of photos: the mean of what the analyzer's network "
            "sees in them, and the best of the photos. Your own face, or with consent.",
            search_aliases=[
                "build face model",
                "blended face model",
                "source face",
                "face embedding",
                "face id",
                "reactor build face model",
                "average face",
            ],
            is_input_list=True,
            inputs=[
                io.Image.Input(
                    "photos",
                    tooltip="Photos of the person: a batch, or a list of pictures of any sizes. "
                    "Of each the largest face counts.",
                ),
                Analyzer.Input(
                    "analyzer",
                    tooltip="From Load Face Analyzer. With an insightface pack the person gets an "
                    "embedding; the built-in one gives a portrait only.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    placeholder="the person's name",
                    tooltip="As reports and files call the person. For several, names with commas.",
                ),
                io.Combo.Input(
                    "people",
                    options=Count,
                    default=Count.ONE,
                    tooltip="Whether the photos show one person, or each another.",
                ),
                io.Float.Input(
                    "agreement",
                    default=0.3,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="A photo that agrees less than this with the others is left out, as "
                    "long as there are three or more. -1 keeps all.",
                ),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.05,
                    max=1.0,
                    step=0.01,
                    advanced=True,
                    tooltip="How sure a face must be. Lower it when the face in a photo is missed.",
                ),
            ],
            outputs=[
                Identity.Output(
                    display_name="identity", tooltip="For Swap Faces, Compare Faces, Save Identity."
                ),
                io.Image.Output(
                    display_name="portrait",
                    tooltip="The best photo, cut out upright; one picture for each person.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Which photos count, how well they agree, what was left out and why.",
                ),
            ],
        )

    @classmethod
    def execute(cls, photos, analyzer, name, people, agreement, threshold) -> io.NodeOutput:
        from ..likeness.make_identity import portraits

        for photo in photos:
            meant("photos", photo, torch.Tensor, "Load Image, or a batch of pictures")
            with named("photos"):
                require_images(photo)
        if not hasattr(analyzer[0], "embed"):
            kind = type(analyzer[0]).__name__
            raise ValueError(f"analyzer: a {kind} came in: connect Load Face Analyzer")
        make, advance = MAKING[Count(people[0])], progress(sum(map(len, photos)))
        made = make(photos, analyzer[0], name[0], agreement[0], threshold[0], advance)
        return reported(made, portraits(made), report=describe_people(made))


def _one(photos, analyzer, name, agreement, threshold, advance) -> People:
    from ..likeness.identity_file import cleaned
    from ..likeness.make_identity import make_identity

    made = make_identity(photos, analyzer, cleaned(name), agreement, advance, threshold)
    return People((made,))


def _each(photos, analyzer, name, agreement, threshold, advance) -> People:
    from ..likeness.identity_file import cleaned
    from ..likeness.make_identity import each_a_person

    names = [cleaned(each) for each in name.split(",")]
    return each_a_person(photos, analyzer, advance, names, threshold)


MAKING = {Count.ONE: _one, Count.EACH: _each}


class JoinIdentities(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessJoinIdentities",
            display_name="Join Identities",
            category="Likeness/identity",
            description="Puts people together, so that a picture with several faces gets them "
            "all: the first person for the first face, and so on.",
            search_aliases=[
                "combine identities",
                "several people",
                "multiple faces",
                "merge faces",
            ],
            inputs=[
                Identity.Input("first", tooltip="One person or several."),
                Identity.Input("second", tooltip="Those that come after them."),
            ],
            outputs=[
                Identity.Output(display_name="identity", tooltip="All of them, in order."),
                io.String.Output(display_name="report", tooltip="Who is in it."),
            ],
        )

    @classmethod
    def execute(cls, first, second) -> io.NodeOutput:
        meant("first", first, People, MAKERS)
        meant("second", second, People, MAKERS)
        joined = People((*first, *second))
        return reported(joined, report=describe_people(joined))


class CompareFaces(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessCompareFaces",
            display_name="Compare Faces",
            category="Likeness/identity",
            description="Tells how much the faces look like a person, and picks those that do.",
            search_aliases=[
                "face similarity",
                "face distance",
                "face embed distance",
                "face analysis compare",
                "same person",
                "cosine",
                "who is it",
            ],
            inputs=[
                Faces.Input("faces", tooltip="From Detect Faces, with an insightface pack."),
                Identity.Input("identity", tooltip=f"The person or people, from {MAKERS}."),
                io.Float.Input(
                    "threshold",
                    default=ALIKE,
                    min=-1.0,
                    max=1.0,
                    step=0.01,
                    tooltip="From which similarity on a face counts as the person. 0.35 rarely "
                    "takes a stranger; 0.5 and more is a good likeness.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="similarity",
                    tooltip="Of the face that is most alike: 1 is the same photo, strangers are "
                    "about 0. 0 when there is no face.",
                ),
                Faces.Output(
                    display_name="matching", tooltip="The faces at the threshold or above."
                ),
                Faces.Output(
                    display_name="best", tooltip="Of every picture the face that is most alike."
                ),
                io.String.Output(
                    display_name="report", tooltip="For every face: how alike, and whom."
                ),
            ],
        )

    @classmethod
    def execute(cls, faces, identity, threshold: float) -> io.NodeOutput:
        meant("faces", faces, FoundFaces, "Detect Faces or Select Faces")
        meant("identity", identity, People, MAKERS)
        if not -1 <= threshold <= 1:
            raise ValueError(f"threshold is {threshold:g}: choose -1 to 1, such as {ALIKE}")
        with named("faces"):
            require_embeddings(faces)
        with named("identity"):
            compared = compare(faces, identity)
        return reported(
            compared.similarity,
            compared.matching(threshold),
            compared.best(),
            report=describe_compared(compared, threshold),
        )
