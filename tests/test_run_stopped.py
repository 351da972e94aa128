"""`python -m likeness run` when something stops it: Ctrl-C, somebody else, the server's end."""

from __future__ import annotations

import io
import json
import signal
import time
from pathlib import Path

import headless
import pytest
from forwarder import Forwarder
from graphs import node
from pack.likeness.headless.shown import Shown

pytestmark = pytest.mark.slow
QUICK = 30.0  # seconds; the prompts take minutes


@pytest.fixture
def long(tmp_path) -> Path:
    """A prompt of some minutes, which tells how far it is."""
    prompt = {
        "1": node("LikenessLoadPortrait", portrait="cafe"),
        "2": node("RepeatImageBatch", image=["1", 0], amount=600),
        "3": node("LikenessLoadFaceAnalyzer", analyzer="built in"),
        "4": node("LikenessDetectFaces", image=["2", 0], analyzer=["3", 0], threshold=0.5),
        "5": node("LikenessDrawFaces", image=["2", 0], faces=["4", 0]),
        "6": node("PreviewImage", images=["5", 0]),
    }
    retry = json.loads((headless.ROOT / "workflows" / "api" / "Find faces.json").read_text("utf-8"))
    prompt["4"]["inputs"]["retry"] = retry["3"]["inputs"]["retry"]
    file = tmp_path / "long.json"
    file.write_text(json.dumps(prompt), "utf-8")
    return file


class Job:
    """A run that is at work on the server."""

    def __init__(self, server, file: Path, *options: object, url: str = ""):
        server.idle()
        arguments = (file, "--server", url or server.url, "--out", "here", *options)
        self.process = headless.start(*arguments, folder=file.parent)
        self.server, self.folder, self.began = server, file.parent / "here", time.monotonic()

    def until_running(self) -> str:
        self.server.until(lambda: self.server.client.queued()["queue_running"])
        self.began = time.monotonic()
        return self.server.client.queued()["queue_running"][0]

    def ends(self) -> headless.Done:
        done = headless.ended(self.process)
        assert time.monotonic() - self.began < QUICK
        assert "Traceback" not in done.err, done.err
        assert not list(self.folder.glob("*.part"))
        return done

    def report(self) -> dict:
        (file,) = self.folder.glob("*.report.json")
        return json.loads(file.read_text("utf-8"))


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_ending_cancels_the_prompt_on_the_server(ending, code, server, long):
    job = Job(server, long)
    job.until_running()
    job.process.send_signal(ending)
    done = job.ends()
    assert done.code == code, done.err
    assert "cancelled on the server" in done.err
    server.idle()


def test_ctrl_c_leaves_the_prompts_of_others_alone(server, long):
    server.idle()
    others = server.client.queue(json.loads(long.read_text("utf-8")))
    try:
        server.until(lambda: others in server.client.queued()["queue_running"])
        process = headless.start(long, "--server", server.url, folder=long.parent)
        server.until(lambda: server.client.queued()["queue_pending"])
        process.send_signal(signal.SIGINT)
        done = headless.ended(process)
        assert done.code == 130, done.err
        assert server.client.queued() == {"queue_running": [others], "queue_pending": []}
    finally:
        server.client.cancel(others)
        server.idle()


def test_a_prompt_that_somebody_cancels_is_told(server, long):
    job = Job(server, long)
    prompt_id = job.until_running()
    server.until(lambda: "got prompt" in server.recent())
    server.client.cancel(prompt_id)
    done = job.ends()
    assert done.code == 1
    assert "was cancelled" in done.err
    assert "failed" not in done.err
    assert job.report()["status"] == "cancelled"


def test_a_prompt_that_somebody_takes_out_of_the_queue_is_told(server, long):
    server.idle()
    others = server.client.queue(json.loads(long.read_text("utf-8")))
    try:
        server.until(lambda: others in server.client.queued()["queue_running"])
        process = headless.start(long, "--server", server.url, folder=long.parent)
        server.until(lambda: server.client.queued()["queue_pending"])
        server.client.cancel(server.client.queued()["queue_pending"][0])
        done = headless.ended(process)
        assert done.code == 1
        assert "removed from the queue" in done.err
    finally:
        server.client.cancel(others)
        server.idle()


def test_after_the_time_allowed_it_is_cancelled(server, long):
    done = Job(server, long, "--timeout", 3).ends()
    assert done.code == 1
    assert "not done after 3 seconds" in done.err
    assert "cancelled on the server" in done.err
    server.idle()


def test_a_server_that_is_killed_is_told_within_seconds(start_server, long):
    own = start_server(standins=False)
    job = Job(own, long)
    job.until_running()
    own.process.kill()
    own.process.wait()
    done = job.ends()
    assert done.code == 1
    assert "The server stopped while it had the prompt" in done.err
    assert job.report()["status"] == "failed"


def test_a_server_that_is_started_anew_is_told(server, start_server, long):
    fresh = start_server(standins=False)
    with Forwarder(server.url) as between:
        job = Job(server, long, url=between.url)
        prompt_id = job.until_running()
        between.move(fresh.url)
        done = job.ends()
    fresh.stop()
    assert done.code == 1
    assert f"no longer knows prompt {prompt_id}" in done.err
    assert "started anew" in done.err
    server.client.cancel(prompt_id)
    server.idle()


def test_without_a_websocket_the_result_comes_all_the_same(server, tmp_path):
    with Forwarder(server.url, websockets=False) as between:
        arguments = ("Find faces", "--server", between.url)
        done = headless.run(*arguments, folder=tmp_path)
    assert done.code == 0, done.err
    assert "No progress can be shown" in done.err
    assert "[1/6]" not in done.err
    assert len(done.paths) == 2


def test_progress_is_told_in_tenths_where_it_is_no_terminal(server, long):
    small = json.loads(long.read_text("utf-8"))
    small["2"]["inputs"]["amount"] = 25
    long.write_text(json.dumps(small), "utf-8")
    done = headless.run(long, "--server", server.url, folder=long.parent)
    assert done.code == 0, done.err
    lines = [
        line for line in done.err.splitlines() if "LikenessDetectFaces" in line and "/6]" in line
    ]
    assert 3 < len(lines) <= 12
    assert any(line.endswith("25/25") for line in lines)
    assert "\r" not in done.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_in_place_on_a_terminal():
    screen = Terminal()
    shown = Shown({"1": "Load", "2": "Sample", "3": "Save"}, screen)
    shown.cached(["1"])
    shown.begins("2")
    for done in range(1, 31):
        shown.steps("2", done, 30)
    shown.begins("3")
    shown.ends()
    first, second, rest = screen.getvalue().split("\n")
    assert first.startswith("\r[2/3] Sample")
    assert first.split("\r")[-1].startswith("[2/3] Sample  30/30")
    assert first.count("\r") == 31
    assert second.startswith("\r[3/3] Save")
    assert rest == ""
