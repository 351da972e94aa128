"""The pack's requirements, installed so that nothing that is already there changes.

pip resolves under constraints made from the interpreter's own packages; what it proposes is
checked, and exactly that is installed, without dependencies. What cannot be had so is named and
left out.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from .families import CPU, FAMILIES, GPU, ONNXRUNTIME, absent, keeper, members, stand_in
from .process import Say, SetupError, Unresolvable, inside, pip, quiet

SPELLED = re.compile(r"[0-9][0-9a-zA-Z.!+_-]*")  # versions pip can read back in a constraint


@dataclass(frozen=True)
class Pin:
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True)
class LeftOut:
    requirement: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What would be done; `remove` and `restore` leave one, and the right, onnxruntime."""

    install: tuple[Pin, ...] = ()
    remove: tuple[Pin, ...] = ()
    restore: Pin | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    before: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def empty(self) -> bool:
        return not (self.install or self.remove)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    if not match:
        raise SetupError(f"'{requirement}' in the requirements is not a package name and versions.")
    return normal(match.group())


def read(requirements: Path) -> list[str]:
    """The lines of a requirements file without comments."""
    lines = (line.split("#")[0].strip() for line in requirements.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def installed(python: str | Path) -> dict[str, str]:
    """Name (normalised) to version of every distribution that `python` sees."""
    return inside(python, "packages")["packages"]


def unmet(python: str | Path, requirements: Iterable[str]) -> list[str]:
    return inside(python, "unmet", json.dumps(FAMILIES), *requirements)["unmet"]


def wants_gpu(python: str | Path) -> bool:
    """True on a machine with an NVIDIA GPU when `python` has a torch that was built for CUDA."""
    return usable(inside(python, "accelerator"))


def usable(accelerator: Mapping[str, object]) -> bool:
    """What `inside` tells of GPU and torch, as one answer."""
    return bool(accelerator["nvidia"] and accelerator["cuda_build"])


def plan(python: str | Path, requirements: Sequence[str], gpu: bool, say: Say = quiet) -> Plan:
    """What would make `python` meet the requirements; changes nothing."""
    before = installed(python)
    remove, restore = _repair_of(before, gpu)
    notes: tuple[str, ...] = ()
    if needs_gpu_build(before, gpu):
        remove, restore, notes = _exchange(python, before)
    kept = {name: version for name, version in before.items() if Pin(name, version) not in remove}
    if restore:
        kept[restore.name] = restore.version
    if not unmet(python, requirements):
        return Plan((), remove, restore, (), notes, before)
    say("Asking pip for versions that leave everything that is installed as it is ...")
    with _Resolver(python, kept) as resolver:
        proposed, left_out = _resolve_all(resolver, requirements, say)
        if gpu and any(pin.name == CPU for pin in proposed):
            proposed, note = _with_gpu_runtime(resolver, requirements, left_out, proposed)
            notes = (*notes, *note)
    return Plan(tuple(proposed), remove, restore, tuple(left_out), notes, before)


def _repair_of(before: Mapping[str, str], gpu: bool) -> tuple[tuple[Pin, ...], Pin | None]:
    """Of several onnxruntimes: which go, and which is put back whole."""
    present = members(ONNXRUNTIME, before)
    if len(present) < 2:
        return (), None
    right = keeper(present, gpu)
    wrong = tuple(Pin(name, before[name]) for name in present if name != right)
    return wrong, Pin(right, before[right])


def needs_gpu_build(before: Mapping[str, str], gpu: bool) -> bool:
    """True where onnxruntime would leave a usable GPU idle."""
    return gpu and members(ONNXRUNTIME, before) == [CPU]


def _exchange(
    python: str | Path, before: Mapping[str, str]
) -> tuple[tuple[Pin, ...], Pin | None, tuple[str, ...]]:
    """The GPU build of the same version for the CPU build, which it contains.

    insightface asks for the CPU build by name, so every plain pip install brings that one.
    """
    old, new = Pin(CPU, before[CPU]), Pin(GPU, before[CPU])
    others = {name: version for name, version in before.items() if name != CPU}
    try:
        with _Resolver(python, others) as resolver:
            resolver.resolve([str(new)], {CPU: old.version})
    except SetupError as error:
        return (), None, (f"{new} cannot be had here, so the CPU build stays: {error}",)
    return (old,), new, ()


class _Resolver(AbstractContextManager):
    """pip's resolver under the constraints of what is installed."""

    def __init__(self, python: str | Path, kept: Mapping[str, str]) -> None:
        self.python, self.kept = python, kept
        self.scratch = tempfile.TemporaryDirectory(prefix="likeness-")
        self.folder = Path(self.scratch.name)
        self.constraints = self.folder / "constraints.txt"
        frozen = (f"{n}=={v}\n" for n, v in kept.items() if n != "pip" and SPELLED.fullmatch(v))
        self.constraints.write_text("".join(sorted(frozen)), "utf-8")

    def __exit__(self, *_: object) -> None:
        self.scratch.cleanup()

    def resolve(
        self, requirements: Sequence[str], provided: Mapping[str, str] | None = None
    ) -> list[Pin]:
        """What pip would add; raises Unresolvable, also where it would change what is there."""
        stand_ins = {**absent(self.kept), **(provided or {})}
        wheels = [stand_in(name, version, self.folder) for name, version in stand_ins.items()]
        report = self.folder / "report.json"
        pip(
            self.python, "install", "--dry-run", "--prefer-binary",
            "--report", report, "-c", self.constraints, *wheels, *requirements,
        )  # fmt: skip
        entries = {
            normal(entry["metadata"]["name"]): entry["metadata"]
            for entry in json.loads(report.read_text("utf-8"))["install"]
        }
        new = {name: data for name, data in entries.items() if name not in stand_ins}
        for name, data in new.items():
            if self.kept.get(name, data["version"]) != data["version"]:
                raise Unresolvable(f"{name} {self.kept[name]} would become {data['version']}")
        new = {name: data for name, data in new.items() if name not in self.kept}
        _drop_second_members(new)
        return [Pin(name, new[name]["version"]) for name in _needed(new, requirements)]


def _drop_second_members(entries: dict[str, dict]) -> None:
    for family in FAMILIES:
        for name in members(family, dict.fromkeys(entries, ""))[1:]:
            del entries[name]


def _needed(entries: Mapping[str, dict], requirements: Iterable[str]) -> list[str]:
    """The new packages that ours need, without those that only fill gaps of the host's own."""
    reached: list[str] = []
    ahead = [name_of(line) for line in requirements]
    while ahead:
        name = ahead.pop()
        if name in entries and name not in reached:
            reached.append(name)
            ahead.extend(name_of(line) for line in entries[name].get("requires_dist", ()))
    return sorted(reached)


def _resolve_all(
    resolver: _Resolver, requirements: Sequence[str], say: Say
) -> tuple[list[Pin], list[LeftOut]]:
    """All together where that works, otherwise one after the other, leaving out what fails."""
    try:
        return resolver.resolve(requirements), []
    except Unresolvable:
        say("Not all together; trying the requirements one by one ...")
    accepted: list[str] = []
    pins: list[Pin] = []
    left_out: list[LeftOut] = []
    for line in requirements:
        try:
            pins = resolver.resolve([*accepted, line])
        except Unresolvable as error:
            left_out.append(LeftOut(line, str(error)))
        else:
            accepted.append(line)
    return pins, left_out


def _with_gpu_runtime(
    resolver: _Resolver,
    requirements: Sequence[str],
    left_out: Sequence[LeftOut],
    proposed: list[Pin],
) -> tuple[list[Pin], tuple[str, ...]]:
    """The same requirements with onnxruntime-gpu in the place of onnxruntime."""
    version = next(pin.version for pin in proposed if pin.name == CPU)
    skipped = [each.requirement for each in left_out]
    wanted = [line for line in requirements if line not in skipped and name_of(line) != CPU]
    try:
        return resolver.resolve([*wanted, GPU], {CPU: version}), ()
    except Unresolvable as error:
        return proposed, (f"{GPU} cannot be had here, so the CPU build is used: {error}",)


def carry_out(python: str | Path, plan: Plan, say: Say = quiet) -> None:
    """Do what the plan says, and see that nothing else happened."""
    with tempfile.TemporaryDirectory(prefix="likeness-") as scratch:
        if plan.restore:
            _repair(python, plan.remove, plan.restore, Path(scratch), say)
        if plan.install:
            say(f"Installing {len(plan.install)} packages ...")
            pins = [str(pin) for pin in plan.install]
            pip(python, "install", "--no-deps", "--prefer-binary", *pins, say=say)
    _confirm(plan, installed(python))


def _repair(python: str | Path, remove: Sequence[Pin], keep: Pin, scratch: Path, say: Say) -> None:
    """Fetch the right one first: nothing is uninstalled before its wheel is here."""
    names = ", ".join(map(str, remove))
    say(f"{names} and {keep} are of one folder; leaving {keep} alone there ...")
    pip(python, "download", "--no-deps", "--only-binary=:all:", "-d", scratch, str(keep), say=say)
    pip(python, "uninstall", "--yes", *[pin.name for pin in remove], keep.name)
    pip(python, "install", "--no-deps", *scratch.glob("*.whl"))


def _confirm(plan: Plan, after: Mapping[str, str]) -> None:
    removed = {pin.name for pin in plan.remove}
    changed = [
        f"{name} {version} -> {after.get(name, 'gone')}"
        for name, version in plan.before.items()
        if name not in removed and after.get(name) != version
    ]
    if changed:
        back = " ".join("==".join(line.split(" ")[:2]) for line in changed)
        raise SetupError(
            f"Packages changed that must not: {', '.join(changed)}. "
            f"To go back: pip install --no-deps {back}"
        )
    missing = [str(pin) for pin in plan.install if after.get(pin.name) is None]
    if missing:
        raise SetupError(f"pip ended well and yet these are not there: {', '.join(missing)}.")
    present = members(ONNXRUNTIME, after)
    if len(present) > 1:
        raise SetupError(f"More than one onnxruntime is left: {', '.join(present)}.")


def describe(plan: Plan) -> list[str]:
    """The plan in lines a person reads."""
    lines = []
    if plan.restore:
        lines.append(f"repair: remove {', '.join(map(str, plan.remove))}, keep {plan.restore}")
    lines += [f"install: {pin}" for pin in plan.install]
    lines += [f"left out: {each.requirement} ({each.reason})" for each in plan.left_out]
    lines += [f"note: {note}" for note in plan.notes]
    return lines or ["nothing to do: every requirement is met"]
