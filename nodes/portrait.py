"""The picture that a workflow begins with: a demo portrait, or one's own."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..likeness.demo import PORTRAITS, read
from .host import reported


class LoadPortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessLoadPortrait",
            display_name="Load Portrait",
            category="Likeness",
            description="Your picture, or one of the generated portraits out of ComfyUI's own "
            "templates, to try things on without a file. Those people do not exist.",
            search_aliases=[
                "load image",
                "open picture",
                "example image",
                "sample face",
                "test picture",
                "demo portrait",
            ],
            inputs=[
                io.Combo.Input(
                    "portrait",
                    options=[*PORTRAITS, *_own()],
                    upload=io.UploadType.image,
                    tooltip="First the portraits that come with ComfyUI, then the files in its "
                    "input folder. 'choose file to upload' takes one of yours; so does dropping it "
                    "onto the node.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture, as it is."),
                io.String.Output(display_name="report", tooltip="Where the picture comes from."),
            ],
        )

    @classmethod
    def validate_inputs(cls, portrait: str | None) -> bool | str:  # None while it comes by a wire
        """A file that was put there since the page was opened is as good as those in the list."""
        if portrait is None or portrait in PORTRAITS or _file(portrait):
            return True
        return (
            f"portrait is {portrait[:80]!r}, which is neither a file in ComfyUI's input folder nor "
            f"one of {', '.join(PORTRAITS)}: choose one, or upload the file"
        )

    @classmethod
    def fingerprint_inputs(cls, portrait: str | None) -> str:
        found = None if portrait is None or portrait in PORTRAITS else _file(portrait)
        state = found and found.stat()
        return repr(state and (str(found), state.st_size, state.st_mtime_ns))

    @classmethod
    def execute(cls, portrait: str) -> io.NodeOutput:
        found = portrait not in PORTRAITS and _file(portrait)
        if found:
            from nodes import LoadImage  # ComfyUI's own: it knows every kind of file

            image, origin = LoadImage().load_image(portrait)[0], "your file"
        else:
            image, origin = read(portrait), PORTRAITS[portrait]
        count, height, width = image.shape[:3]
        size = f"{count} pictures of {width} x {height}" if count > 1 else f"{width} x {height}"
        return reported(image, report=f"{portrait}: {origin}, {size}")


def _own() -> list[str]:
    """The pictures in ComfyUI's input folder."""
    folder = Path(folder_paths.get_input_directory())
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    return folder_paths.filter_files_content_types(files, ["image"])


def _file(name: str) -> Path | None:
    """The picture of this name in ComfyUI's own folders, also 'name [output]'; else None."""
    bare, folder = folder_paths.annotated_filepath(name)
    folder = Path(folder or folder_paths.get_input_directory()).resolve()
    path = (folder / bare).resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None
