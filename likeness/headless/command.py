"""The command "run": a workflow on a running ComfyUI, from its title to the files on the disk."""

from __future__ import annotations

import argparse
import hashlib
import signal
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..client import Client, PromptError, ServerError, raise_failure, texts
from . import results, settings
from .missing import absent_embeddings, absent_models, aligned
from .settings import UnknownSetting
from .shown import Shown
from .values import WrongValue
from .watch import Listener, TooLong, needed, wait
from .workflow import UnknownWorkflow, Workflow, find, titles

SERVER = "http://127.0.0.1:8188"
UPLOADED = "likeness"  # folder among the server's inputs
SHORT = 10.0  # seconds that a farewell to the server may take
START = """\
In its folder 'python main.py' starts it, and --server takes the address that it prints. Where there
is no ComfyUI, 'python install.py host' in the pack's folder makes one."""
DESCRIPTION = """\
Run a workflow on a ComfyUI that is running, and fetch what it saves. Progress goes to the error
output, the paths of the results to the output. WORKFLOW is the title of a bundled workflow, or the
beginning of it, or a .json file of your own: exported from the page with Workflow > Export (API),
or saved by it."""
HELP = """\
names:
  "Title.input" is a setting of the node that has this title. The title alone means its only
  setting; else the one that it names ("Second strength" is "Second strength.strength"); else the
  picture or other file that it takes; else its text, value, prompt, string or number; else its
  model file; else the choice that it begins with ("Mask" is "Mask.region").
  "7.input" goes by the node's number. --list shows all of them.

values:
  pictures    A file of yours is uploaded. Where the server knows a picture of that name too, the
              server's is meant, unless the value has a folder or an ending: "harbour" is the
              server's, "./harbour" and "harbour.png" are yours where there is such a file.
  choices     Small letters do; folders of models may be parted by / or by \\.
  texts       @notes.txt is what stands in that file, @@ a text that begins with @. Where a text may
              have several lines, \\n begins a new one.
  true, false for switches.

bundled workflows:
  {titles}

The exit code is 0 when the workflow ran; 130 after Ctrl-C, which cancels it on the server; 143
after a termination signal, which does, too; 1 for everything else.
"""


# What ComfyUI says where a network of one family meets one of another.
MIXED = ("shapes cannot be multiplied", "y is None")
FAMILIES = (
    "Checkpoint, LoRA, ControlNets and embeddings must be of one family: all for SD 1.5, or all "
    "for SDXL."
)


class RunError(Exception):
    """Why a run ended without its result, in words for its user."""


@dataclass
class Run:
    """One prompt on one server."""

    client: Client
    workflow: Workflow
    known: Mapping
    prompt: dict
    folder: Path
    chosen: dict[str, object] = field(default_factory=dict)
    prompt_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)

    def report(self, status: str, outputs: Sequence[dict] = (), error: str = "") -> Path:
        facts = {
            "workflow": self.workflow.title,
            "server": self.client.url,
            "prompt_id": self.prompt_id,
            "set": self.chosen,
            "seconds": round(time.monotonic() - self.started, 3),
            "status": status,
            "outputs": list(outputs),
        }
        told = {"error": error} if error else {}
        return results.put_report(self.folder, self.workflow.title, facts | told)


def add_options(command: argparse.ArgumentParser) -> None:
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.description = DESCRIPTION
    command.epilog = HELP.format(titles="\n  ".join(titles()))
    add = command.add_argument
    add("workflow", metavar="WORKFLOW", help="a title, such as 'V1 inpaint', or a .json file")
    told = "give a setting a value; may be repeated, and counts in this order"
    add("--set", metavar="NAME=VALUE", action="append", default=[], help=told)
    add(
        "--list",
        action="store_true",
        help="show the settings, as --set leaves them, and run nothing",
    )
    add("--server", metavar="URL", default=SERVER, help=f"of ComfyUI (default: {SERVER})")
    add("--out", metavar="DIR", type=Path, help="for the results (default: output/TITLE)")
    add("--all", action="store_true", help="fetch previews, too, where something was saved")
    told = "cancel it after so many seconds (default: never)"
    add("--timeout", metavar="S", type=float, help=told)


