"""Other programs, pip above all: run them, show their output in short, name the cure."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], object]

INSIDE = Path(__file__).with_name("inside.py")
SILENCE = 20.0  # seconds without a line before a sign of life is given
NO_NETWORK = re.compile(
    "NewConnectionError|NameResolutionError|name resolution|Name or service not known|"
    "getaddrinfo failed|Network is unreachable|No route to host|Connection refused|"
    "ConnectTimeout|ReadTimeout|timed out|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED|"
    "Max retries exceeded|ConnectionResetError|IncompleteRead"
)
NO_SPACE = re.compile("No space left on device|Errno 28|not enough space|quota exceeded")
FULL = "The disk is full. Make room and run the same command again."


class SetupError(Exception):
    """Something the user can cure; the message says what happened and how."""


class Unresolvable(SetupError):
    """pip reached its index and found no version that fits."""


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str


def quiet(_: str) -> None:
    """Show nothing."""


def run(
    command: Sequence[str | Path],
    say: Say = quiet,
    shorten: Callable[[str], str] = str,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> Outcome:
    """Run a program to its end; `shorten` turns a line of its output into what is shown, "" hides.

    Inheritable files stay open in the child: that is how a lock outlives a killed parent for as
    long as the program it started still works.
    """
    child = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=folder,
        close_fds=False,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(child, lines), daemon=True).start()
    started, kept = time.monotonic(), []
    try:
        while True:
            try:
                line = lines.get(timeout=SILENCE)
            except queue.Empty:
                say(f"  ... still working, {time.monotonic() - started:.0f} s")
                continue
            if line is None:
                break
            kept.append(line)
            if shown := shorten(line.rstrip()):
                say(shown)
        return Outcome(child.wait(), "".join(kept))
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def _read(child: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line)
    lines.put(None)


def _manner(python: str | Path) -> tuple[list[str], dict[str, str] | None]:
    """Flags and environment: the running interpreter as it runs now, another one undisturbed."""
    if str(python) != sys.executable:
        return [], clean_environment()
    return (["-s"] if sys.flags.no_user_site else []), None


def inside(python: str | Path, question: str, *arguments: str) -> dict:
    """The answer of likeness/setup/inside.py, asked within another interpreter."""
    own, environment = _manner(python)
    command = [str(python), *own, str(INSIDE), question, *arguments]
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment,
        )
    except OSError as error:
        raise SetupError(f"{python} cannot be run: {error}") from error
    last = answer.stdout.strip().rpartition("\n")[2]
    if answer.returncode or not last.startswith("{"):
        raise SetupError(
            f"{python} could not answer '{question}' (exit code {answer.returncode}):\n"
            f"{tail(answer.stderr or answer.stdout)}"
        )
    return json.loads(last)


def pip(
    python: str | Path,
    *arguments: str | Path,
    say: Say = quiet,
) -> str:
    """Run pip in `python` with the machine's own pip configuration; raise what cures a failure."""
    own, environment = _manner(python)
    command = [python, *own, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    outcome = run(command, say, shorten_pip, environment)
    if outcome.code:
        raise failure(python, outcome.output)
    return outcome.output


def shorten_pip(line: str) -> str:
    """Large downloads and the installation itself are worth a line, the rest is not."""
    line = line.strip()
    if re.search(r"^Downloading .*\(([\d.]+ GB|\d\d+(\.\d+)? MB)\)", line):
        return f"  {line.replace('Downloading ', 'downloading ').rsplit('/', 1)[-1]}"
    if line.startswith("Installing collected packages:"):
        return f"  installing {line.count(',') + 1} packages"
    return ""


def failure(python: str | Path, output: str) -> SetupError:
    """What a failed pip run means to a person."""
    module = typed(python, "-m")
    if "No module named pip" in output:
        return SetupError(
            f"{python} has no pip. Run '{module} ensurepip --upgrade', or with uv "
            f"'{typed('uv', 'pip', 'install', '--python', python, 'pip')}', then try again."
        )
    if "DO NOT MATCH THE HASHES" in output:
        return SetupError(
            "A file of the package index is not the one that was expected, and nothing of it was "
            f"used. See where pip takes it from with '{module} pip config list'.\n{tail(output)}"
        )
    if NO_SPACE.search(output):
        return SetupError(f"{FULL}\n{tail(output)}")
    if "externally-managed-environment" in output:
        return SetupError(
            f"{python} belongs to the operating system, which forbids pip in it. Run this command "
            "with the Python of ComfyUI's own virtual environment."
        )
    if NO_NETWORK.search(output):
        return SetupError(
            "The package index cannot be reached. Check the network, a proxy (HTTPS_PROXY) and "
            f"pip's settings ('{module} pip config list'), then run the same command again.\n"
            f"{tail(output)}"
        )
    if "Permission denied" in output or "Errno 13" in output:
        return SetupError(f"pip may not write into {python}'s packages.\n{tail(output)}")
    if re.search("no such option: --(dry-run|report)", output):
        return SetupError(
            f"The pip of {python} is too old (22.2 is needed). "
            f"Run '{module} pip install --upgrade pip', then try again."
        )
    if re.search("ResolutionImpossible|No matching distribution|conflicting dependencies", output):
        return Unresolvable(reason(output))
    return Unresolvable(tail(output))


def reason(output: str) -> str:
    """The part of pip's resolver output that says which packages stand against each other."""
    lines = [line.strip() for line in output.splitlines()]
    told = re.compile(r" depends on | requested .*==|\(constraint\)")
    conflict = [line for line in lines if told.search(line)]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return "; ".join(dict.fromkeys(conflict[:4] or errors[:2])) or tail(output)


def typed(*parts: str | Path) -> str:
    """A command as it is typed into a shell, in a path with spaces too."""
    plain = re.compile(r"[\w./\\:+=~-]+")
    return " ".join(text if plain.fullmatch(text) else f'"{text}"' for text in map(str, parts))


def tail(output: str, count: int = 6) -> str:
    """The last lines that say something, without colours."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", output)
    lines = [line for line in plain.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("WARNING")] or lines
    return "\n".join(f"    {line}" for line in lines[-count:])


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would lead a virtual environment's Python or pip astray."""
    astray = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")
    kept = {name: value for name, value in os.environ.items() if name not in astray}
    return {**kept, "PIP_USER": "0", **more}
