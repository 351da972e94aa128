"""Installing without harm: nothing of the host changes, and one onnxruntime is left."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import tomllib
from pack.likeness.setup import packages
from pack.likeness.setup.families import CPU, GPU, ONNXRUNTIME, OPENCV, members
from pack.likeness.setup.packages import Pin
from pack.likeness.setup.process import SetupError, inside
from tiny_index import Environment, metadata, use, write_field, write_wheel

pytestmark = pytest.mark.slow


ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = packages.read(ROOT / "requirements.txt")
STATES = {"none": [], "cpu": [CPU], "gpu": [GPU], "both": [GPU, CPU]}
OTHERS = [("none", False), ("cpu", False), ("cpu", True), ("gpu", True), ("both", False)]
BUILDS = {CPU: "CPU", GPU: "CUDA"}


@pytest.fixture(scope="session")
def with_pip(tmp_path_factory):
    return Environment.make(tmp_path_factory.mktemp("environment") / "with pip")


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    write_field(folder)
    return folder


@pytest.fixture
def field(index, monkeypatch):
    """The machine's pip configuration names the tiny index alone."""
    use(index, monkeypatch)
    return index


@pytest.fixture
def environment(with_pip, tmp_path):
    return with_pip.copy(tmp_path / "host")


def kept(plan: packages.Plan) -> dict[str, str]:
    """What would be installed after the plan."""
    gone = {pin.name for pin in plan.remove}
    stays = {name: version for name, version in plan.before.items() if name not in gone}
    added = (*plan.install, *([plan.restore] if plan.restore else []))
    return {**stays, **{pin.name: pin.version for pin in added}}


def train() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project["optional-dependencies"]["train"]


def reachable(call, *arguments):
    try:
        return call(*arguments)
    except SetupError as error:
        if "cannot be reached" in str(error):
            pytest.skip("needs the package index")
        raise


@pytest.mark.slow
@pytest.mark.parametrize("recorded", ["today", "year_ago"])
def test_nothing_of_a_recorded_host_changes(environment, recorded):
    environment.pretend(recorded)
    before = packages.installed(environment.python)
    assert len(before) > 60
    plan = reachable(packages.plan, environment.python, [*REQUIREMENTS, *train()], False)
    assert not plan.left_out
    assert not plan.remove
    assert not {pin.name for pin in plan.install} & set(before)
    assert {"insightface", "facexlib", "scikit-image", "diffusers", "peft"} <= set(kept(plan))
    assert members(ONNXRUNTIME, kept(plan)) == [CPU]
    assert len(members(OPENCV, kept(plan))) == 1


@pytest.mark.slow
def test_a_plain_install_would_change_the_year_old_host(environment, tmp_path):
    """The recorded host is one that can be harmed: the tests above would notice."""
    environment.pretend("year_ago")
    report = tmp_path / "report.json"
    wanted = [*REQUIREMENTS, *train()]
    command = [environment.python, "-m", "pip", "install", "--dry-run", "--quiet"]
    done = subprocess.run(
        [*command, "--report", str(report), *wanted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("needs the package index")
    proposed = json.loads(report.read_text("utf-8"))["install"]
    names = {packages.normal(entry["metadata"]["name"]) for entry in proposed}
    changed = names & set(packages.installed(environment.python))
    assert {"numpy", "huggingface-hub"} & changed, changed


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("gpu", [False, True], ids=["no gpu", "gpu"])
def test_one_onnxruntime_is_planned_in_a_recorded_host(environment, state, gpu):
    environment.pretend("today")
    for name in STATES[state]:
        folder = environment.packages / f"{name.replace('-', '_')}-1.22.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.22.0\n")
    plan = reachable(packages.plan, environment.python, REQUIREMENTS, gpu)
    assert members(ONNXRUNTIME, kept(plan)) == [right(state, gpu)]
    assert not plan.left_out
    unchanged = set(plan.before) - {pin.name for pin in plan.remove}
    assert not {pin.name for pin in plan.install} & unchanged


def right(state: str, gpu: bool) -> str:
    """The GPU build where there is a GPU, and a lone one of either kind stays without."""
    present = STATES[state]
    return GPU if gpu or present == [GPU] else CPU


@pytest.mark.parametrize(
    ("state", "gpu"),
    [
        ("none", True),
        ("gpu", False),
        ("both", True),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in OTHERS),
    ],
)
def test_one_onnxruntime_is_left(environment, field, state, gpu):
    """Real pip, real installs: the folder that both share holds the right one's files."""
    environment.pip("install", "torch", "opencv-python-headless")
    for name in STATES[state]:
        environment.pip("install", "--no-deps", name)
    before = packages.installed(environment.python)
    plan = packages.plan(environment.python, REQUIREMENTS, gpu)
    packages.carry_out(environment.python, plan)
    after = packages.installed(environment.python)
    winner = right(state, gpu)
    assert members(ONNXRUNTIME, after) == [winner]
    assert members(OPENCV, after) == ["opencv-python-headless"]
    assert environment.asks("import onnxruntime; print(onnxruntime.BUILD)") == BUILDS[winner]
    assert environment.asks("import cv2; print(cv2.BUILD)") == "opencv-python-headless"
    gone = set() if STATES[state] == [winner] else {CPU, GPU}
    assert {name: after.get(name) for name in before if name not in gone} == {
        name: version for name, version in before.items() if name not in gone
    }
    assert {"insightface", "facexlib", "scikit-image"} <= set(after)
    assert packages.plan(environment.python, REQUIREMENTS, gpu).empty