def run(options: argparse.Namespace) -> int:
    try:
        job = _prepared(options)
        if options.list:
            _list(job)
            return 0
        with _signals():
            return _run(job, options)
    except (RunError, ServerError, UnknownSetting, UnknownWorkflow, WrongValue) as error:
        print(f"likeness: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped, before anything ran.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # "| head" has seen enough
        raise
    except OSError as error:
        print(f"likeness: {error.filename or options.out}: {error.strerror}", file=sys.stderr)
        return 1


def _prepared(options: argparse.Namespace) -> Run:
    """The prompt with all its settings, and the server that it is for."""
    workflow = find(options.workflow)
    try:
        client = Client(options.server)
        known = client.object_info()
    except ServerError as error:
        raise RunError(f"{error}\n{START}") from error
    except ValueError as error:
        raise RunError(f"--server {error}") from error
    prompt = workflow.prompt(known)
    folder = options.out or Path("output") / results.safe(workflow.title)
    job = Run(client, workflow, known, prompt, folder.expanduser())
    for each in options.set:
        name, equals, value = each.partition("=")
        if not equals:
            raise RunError(f"--set {each}: write it as NAME=VALUE")
        setting = settings.set_value(prompt, known, name, value, lambda file: _upload(client, file))
        job.chosen[setting.name] = prompt[setting.node]["inputs"][setting.widget.name]
    aligned(prompt, known)
    return job


def _upload(client: Client, file: Path) -> str:
    """Under a name that tells its content: no other picture of the server is written over."""
    content = file.read_bytes()
    name = f"{hashlib.sha256(content).hexdigest()[:16]}{file.suffix.lower()}"
    return client.upload(content, f"{results.safe(file.stem)[:40]}-{name}", UPLOADED)


def _list(job: Run) -> None:
    print(f"{job.workflow.title}: --set NAME=VALUE takes these, and without what is in brackets.")
    for setting in settings.settings(job.prompt, job.known):
        print(f"  {settings.described(setting)}")


def _run(job: Run, options: argparse.Namespace) -> int:
    lacking = list(absent_embeddings(job.prompt, job.known, job.client.embeddings))
    if lacking:
        raise RunError("\n".join(map(str, lacking)))
    running = {key: settings.title_of(job.prompt[key]) for key in needed(job.prompt, job.known)}
    listener = Listener(Shown(running), uuid.uuid4().hex)
    listener.open(job.client)
    try:
        _queue(job, listener)
        entry = wait(job.client, job.prompt_id, listener, options.timeout)
        listener.close()
        raise_failure(entry)
        return _finish(job, entry, options.all)
    except TooLong as error:
        listener.close()
        _cancel(job)
        raise RunError(f"{error} See {job.report('cancelled', error=str(error))}") from error
    except ServerError as error:
        raise RunError(_told(job, error)) from error
    except (KeyboardInterrupt, SystemExit) as stop:
        listener.close()
        _cancel(job)
        return stop.code if isinstance(stop, SystemExit) else 130
    finally:
        listener.close()


def _queue(job: Run, listener: Listener) -> None:
    try:
        job.prompt_id = job.client.queue(job.prompt, listener.name, job.prompt_id)
    except PromptError as error:
        lacking = [str(each) for each in absent_models(job.prompt, job.known)]
        raise RunError("\n".join([_named(job, error), *lacking])) from error


def _finish(job: Run, entry: Mapping, everything: bool) -> int:
    told = texts(entry)
    for node, text in told.items():
        if node in job.prompt and text.strip():
            first = text.strip().splitlines()[0]
            print(f"{settings.title_of(job.prompt[node])}: {first}", file=sys.stderr)
    fetched = results.fetch(job.client, results.left(entry, everything), job.folder)
    report = job.report("success", results.report(entry, job.prompt, fetched))
    for path in (*(path for paths in fetched.values() for path in paths), report):
        print(path)
    return 0


def _told(job: Run, error: ServerError) -> str:
    """Why the prompt did not end well; the report says it, too."""
    cancelled = "was cancelled" in str(error)
    told = _named(job, error)
    lacking = [] if cancelled else [str(each) for each in absent_models(job.prompt, job.known)]
    mixed = [FAMILIES] if any(each in str(error) for each in MIXED) else []
    words = "\n".join([told, *mixed, *lacking])
    return f"{words}\nSee {job.report('cancelled' if cancelled else 'failed', error=words)}"


def _named(job: Run, error: ServerError) -> str:
    node = job.prompt.get(getattr(error, "node_id", None) or "")
    return f"{settings.title_of(node)}: {error}" if node else str(error)


def _cancel(job: Run) -> None:
    try:
        Client(job.client.url, SHORT).cancel(job.prompt_id)
        print("The prompt was cancelled on the server.", file=sys.stderr)
    except ServerError as error:
        print(f"The prompt could not be cancelled: {error}", file=sys.stderr)


@contextmanager
def _signals() -> Iterator[None]:
    """A termination counts as Ctrl-C does: the prompt does not stay behind on the server."""
    endings = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {each: signal.getsignal(each) for each in endings}
    for each in endings:
        if before[each] != signal.SIG_IGN:  # as under nohup
            signal.signal(each, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        for each in endings:
            signal.signal(each, before[each])
