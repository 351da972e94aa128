"""install.py as a user calls it: what each command says, and that every failure names its cure."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pack.likeness.models import MODELS
from pack.likeness.setup import place, prepare, process
from pack.likeness.setup.process import SetupError, typed
from tiny_index import Environment, use, write_field

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
INSTALL = ROOT / "install.py"
COMFYUI = os.environ.get("COMFYUI_PATH", "")
OUR_CONFTEST = """
import importlib.util, sys

sys.path.append({0!r})
spec = importlib.util.spec_from_file_location("ours", {0!r} + "/conftest.py")
ours = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ours)
pytest_configure = ours.pytest_configure
"""
LONG_TEST = """
import time, pytest


@pytest.fixture
def a_server():
    yield
    print("ended", flush=True)

def test_long(a_server):
    print("on", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def nobodys_comfyui(monkeypatch, tmp_path):
    """As on a bare machine: no ComfyUI named, an empty cache."""
    for name in ("COMFYUI_PATH", "COMFYUI_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIKENESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def with_pip(tmp_path_factory):
    return Environment.make(tmp_path_factory.mktemp("environment") / "with pip")


@pytest.fixture
def environment(with_pip, tmp_path, monkeypatch):
    """A Python that ComfyUI might run in, and a package index of a few bytes."""
    index = tmp_path / "index"
    index.mkdir()
    write_field(index)
    use(index, monkeypatch)
    return with_pip.copy(tmp_path / "host")


@pytest.fixture
def comfyui(tmp_path, monkeypatch):
    """A folder that counts as a ComfyUI."""
    folder = tmp_path / "ComfyUI"
    (folder / "models").mkdir(parents=True)
    (folder / "main.py").touch()
    monkeypatch.setenv("COMFYUI_PATH", str(folder))
    return folder


def call(
    *arguments: str, python: str = sys.executable, under: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*under, python, str(INSTALL), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="session")
def command_line():
    """install.py as a module."""
    spec = importlib.util.spec_from_file_location("likeness_install", INSTALL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_help_names_every_command():
    told = call("--help").stdout
    for command in ("doctor", "host", "demo", "test", "models", "bench", "--plan"):
        assert re.search(rf"^ +{command}\b", told, re.MULTILINE), command
    assert "COMFYUI_PATH" in told


def test_the_plan_changes_nothing(environment, comfyui):
    environment.pip("install", "torch", "numpy==1.26.4")
    before = environment.snapshot()
    done = call("--plan", python=environment.python)
    assert done.returncode == 0, done.stderr
    assert environment.snapshot() == before
    assert list((comfyui / "models").iterdir()) == []
    assert "install: insightface==2.1" in done.stdout
    assert "install: opencv-python==4.11.0.86" in done.stdout
    assert f"make folder: {comfyui / 'models' / 'insightface' / 'models'}" in done.stdout


@pytest.mark.parametrize(("command", "told"), [("test", "go to pytest"), ("bench", "--check")])
def test_help_makes_no_comfyui(command, told, tmp_path):
    done = call(command, "--help")
    assert done.returncode == 0
    assert told in done.stdout
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("command", ["host", "demo", "test", "models"])
def test_a_plan_of_a_command_is_refused(command, tmp_path):
    done = call("--plan", command)
    assert done.returncode == 2
    assert f"--plan goes without a command; '{command}'" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_without_a_command_the_pack_is_prepared(environment, comfyui):
    environment.pip("install", "torch")
    done = call(python=environment.python)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime 1.31.1; available: CPUExecutionProvider; in use: CPU" in done.stdout
    assert (comfyui / "models" / "insightface" / "models").is_dir()
    assert not prepare.missing_folders(comfyui / "models")
    again = call(python=environment.python)
    assert again.returncode == 0
    assert "Asking pip" not in again.stdout
    assert "nothing new" in again.stdout


def test_without_pip_the_cure_is_named(tmp_path):
    bare = Environment.make(tmp_path / "bare", "--without-pip")
    done = call(python=bare.python)
    assert done.returncode == 1
    assert typed(bare.python, "-m", "ensurepip") in done.stderr


def test_doctor_works_on_a_bare_python(tmp_path):
    bare = Environment.make(tmp_path / "bare", "--without-pip")
    done = call("doctor", python=bare.python)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert lines[0] == lines[-1] == "```"
    assert f"python       {sys.version.split()[0]} at {bare.python}" in lines
    assert "install.py host" in done.stdout
    assert re.search("not there .*torch.*insightface", done.stdout)


def test_doctor_names_the_cure_for_two_onnxruntimes(environment, comfyui, monkeypatch):
    monkeypatch.setenv("COMFYUI_PYTHON", environment.python)
    environment.pip("install", "--no-deps", "onnxruntime", "onnxruntime-gpu")
    (comfyui / "models" / "insightface").mkdir()
    (comfyui / "models" / "insightface" / "inswapper_128.onnx").touch()
    told = call("doctor").stdout
    assert f"Cure: {typed(environment.python, INSTALL)}" in told
    assert f"found      {Path('insightface', 'inswapper_128.onnx')}" in told
    assert "GFPGANv1.4.pth" in told.partition("not there  ")[2]
    cured = call(python=environment.python)
    assert "removed onnxruntime-gpu==1.31.1; onnxruntime==1.31.1 is the one" in cured.stdout
    assert "Cure" not in call("doctor").stdout


@pytest.mark.parametrize("command", ["host", "demo", "test", "bench"])
def test_a_comfyui_path_that_points_nowhere(command, monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nowhere"))
    done = call(command)
    assert done.returncode == 1
    assert "COMFYUI_PATH" in done.stderr
    assert "nowhere" in done.stderr
    assert "unset it" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_tells_that_comfyui_path_points_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "nowhere"))
    done = call("doctor")
    assert done.returncode == 0
    assert "trouble      COMFYUI_PATH" in done.stdout


def test_a_comfyui_python_that_cannot_be_run(monkeypatch, tmp_path, comfyui):
    monkeypatch.setenv("COMFYUI_PYTHON", str(tmp_path / "python"))
    assert "COMFYUI_PYTHON" in call("host").stderr


def test_a_comfyui_python_holds_in_every_folder(monkeypatch, tmp_path, comfyui):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for named in (os.path.join("bin", "python"), "~/bin/python"):
        monkeypatch.setenv("COMFYUI_PYTHON", named)
        assert place.existing().python == str(python)


def test_nothing_is_installed_into_somebody_elses_comfyui(environment, comfyui, monkeypatch):
    monkeypatch.setenv("COMFYUI_PYTHON", environment.python)
    assert "has no torch" in call("test").stderr
    environment.pip("install", "torch")
    before = environment.snapshot()
    tests, demo = call("test"), call("demo")
    assert tests.returncode == demo.returncode == 1
    for done in (tests, demo):
        assert typed(environment.python, INSTALL) in done.stderr
    assert call(python=environment.python).returncode == 0
    before = environment.snapshot()
    assert typed(environment.python, "-m", "pip", "install", "-r") in call("test").stderr
    assert environment.snapshot() == before


def test_a_taken_port_is_told_before_anything_is_made(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = call("demo", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} cannot be used" in done.stderr
    assert "--port" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_a_port_that_is_none():
    with pytest.raises(SetupError, match="Port 70000"):
        place.free_port(70000)


def powerless() -> list[str]:
    """What takes root's power over read-only folders away; others have none."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may write everywhere, and setpriv is not here")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize("kind", ["read-only", "a file"])
def test_a_models_folder_that_cannot_be_written(environment, comfyui, kind):
    if kind == "a file":
        (comfyui / "models").rmdir()
        (comfyui / "models").touch()
    else:
        (comfyui / "models").chmod(0o555)
    done = call(python=environment.python, under=powerless() if kind == "read-only" else ())
    assert done.returncode == 0, done.stderr
    assert f"not made    {comfyui / 'models' / 'insightface' / 'models'}: " in done.stdout
    assert "installed" in done.stdout


def test_models_lists_the_table(comfyui):
    (comfyui / "models" / "embeddings").mkdir()
    (comfyui / "models" / "embeddings" / "badhandv4.pt").touch()
    told = call("models", "--list").stdout
    for model in MODELS:
        assert model.file in told
        assert model.licence in told
    assert re.search(r"badhandv4.pt +present", told)
    assert re.search(r"inswapper_128.onnx +missing +554.3 MB +commercial use: no", told)


def test_models_needs_to_know_where():
    done = call("models", "inswapper_128.onnx")
    assert done.returncode == 1
    assert "--folder" in done.stderr


def test_the_folder_of_comfyui_is_no_models_folder(comfyui):
    done = call("models", "--folder", str(comfyui), "badhandv4.pt")
    assert done.returncode == 1
    assert str(comfyui / "models") in done.stderr


def test_models_knows_near_names(tmp_path):
    done = call("models", "--folder", str(tmp_path), "inswaper_128.onnx")
    assert done.returncode == 1
    assert "inswapper_128.onnx" in done.stderr


def test_an_older_python_is_told_which_to_use(command_line, monkeypatch, capsys):
    """The file must be readable for a Python that then says it is too old."""
    ast.parse(INSTALL.read_text("utf-8"), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    assert command_line.main(["test"]) == 2
    told = capsys.readouterr().err
    assert re.search(r"Python 3.11 or newer .*Try: python3\.\d+ install.py test", told)
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert command_line.main([]) == 2


def test_an_old_python_of_this_machine(monkeypatch):
    """The same with a real one, where there is one."""
    monkeypatch.setenv("PYENV_VERSION", "3.8:3.9:3.10")
    for name in ("python3.8", "python3.9", "python3.10"):
        python = shutil.which(name)
        if python and call("--help", python=python).returncode == 0:
            done = call("host", python=python)
            assert done.returncode == 2
            assert "or newer is needed" in done.stderr
            return
    pytest.skip("no Python older than 3.11 here")


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "Make room"),
        ("/usr/bin/python3: No module named pip", "ensurepip"),
        ("error: externally-managed-environment", "virtual environment"),
        ("Retrying ... NewConnectionError", "HTTPS_PROXY"),
        ("ERROR: ... CERTIFICATE_VERIFY_FAILED", "pip config list"),
        ("no such option: --report", "pip install --upgrade pip"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "may not write"),
    ],
)
def test_what_pip_says_becomes_a_cure(output, cure):
    assert cure in str(process.failure("python3", output))


def test_a_command_to_type_is_quoted_where_a_shell_would_split_it():
    told = typed("/a b/python", "-m", "pip", Path("/ä/install.py"), r"C:\x\python.exe")
    assert told == r'"/a b/python" -m pip /ä/install.py C:\x\python.exe'


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_nohup_is_heeded(tmp_path):
    """Whoever ignores SIGHUP for us means it."""
    code = f"import runpy; command = runpy.run_path({str(INSTALL)!r}); command['main'](['doctor'])"
    code += "; import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    shell = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-c", code]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("True\n"), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.skipif(not COMFYUI, reason="no COMFYUI_PATH: run 'python install.py test'")
def test_a_stopped_test_command_ends_its_fixtures(tmp_path):
    """As Ctrl-C does, also where Ctrl-C is ignored, as in a shell's background."""
    (tmp_path / "test_long.py").write_text(LONG_TEST, "utf-8")
    (tmp_path / "conftest.py").write_text(OUR_CONFTEST.format(str(ROOT / "tests")), "utf-8")
    code = "import signal, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
    code += "from likeness.setup import place, suite\n"
    code += "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
    code += "comfy = place.Comfy(Path(sys.argv[2]), sys.executable)\n"
    code += "suite._run(comfy, ['-c', suite.PYTEST, *sys.argv[3:]], Path.cwd())"
    options = ["-p", "no:cacheprovider", "-qs", "test_long.py"]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT), COMFYUI, *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as stopped:
        assert stopped.stdout.readline() == "on\n"
        stopped.terminate()
        assert stopped.wait(20) == 143
        assert "ended\n" in stopped.stdout.read()


def test_no_space_is_told_before_a_long_job(tmp_path):
    with pytest.raises(SetupError, match="LIKENESS_CACHE"):
        place.need_space(tmp_path / "not" / "yet", 1 << 60)


def test_a_cache_folder_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIKENESS_CACHE", str(tmp_path / "file" / "below"))
    done = call("host")
    assert done.returncode == 1
    assert "LIKENESS_CACHE" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_cache_folder_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv("LIKENESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert place.cache_folder() == tmp_path / "likeness"
    monkeypatch.setattr(sys, "platform", "win32")
    assert place.cache_folder() == tmp_path / "likeness"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert place.cache_folder() == Path.home() / "Library/Caches/likeness"


def test_the_comfyui_around_the_pack_is_found(tmp_path):
    pack = tmp_path / "ComfyUI" / "custom_nodes" / "Likeness"
    pack.mkdir(parents=True)
    assert place.surrounding(pack) is None
    (tmp_path / "ComfyUI" / "main.py").touch()
    assert place.surrounding(pack) == tmp_path / "ComfyUI"
    assert place.models_folder(pack) == tmp_path / "ComfyUI" / "models"
    assert place.models_folder(tmp_path / "elsewhere" / "Likeness") is None


def test_a_link_is_removed_and_not_what_it_points_at(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "file").touch()
    place.link(tmp_path / "pack", tmp_path / "link")
    assert (tmp_path / "link" / "file").is_file()
    place.unlink(tmp_path / "link")
    assert not (tmp_path / "link").exists()
    assert (tmp_path / "pack" / "file").is_file()
