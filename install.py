#!/usr/bin/env python3
"""Likeness on the command line: install, look, demonstrate, test. Standard library only."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = """\
examples:
  python install.py                   install what the nodes need (ComfyUI's own Python)
  python install.py --plan            only show what that would do
  python install.py doctor            a block to paste into a bug report
  python install.py demo              on a bare machine: the bundled workflows, end to end
  python install.py test -m "not slow"
  python install.py models --list

environment:
  COMFYUI_PATH, COMFYUI_PYTHON        use this ComfyUI and its Python, make none
  LIKENESS_CACHE                      where the sandboxed ComfyUI is made (6 GB)
"""


def main(arguments: list[str]) -> int:
    asks = arguments[1:] in (["-h"], ["--help"])
    passes_on = arguments[:1] in (["test"], ["bench"]) and not asks
    syntax = parser()
    options = syntax.parse_args(arguments[:1] if passes_on else arguments)
    if options.plan and options.command:
        syntax.error(f"--plan goes without a command; '{options.command}' would not heed it")
    rest = arguments[1:]
    needed = (3, 10) if options.command in (None, "doctor", "models") else (3, 11)
    if sys.version_info < needed:
        print(wrong_python(options.command, needed), file=sys.stderr)
        return 2
    sys.path.insert(0, HERE)
    from likeness.setup.process import FULL, SetupError

    for ending in {"SIGTERM", "SIGHUP"} & set(dir(signal)):
        if signal.getsignal(getattr(signal, ending)) != signal.SIG_IGN:  # as under nohup
            signal.signal(getattr(signal, ending), lambda *_: sys.exit(143))
    try:
        return COMMANDS[options.command](options, rest)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # "| head" has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"\n{FULL} ({error})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def wrong_python(command: str | None, needed: tuple[int, int]) -> str:
    names = (f"python3.{minor}" for minor in (13, 12, 11, 10) if (3, minor) >= needed)
    better = next((name for name in names if shutil.which(name)), f"python3.{needed[1]}")
    return (
        f"Python 3.{needed[1]} or newer is needed, and this is {sys.version.split()[0]}. "
        f"Try: {better} install.py {command or ''}"
    )


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="install.py",
        description="Without a command: install what the nodes need into this Python, "
        "without changing any package that is there.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument(
        "--plan", action="store_true", help="print what would be installed, and change nothing"
    )
    commands = whole.add_subparsers(dest="command", metavar="command")
    add = commands.add_parser
    add("doctor", help="print versions, providers, folders and weight files in one block to paste")
    add("host", help="make the sandboxed ComfyUI that demo and test use")
    demo = add("demo", help="run the bundled workflows on the demo portraits in a real ComfyUI")
    demo.add_argument("--port", type=int, help="the server's port (default: any free one)")
    told = "run the tests in a real ComfyUI; further arguments go to pytest"
    add("test", help=told, description=told)
    models = add("models", help="list weight files, or fetch and verify the named ones")
    models.add_argument(
        "names", nargs="*", metavar="NAME", help="files to fetch, or a workflow's title"
    )
    models.add_argument("--list", action="store_true", help="print the table (also without NAME)")
    models.add_argument("--folder", help="ComfyUI's models folder (default: the one around)")
    told = "measure; arguments: [NAME ...] [--check] [--json FILE]"
    add("bench", help=told, description=told)
    return whole


def prepare(options: argparse.Namespace, _: list[str]) -> int:
    from likeness.setup import prepare

    return prepare.prepare(sys.executable, options.plan, print)


def doctor(*_: object) -> int:
    from likeness.setup import doctor

    print(doctor.block())
    return 0


def host(*_: object) -> int:
    from likeness.setup.host import find_or_make

    started = time.monotonic()
    comfy = find_or_make(print)
    print(f"ComfyUI  {comfy.path}\nPython   {comfy.python}")
    print(f"ready after {time.monotonic() - started:.1f} s")
    return 0


def demo(options: argparse.Namespace, _: list[str]) -> int:
    from likeness.setup.demo import demo

    return demo(options.port, print)


def test(_: argparse.Namespace, rest: list[str]) -> int:
    from likeness.setup.suite import test

    return test(rest, print)


def bench(_: argparse.Namespace, rest: list[str]) -> int:
    from likeness.setup.suite import bench

    return bench(rest, print)


def models(options: argparse.Namespace, _: list[str]) -> int:
    from likeness.setup.models_command import models

    return models(options.names, options.list, options.folder, print)


COMMANDS = {
    None: prepare,
    "doctor": doctor,
    "host": host,
    "demo": demo,
    "test": test,
    "models": models,
    "bench": bench,
}

if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    sys.exit(main(sys.argv[1:]))