@pytest.mark.slow
def test_the_real_onnxruntime_survives_its_repair(environment):
    """Two of them by their metadata, one folder of true files; a session in the end."""
    try:
        environment.pip("install", CPU)
    except subprocess.CalledProcessError:
        pytest.skip("needs the package index")
    version = packages.installed(environment.python)[CPU]
    folder = environment.packages / f"onnxruntime_gpu-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(metadata(GPU, version), "utf-8")
    listed = ["onnxruntime/__init__.py", f"{folder.name}/METADATA", f"{folder.name}/RECORD"]
    (folder / "RECORD").write_text("".join(f"{path},,\n" for path in listed), "utf-8")
    plan = packages.plan(environment.python, [CPU], False)
    assert (plan.remove, plan.restore) == ((Pin(GPU, version),), Pin(CPU, version))
    packages.carry_out(environment.python, plan)
    assert members(ONNXRUNTIME, packages.installed(environment.python)) == [CPU]
    assert inside(environment.python, "providers")["in_use"][-1] == "CPUExecutionProvider"


def test_a_plain_install_spoils_the_gpu_build(environment, field):
    """What the care is for: pip alone puts the CPU build over the GPU build without a word."""
    environment.pip("install", "--no-deps", GPU)
    environment.pip("install", "insightface")
    assert members(ONNXRUNTIME, packages.installed(environment.python)) == [CPU, GPU]
    assert environment.asks("import onnxruntime; print(onnxruntime.BUILD)") == "CPU"


def test_a_cpu_build_beside_a_gpu_is_exchanged_for_the_same_version(environment, field):
    environment.pip("install", "insightface", "facexlib")
    version = packages.installed(environment.python)[CPU]
    plan = packages.plan(environment.python, REQUIREMENTS, True)
    assert (plan.remove, plan.restore, plan.install) == (
        (Pin(CPU, version),),
        Pin(GPU, version),
        (),
    )
    packages.carry_out(environment.python, plan)
    assert environment.asks("import onnxruntime; print(onnxruntime.BUILD)") == "CUDA"


def test_a_cpu_build_stays_where_the_gpu_build_cannot_be_had(
    environment, field, tmp_path, monkeypatch
):
    environment.pip("install", "insightface", "facexlib")
    use(tmp_path, monkeypatch)  # an index that has nothing
    plan = packages.plan(environment.python, REQUIREMENTS, True)
    assert plan.empty
    assert "the CPU build stays" in plan.notes[0]


def test_versions_are_chosen_to_fit_what_is_there(environment, field):
    environment.pip("install", "numpy==1.26.4")
    plan = packages.plan(environment.python, REQUIREMENTS, False)
    assert Pin("opencv-python", "4.11.0.86") in plan.install
    assert "numpy" not in {pin.name for pin in plan.install}


def test_what_cannot_be_had_is_named_and_left_out(environment, field, tmp_path, monkeypatch):
    environment.pip("install", "numpy==1.26.4")
    write_wheel(tmp_path, "insightface", "3.0", ["numpy>=2"])
    monkeypatch.setenv("PIP_FIND_LINKS", f"{field} {tmp_path}")
    plan = packages.plan(environment.python, ["insightface>=3", "scikit-image", "no-such"], False)
    assert [each.requirement for each in plan.left_out] == ["insightface>=3", "no-such"]
    assert "numpy" in plan.left_out[0].reason
    assert "no-such" in plan.left_out[1].reason
    assert [pin.name for pin in plan.install] == ["scikit-image"]
    packages.carry_out(environment.python, plan)
    assert packages.installed(environment.python)["numpy"] == "1.26.4"


def test_gaps_of_the_host_are_left_alone(environment, field):
    environment.pip("install", "--no-deps", "torch", "numpy")
    plan = packages.plan(environment.python, ["facexlib"], False)
    assert {pin.name for pin in plan.install} == {"facexlib", "opencv-python"}


def test_a_version_that_no_constraint_can_spell_is_left_as_it_is(environment, field):
    folder = environment.packages / "numpy-odd.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: odd build\n")
    plan = packages.plan(environment.python, ["scikit-image"], False)
    assert "numpy" not in {pin.name for pin in plan.install}


def test_a_repair_uninstalls_nothing_that_it_cannot_put_back(environment, field, monkeypatch):
    for name in (GPU, CPU):
        environment.pip("install", "--no-deps", name)
    environment.pip("install", "insightface", "facexlib")
    plan = packages.plan(environment.python, REQUIREMENTS, True)
    assert plan.restore == Pin(GPU, "1.31.1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(environment.folder))
    with pytest.raises(SetupError):
        packages.carry_out(environment.python, plan)
    assert members(ONNXRUNTIME, packages.installed(environment.python)) == [CPU, GPU]


def test_no_network_is_told_from_no_version(environment, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(SetupError, match=r"cannot be reached.*HTTPS_PROXY"):
        packages.plan(environment.python, ["likeness-no-such-package"], False)


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path):
    bare = Environment.make(tmp_path / "bare", "--without-pip")
    with pytest.raises(SetupError, match="ensurepip"):
        packages.plan(bare.python, REQUIREMENTS, False)


def test_every_requirement_says_why():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in wanted if not re.search(r"\S  # \w", line)] == []
    pinned = {packages.name_of(line) for line in wanted if re.search("[=<>~]", line.split("#")[0])}
    assert not pinned & {"numpy", "torch", "transformers", *OPENCV}
