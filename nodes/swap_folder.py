"""Swapping a whole folder of pictures into a data set. What only a run needs is imported there."""

from __future__ import annotations

import hashlib
import os
from enum import Enum
from pathlib import Path

import torch
from comfy_api.latest import io, ui

from ..likeness.identity import People
from ..likeness.parse import WORKING as PARSING
from ..likeness.parse import Parser as ParserNetwork
from ..likeness.swap_folder.choices import Form, Limits, Which
from ..likeness.swapping.boost import MOST
from ..likeness.swapping.covering import Covers
from ..likeness.swapping.pairing import Pairing
from .analyzer import finder
from .folders import DEMO, files, folders, roots, source, state, target
from .host import loaded, meant, named, progress
from .swap import ready
from .types import Analyzer, Identity, Parser, Swapper

GREY = 0.5  # of the picture that stands in for a sheet


class Resume(str, Enum):
    """What happens to the results of an earlier run; the values are what a user reads."""

    GO_ON = "continue"
    ANEW = "start anew"


class SwapFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessSwapFolder",
            display_name="Swap Folder",
            category="Likeness/swap",
            description="Puts the face of a person into every picture of a folder and sorts the "
            "broken results out: a synthetic data set. Use your own face, or that of somebody who "
            "agreed.",
            search_aliases=[
                "batch face swap",
                "face swap folder",
                "synthetic dataset",
                "training set",
                "directory",
                "reactor batch",
            ],
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=[DEMO, *folders()],
                    default=DEMO,
                    tooltip="The pictures: those that come with ComfyUI for trying out, or a "
                    "folder in ComfyUI's input or output. Its sub-folders are not entered, and "
                    "nothing in it is changed. Press R when a new one is missing.",
                ),
                Identity.Input(
                    "identity", tooltip="Who is swapped in: from Make Identity or Load Identity."
                ),
                Swapper.Input("swapper", tooltip="From Load Swapper."),
                io.String.Input(
                    "name",
                    default="swapped",
                    tooltip="The folder of the results, below ComfyUI's output. It gets accepted, "
                    "rejected, a report and a contact sheet.",
                ),
                io.Combo.Input(
                    "resume",
                    options=Resume,
                    default=Resume.GO_ON,
                    tooltip="'continue' goes on where a run was stopped and does pictures that "
                    "are new or changed. 'start anew' first removes what a run has written into "
                    "this folder; with other settings it is this, or another name.",
                ),
                io.Combo.Input(
                    "faces",
                    options=Which,
                    default=Which.LARGEST,
                    tooltip="Which faces of a picture are swapped. A picture is accepted when all "
                    "of its swapped faces are.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="1 is the person, 0 is who was there before.",
                ),
                io.Int.Input(
                    "boost",
                    default=1,
                    min=1,
                    max=MOST,
                    tooltip="How many times the network's own resolution the new face gets.",
                ),
                io.Combo.Input(
                    "covers",
                    options=[each.value for each in Covers if each is not Covers.MASK],
                    default=Covers.BOX.value,
                    tooltip="What of the new face is put back: all of it, face and forehead by "
                    "the landmarks, or what a parser sees of the face.",
                ),
                io.Combo.Input(
                    "pairing",
                    options=Pairing,
                    default=Pairing.ORDER,
                    advanced=True,
                    tooltip="Who goes onto whom, where there are several people.",
                ),
                io.Combo.Input(
                    "format",
                    options=Form,
                    default=Form.PNG,
                    advanced=True,
                    tooltip="'png' loses nothing and keeps transparency; 'jpeg' is a tenth of the "
                    "size.",
                ),
                *_limit_inputs(),
                Analyzer.Input(
                    "analyzer",
                    optional=True,
                    tooltip="Finds the faces, before and after. One that knows identity also "
                    "measures how like the person each result is. Without it the built-in finder "
                    "is used.",
                ),
                Parser.Input(
                    "parser", optional=True, tooltip="From Load Face Parser, for 'parsed'."
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="sheet",
                    tooltip="The contact sheet: faces before and after, accepted ones first.",
                ),
                io.Int.Output(display_name="accepted", tooltip="How many results passed."),
                io.String.Output(
                    display_name="report", tooltip="Totals, and why results were left out."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, folder: str | None, name: str | None, **others: object) -> str:
        """Changes with the pictures, and when the results are gone."""
        from ..likeness.swap_folder.journal import REPORT, lost

        states = [(str(path), *state(path)) for path in files(folder)]
        try:
            states.append((os.path.exists(target(name) / REPORT), lost(target(name))))
        except ValueError:  # execute says why
            states.append(("refused", name))
        return hashlib.sha256(repr(states).encode("utf-8", "replace")).hexdigest()

    @classmethod
    def execute(
        cls,
        folder: str,
        identity,
        swapper,
        name: str,
        resume: str,
        faces: str,
        strength: float,
        boost: int,
        covers: str,
        pairing: str,
        format: str,
        floor: float,
        sharpness: float,
        shift: float,
        colour: float,
        pose: float,
        analyzer=None,
        parser=None,
    ) -> io.NodeOutput:
        from ..likeness.swap_folder.folder import as_image, swap_folder
        from ..likeness.swap_folder.settings import Settings
        from ..likeness.swap_folder.sources import decode
        from ..likeness.swap_folder.summary import describe_folder
        from ..likeness.swapping.swap import Settings as Swapping

        meant("identity", identity, People, "Make Identity or Load Identity")
        settings = Settings(
            Swapping(strength, boost, Covers(covers), Pairing(pairing)),
            Limits(*(value or None for value in (shift, floor, sharpness, colour, pose))),
            Which(faces),
            Form(format),
        )
        if settings.swapping.covers is Covers.PARSED:
            parser = loaded("parser", parser, ParserNetwork, "Load Face Parser", PARSING)
        with named("folder"):
            pictures = source(folder)
        report = swap_folder(
            pictures,
            target(name),
            identity,
            ready(swapper),
            finder(analyzer),
            settings,
            progress(1),
            parser=parser,
            anew=Resume(resume) is Resume.ANEW,
        )
        sheet = torch.full((1, 64, 64, 3), GREY)
        if report.sheet is not None:
            sheet = as_image(decode(report.sheet.read_bytes()).pixels)
        told = describe_folder(report)
        return io.NodeOutput(sheet, report.accepted, told, ui=_shown(report.sheet, told))


