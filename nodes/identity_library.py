"""People in files: keeping them, and loading them again."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

from comfy_api.latest import io, ui

from ..likeness import identity_file
from ..likeness.identity import People
from ..likeness.report import describe_people
from .host import meant, model_folders, named, reported
from .identity import MAKERS
from .types import Identity

FOLDER = "identities"
NONE_YET = "none yet: Save Identity makes one"


class Taken(str, Enum):
    NUMBER = "number it"
    REPLACE = "replace"


class SaveIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessSaveIdentity",
            display_name="Save Identity",
            category="Likeness/identity",
            description="Keeps a person as a .safetensors file in models/identities, with the "
            "portrait as its picture in the model library.",
            search_aliases=["save face model", "export face", "store identity", "face file"],
            inputs=[
                Identity.Input("identity", tooltip=f"One person, from {MAKERS}."),
                io.String.Input(
                    "name",
                    default="",
                    placeholder="as the person is called",
                    tooltip="Name of the file and of the person. Empty takes the person's own. "
                    "What no file may be called by is left out.",
                ),
                io.Combo.Input(
                    "if_it_exists",
                    options=Taken,
                    default=Taken.NUMBER,
                    tooltip="When there is a file of that name: give the new one a number, or put "
                    "it in the old one's place.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="Where the file is."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, name: str | None, if_it_exists: str | None, **_: object) -> str:
        """Changes when a file that is to be replaced is gone: then it is written again."""
        file = Path(model_folders(FOLDER)[0], f"{identity_file.safe_name(name or '')}.safetensors")
        return repr(if_it_exists == Taken.REPLACE.value and file.exists())

    @classmethod
    def execute(cls, identity, name: str, if_it_exists: str) -> io.NodeOutput:
        meant("identity", identity, People, MAKERS)
        with named("identity"):
            file = identity_file.keep(
                identity, model_folders(FOLDER)[0], name, Taken(if_it_exists) is Taken.REPLACE
            )
        size = f"{file.stat().st_size / 1000:,.0f} kB"
        return reported(report=f"saved as {file} ({size})\n{describe_people(identity)}")


class LoadIdentity(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadIdentity",
            display_name="Load Identity",
            category="Likeness/identity",
            description="Loads a person from models/identities, or a face file of ReActor from "
            "models/reactor/faces.",
            search_aliases=[
                "load face model",
                "reactor load face model",
                "face file",
                "source face",
            ],
            inputs=[
                io.Combo.Input(
                    "identity",
                    options=[*_files()] or [NONE_YET],
                    tooltip="A file in models/identities or models/reactor/faces. Press R after "
                    "saving one.",
                ),
            ],
            outputs=[
                Identity.Output(
                    display_name="identity", tooltip="For Swap Faces, Compare Faces and the rest."
                ),
                io.Image.Output(
                    display_name="portrait",
                    tooltip="The picture in the file; grey where it has none.",
                ),
                io.String.Output(display_name="report", tooltip="What the file holds."),
            ],
        )

    @classmethod
    def validate_inputs(cls, identity: str | None) -> bool | str:  # None while it comes by a wire
        return True if identity is None or str(identity) in _files() else _absent(identity)

    @classmethod
    def fingerprint_inputs(cls, identity: str | None) -> str:
        found = _files().get(identity)
        return repr(found and (str(found), found.stat().st_size, found.stat().st_mtime_ns))

    @classmethod
    def execute(cls, identity: str) -> io.NodeOutput:
        from ..likeness.make_identity import portraits

        file = _files().get(identity)
        if file is None:
            raise ValueError(f"identity: {_absent(identity)}")
        with named("identity"):
            people = People((identity_file.load(file),))
        picture, report = portraits(people), describe_people(people)
        shown = ui.PreviewText(report).as_dict()
        if people.known[0].portrait is not None:
            shown |= ui.PreviewImage(picture, cls=cls).as_dict()
        return io.NodeOutput(people, picture, report, ui=shown)


def _files() -> dict[str, Path]:
    """What could hold a person, by its name in the folder, as core's model library names it.

    Not by the host's own list: that fails once a folder that it has seen is gone.
    """
    found: dict[str, Path] = {}
    for folder in model_folders(FOLDER):
        here = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
        for path in sorted(here):
            if path.suffix.lower() == identity_file.SUFFIX:
                found.setdefault(str(path.relative_to(folder)), path)
    return found


def _absent(name: str) -> str:
    there = [*_files()]
    if not there:
        return (
            "there is no identity yet: make one with Make Identity and Save Identity, or put a "
            f".safetensors file into models/{FOLDER}, and press R"
        )
    return f"{str(name)[:80]!r} is not in models/{FOLDER}: choose one of {', '.join(there[:20])}"
