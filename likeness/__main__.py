"""Likeness on the command line: `python -m likeness COMMAND` in the pack's folder."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .headless import command as headless

if TYPE_CHECKING:
    from .detect import Analyzer
    from .identity import People
    from .montage.montage import Montage
    from .parse import Parser
    from .swap_folder.settings import Settings
    from .swapping.swapper import Swapper

MONTAGE, BUILT_IN, OFF = "warp and blend", "built in", "off"
IDENTITY = ".safetensors"
EXAMPLES = """\
examples:
  python -m likeness swap-folder photos swapped --person me.jpg
  python -m likeness swap-folder photos swapped --person anna.safetensors \\
      --analyzer models/insightface/models/buffalo_l --swapper models/insightface/inswapper_128.onnx
  python -m likeness convert RestoreFormer++.ckpt RestoreFormer++.safetensors
  python -m likeness run "Find faces" --set "Picture=me.png"

Swap in your own face, or that of a person who agreed. The results say in their metadata that
they are synthetic and show no real event; leave that in. Many networks forbid commercial use:
'python install.py models' lists which.
"""
SWAP_FOLDER = """\
Swap a person into every picture of a folder. TARGET gets accepted/ (pictures and metadata.jsonl),
rejected/ (broken ones, with the reasons), report.json, contact-sheet.jpg and README.md.