def _limit_inputs() -> list[io.Float.Input]:
    """Of the library's defaults; 0 switches a limit off."""
    usual = Limits()
    rows = (
        ("floor", usual.similarity, 1.0, "Least similarity to the person; not measured where the "
         "analyzer or the identity knows none."),
        ("sharpness", usual.sharpness, 1.0, "Least detail, as a share of what the target's face "
         "has."),
        ("shift", usual.shift, 1.0, "Most that eyes, nose and mouth may move, in sides of the "
         "face. A face that is not found again is rejected by this, too."),
        ("colour", usual.colour, 100.0, "Largest new step in colour across the edge of the swap, "
         "in Lab."),
        ("pose", usual.pose, 180.0, "Most degrees by which the head may turn or nod."),
    )  # fmt: skip
    return [
        io.Float.Input(
            name,
            default=default,
            min=0.0,
            max=most,
            step=0.01,
            advanced=True,
            tooltip=f"{told} 0: not looked at.",
        )
        for name, default, most, told in rows
    ]


def _shown(sheet: Path | None, report: str) -> dict:
    """The report and the sheet, on the node and in the history."""
    values = ui.PreviewText(report).as_dict()
    if sheet is None:
        return values
    below = sheet.parent.relative_to(roots()["output"]).as_posix()
    shown = {"filename": sheet.name, "subfolder": below, "type": "output"}
    return values | {"images": [shown]}
