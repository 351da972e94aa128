"""install.py without a command: requirements, one onnxruntime, model folders, a report."""

from __future__ import annotations

from pathlib import Path

from ..models import MODELS, folder
from . import packages
from .families import ONNXRUNTIME, members
from .place import PACK, models_folder
from .process import Say, SetupError, inside


def prepare(python: str, plan_only: bool, say: Say) -> int:
    """Prepare the pack in `python`; with `plan_only` only tell what would be done."""
    requirements = packages.read(PACK / "requirements.txt")
    gpu = packages.wants_gpu(python)
    plan = packages.plan(python, requirements, gpu, say)
    missing = missing_folders(models_folder())
    if plan_only:
        say(f"In {python} this would be done, and is not:")
        for line in (*packages.describe(plan), *(f"make folder: {path}" for path in missing)):
            say(f"  {line}")
        return 0
    packages.carry_out(python, plan, say)
    failed = make_folders(missing)
    say("")
    made = [path for path in missing if path.is_dir()]
    for line in (*report(python, plan, made), *failed):
        say(line)
    say("Restart ComfyUI to have the nodes." if not plan.empty else "The pack is ready.")
    return 0


def report(python: str, plan: packages.Plan, folders: list[Path]) -> list[str]:
    """What was done and how it stands now."""
    lines = [f"Likeness in {python}"]
    count = len(plan.install)
    lines.append(f"  installed   {', '.join(map(str, plan.install)) if count else 'nothing new'}")
    if plan.restore:
        removed = ", ".join(map(str, plan.remove))
        lines.append(f"  repaired    removed {removed}; {plan.restore} is the one that is left")
    lines += [f"  left out    {each.requirement}: {each.reason}" for each in plan.left_out]
    lines += [f"  note        {note}" for note in plan.notes]
    if folders:
        names = ", ".join(path.name for path in folders)
        lines.append(f"  made        folders for weight files: {names}")
    lines.append(f"  onnxruntime {runtime_line(python)}")
    return lines


def runtime_line(python: str) -> str:
    """The installed onnxruntime and the providers that a session in it really got."""
    found = packages.installed(python)
    present = [f"{name} {found[name]}" for name in members(ONNXRUNTIME, found)]
    if not present:
        return "not installed: face packs cannot be used, the built-in finder can"
    try:
        providers = inside(python, "providers")
    except SetupError as error:
        return f"{' and '.join(present)}, which does not work: {error}"
    compiled, used = (", ".join(providers[key]) for key in ("available", "in_use"))
    return f"{' and '.join(present)}; available: {compiled}; in use: {used}"


def missing_folders(models: Path | None) -> list[Path]:
    """The folders of the weight table that ComfyUI's models folder has not yet."""
    if models is None:
        return []
    wanted = {folder(model, models) for model in MODELS}
    return sorted(path for path in wanted if not path.is_dir())


def make_folders(folders: list[Path]) -> list[str]:
    """Make them; a line for each that cannot be made."""
    lines = []
    for path in folders:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            lines.append(
                f"  not made    {path}: {error.strerror}. Make it yourself, or give this user the "
                "right to write there; weight files of that kind cannot be fetched before."
            )
    return lines