Only pictures right in SOURCE are taken, its sub-folders are not entered, and nothing in it is
changed. A run that was stopped, in whatever way, goes on with the same command. Pictures that are
new or changed are done; results that are there are left alone; results that were deleted are made
again. Other settings need another TARGET, or --anew.
"""
CONVERT = """\
Write the network of a face restorer's file as .safetensors. What a .ckpt holds beside it, such as
the other networks that it was trained with, is left out. Nothing in FILE is run, FILE stays, and a
file that is there is not written over.
"""


class Mistake(Exception):
    """What the user can mend, in words."""


def main(arguments: Sequence[str]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that a terminal or a log cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    syntax = parser()
    options = syntax.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except Mistake as error:
        print(f"likeness: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # "| head" has seen enough; the run goes on with the same command
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on where this ended.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="python -m likeness",
        description="Likeness on the command line.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    swap = commands.add_parser(
        "swap-folder",
        help="swap a person into every picture of a folder, and sort the broken results out",
        description=SWAP_FOLDER,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _swap_folder_options(swap)
    restorer = commands.add_parser(
        "convert",
        help="write a face restorer's .ckpt or .pth file as .safetensors",
        description=CONVERT,
    )
    restorer.add_argument("file", metavar="FILE", type=Path, help="such as RestoreFormer++.ckpt")
    restorer.add_argument("target", metavar="OUT", type=Path, help="the new .safetensors file")
    told = "run a workflow on a ComfyUI that is running, and fetch the results"
    headless.add_options(commands.add_parser("run", help=told))
    return whole


def _swap_folder_options(swap: argparse.ArgumentParser) -> None:
    add = swap.add_argument
    add("source", metavar="SOURCE", type=Path, help="folder of pictures; they stay as they are")
    add("target", metavar="TARGET", type=Path, help="folder of the results; new, or of this run")
    add(
        "--person",
        metavar="FILE",
        type=Path,
        nargs="+",
        required=True,
        help="identity files (.safetensors), a person each; or photos, all of one person",
    )
    add("--name", default="", help="what the person of the photos is called in the metadata")
    add(
        "--swapper",
        metavar="FILE",
        default=MONTAGE,
        help=f"a network's file, or '{MONTAGE}', which needs none (default)",
    )
    add(
        "--analyzer",
        metavar="FOLDER",
        default=BUILT_IN,
        help=f"an insightface pack, or '{BUILT_IN}': frontal faces, no identity (default)",
    )
    add("--parser", metavar="FILE", type=Path, help="a face parser, for --covers parsed")
    how = swap.add_argument_group("how")
    how.add_argument("--faces", choices=("largest", "all"), default="largest", help="of a picture")
    how.add_argument("--strength", type=float, default=1.0, help="0 to 1 (default: 1)")
    how.add_argument("--boost", type=int, default=1, help="1 to 8 times the network's resolution")
    how.add_argument("--covers", choices=("box", "landmarks", "parsed"), default="box")
    how.add_argument("--pairing", choices=("in order", "by similarity"), default="in order")
    how.add_argument("--threshold", type=float, default=0.5, help="of the analyzer (default: 0.5)")
    how.add_argument("--format", choices=("png", "jpeg"), default="png", help="(default: png)")
    limits = swap.add_argument_group(
        "limits", "Beyond these a result is rejected; 'off' does not look at it."
    )
    for name, default, told in LIMITS:
        limits.add_argument(
            f"--{name}",
            type=_limit,
            default=default,
            metavar="N",
            help=f"{told} (default: {default})",
        )
    swap.add_argument(
        "--anew",
        action="store_true",
        help="remove what an earlier run has written into TARGET, and begin again",
    )


LIMITS = (
    ("floor", 0.3, "least similarity to the person; without identity it is not measured"),
    ("sharpness", 0.08, "least detail, as a share of the target's"),
    ("shift", 0.08, "most that the face's points may move, in sides of the face"),
    ("colour", 15.0, "largest new step in Lab across the edge of the swap"),
    ("pose", 15.0, "most degrees by which pitch, yaw or roll may change"),
)


def _limit(text: str) -> float | None:
    return None if text == OFF else float(text)


def swap_folder(options: argparse.Namespace) -> int:
    with _installed():
        from .swap_folder.folder import swap_folder
        from .swap_folder.summary import describe_folder
        from .swap_folder.written import FolderError
    try:
        settings = _settings(options)
        analyzer = _analyzer(options.analyzer)
        people = _people(options.person, options.name, analyzer)
        report = swap_folder(
            options.source,
            options.target,
            people,
            _swapper(options.swapper),
            analyzer,
            settings,
            say=_say,
            parser=_parser(options.parser, options.covers),
            anew=options.anew,
        )
    except BrokenPipeError:
        raise
    except (FolderError, MemoryError, OSError, RuntimeError, ValueError) as error:
        raise Mistake(str(error) or "there is not enough memory") from error
    _say(describe_folder(report))
    return 0


def convert(options: argparse.Namespace) -> int:
    with _installed():
        from .restoring.convert import convert
    try:
        _say(str(convert(options.file.expanduser(), options.target.expanduser())))
    except BrokenPipeError:
        raise
    except (MemoryError, OSError, RuntimeError, ValueError) as error:
        raise Mistake(str(error) or "there is not enough memory") from error
    return 0


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise Mistake(
            f"{error.name} is not installed in {sys.executable}: use ComfyUI's Python"
        ) from error


def _settings(options: argparse.Namespace) -> Settings:
    from .swap_folder.provenance import Form
    from .swap_folder.settings import Limits, Settings, Which
    from .swapping.covering import Covers
    from .swapping.pairing import Pairing
    from .swapping.swap import Settings as Swapping

    return Settings(
        Swapping(options.strength, options.boost, Covers(options.covers), Pairing(options.pairing)),
        Limits(options.shift, options.floor, options.sharpness, options.colour, options.pose),
        Which(options.faces),
        Form(options.format),
        options.threshold,
    )


def _analyzer(name: str) -> Analyzer:
    from . import insight
    from .frontal import cascade

    return cascade.load() if name == BUILT_IN else insight.load(Path(name).expanduser())


def _swapper(name: str) -> Swapper | Montage:
    import torch

    from .montage.montage import Montage
    from .swapping.load import load

    if name == MONTAGE:
        return Montage()
    swapper = load(Path(name).expanduser())
    able = isinstance(swapper, torch.nn.Module) and torch.cuda.is_available()
    return swapper.to("cuda") if able else swapper


def _parser(file: Path | None, covers: str) -> Parser | None:
    from .parse import load

    if file is None:
        if covers == "parsed":
            raise ValueError("--covers parsed needs a face parser: name its file with --parser")
        return None
    return load(file)


def _people(files: Sequence[Path], name: str, analyzer: Analyzer) -> People:
    """Identity files in their order, then the one person of the photos."""
    from .identity import People
    from .identity_file import cleaned, load
    from .make_identity import make_identity
    from .swap_folder.sources import readable

    identities = [file for file in files if file.suffix.lower() == IDENTITY]
    photos = [file for file in files if file not in identities]
    known = [load(file) for file in identities]
    if photos:
        pictures = [_photo(file) for file in photos]
        known.append(make_identity(pictures, analyzer, cleaned(readable(name or photos[0].stem))))
    for person in known:
        for note in person.notes:
            _say(f"{person}: {note}")
    return People(tuple(known))


def _photo(file: Path):
    from .swap_folder.folder import as_image
    from .swap_folder.sources import Source, Unreadable, decode, load

    try:
        return as_image(decode(load(Source(file.name, file))[0]).pixels)
    except Unreadable as reason:
        raise ValueError(f"--person {file}: {reason}") from reason


def _say(line: str) -> None:
    print(line, flush=True)


COMMANDS = {"swap-folder": swap_folder, "convert": convert, "run": headless.run}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
