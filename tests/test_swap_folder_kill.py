"""Swap Folder killed outright, at any moment: the next run goes on, and the end is the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from picture_folders import ROOT, command, fill, portrait, run, swap_folder_prompt, tree
from PIL import Image

KILLS = 20
LIMIT = 120.0  # seconds for one run, on a machine that does much else
NAMES = ("cafe", "garden", "snow", "studio")


def pictures(folder: Path) -> Path:
    """Six files: four portraits, a meadow and a broken one."""
    fill(folder, *NAMES)
    Image.new("RGB", (97, 160), (90, 120, 60)).save(folder / "meadow.png")
    (folder / "torn.png").write_bytes((folder / "snow.png").read_bytes()[:900])
    return folder


def begun(target: Path, process: subprocess.Popen) -> None:
    """Wait until this process is at work in the folder, or over."""
    deadline = time.monotonic() + LIMIT
    note = target / ".likeness" / "run.pid"  # a killed run leaves its own
    while process.poll() is None and not (note.exists() and note.read_text() == str(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def assert_nothing_half_written(target: Path) -> None:
    for file in target.glob("*/*.png"):
        with Image.open(file) as opened:
            opened.load()
            assert "no real event" in opened.text["Description"]


@pytest.mark.slow
def test_killed_at_random_moments_and_finished_it_is_as_if_undisturbed(tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed of the moments:", seed)
    moments = random.Random(seed)
    source = pictures(tmp_path / "in")
    portrait("harbour").save(tmp_path / "person.png")
    wanted = tmp_path / "undisturbed"
    before = tree(source)

    def arguments(target: Path) -> tuple:
        return source, target, "--person", tmp_path / "person.png"

    process = subprocess.Popen(command(*arguments(wanted)), cwd=ROOT, stdout=subprocess.DEVNULL)
    begun(wanted, process)
    started = time.monotonic()
    assert process.wait(LIMIT) == 0
    work = time.monotonic() - started

    targets, killed = [tmp_path / "0"], 0
    while killed < KILLS:
        target = targets[-1]
        process = subprocess.Popen(command(*arguments(target)), cwd=ROOT, stdout=subprocess.DEVNULL)
        begun(target, process)
        time.sleep(moments.uniform(0, 0.7 * work))
        process.send_signal(signal.SIGKILL)
        if process.wait(LIMIT) == 0:  # it was done by then
            targets.append(tmp_path / str(len(targets)))
            continue
        killed += 1
        assert_nothing_half_written(target)
    for target in targets:
        done = run(*arguments(target))
        assert done.returncode == 0, done.stderr
        assert tree(target) == tree(wanted), f"seed {seed}"
    assert len(list((wanted / "accepted").glob("*.png"))) >= 3
    assert tree(source) == before
    print(f"{killed} kills in {len(targets)} folders, {work:.1f} s of work each")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a server by signal")
def test_the_server_killed_and_started_again_goes_on(start_server):
    first = start_server(standins=False)
    pictures(first.base / "input" / "many")
    output = first.base / "output"
    result = first.run(swap_folder_prompt(first, "input/many", name="whole"), LIMIT)
    assert "skipped" in result.texts["swap"]
    assert len(result.images("swap")) == 1
    first.client.queue(swap_folder_prompt(first, "input/many", name="killed"))
    first.until(lambda: list((output / "killed").glob("*/*.png")))
    first.process.kill()
    first.process.wait()
    assert not (output / "killed" / "report.json").exists()
    assert_nothing_half_written(output / "killed")
    second = start_server(standins=False, base=first.base)
    second.run(swap_folder_prompt(second, "input/many", name="killed"), LIMIT)
    assert tree(output / "killed") == tree(output / "whole")
    second.stop()
