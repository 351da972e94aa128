"""Fetching from a real server on loopback that is slow, cuts off, lies or serves something else."""

from __future__ import annotations

import hashlib
import io
import os
import random
import socket
import stat
import threading
import time
import zipfile
from dataclasses import replace
from urllib.request import Request

import misbehaving
import pytest
from misbehaving import (
    Host,
    announces,
    answers,
    chunked,
    cuts_off,
    ignores_range,
    says_of_the_rest,
    sends,
    slow,
    stalls,
)
from pack.likeness import transfer
from pack.likeness.download import FetchError, Patience, digest, fetch
from pack.likeness.models import Commercial, Model, Task

CONTENT = random.Random(1).randbytes(60_000)
OTHER = random.Random(2).randbytes(60_000)
PAGE = "https://example.org/tiny"
QUICK = Patience(timeout=0.3, tries=3, pause=0.01, longest=0.05, worthwhile=1)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def host():
    with Host(CONTENT) as started:
        yield started


def row(host: Host, **facts) -> Model:
    """A row for the host's file, everything known; `facts` override."""
    known = {
        "url": f"{host.url}/tiny.onnx",
        "bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    named = {"file": "tiny.onnx", "task": Task.SWAP, "folder": "insightface", "licence": "MIT"}
    return Model(**{"commercial": Commercial.YES, "page": PAGE, **named, **known, **facts})


def unverifiable(host: Host, **facts) -> Model:
    return row(host, **{"bytes": None, "sha256": None, **facts})


def get(model: Model, folder, patience: Patience = QUICK):
    return fetch(model, folder, patience=patience)


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def leave_part(host: Host, folder, after: int = 20_000, **facts) -> None:
    """The state after a fetch that the server cut off for good."""
    host.plan = [cuts_off(after)]
    host.always = answers(404)
    with pytest.raises(FetchError, match="404"):
        get(row(host, **facts), folder)
    assert names(folder) == ["tiny.onnx.part", "tiny.onnx.part.json"]
    host.always = misbehaving.honest
    host.requests.clear()


def test_brings_the_file_and_leaves_nothing_else(host, tmp_path):
    seen = []
    folder = tmp_path / "models" / "with spaces é"
    got = fetch(row(host), folder, lambda done, total: seen.append((done, total)), QUICK)
    assert got == folder / "tiny.onnx"
    assert got.read_bytes() == CONTENT
    assert names(folder) == ["tiny.onnx"]
    assert names(tmp_path / "models") == ["with spaces é"]
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert host.ranges == [None]
    assert host.requests[0]["Accept-Encoding"] == "identity"


def test_a_slow_server_is_waited_for(host, tmp_path):
    host.plan = [slow]
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert len(host.requests) == 1


def test_goes_on_where_the_server_stalled(host, tmp_path):
    host.plan = [stalls(20_000)]
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges == [None, "bytes=20000-"]


def test_goes_on_where_the_server_cut_off(host, tmp_path):
    host.plan = [cuts_off(20_000), cuts_off(30_000)]
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges == [None, "bytes=20000-", "bytes=50000-"]
    assert host.requests[1]["If-Range"] == '"first"'


def test_gives_up_on_a_server_that_brings_nothing_and_goes_on_the_next_time(host, tmp_path):
    host.plan = [cuts_off(20_000)]
    host.always = cuts_off(0)
    with pytest.raises(FetchError) as caught:
        get(row(host), tmp_path)
    assert len(host.requests) == 1 + QUICK.tries
    for words in ("20.0 kB", "tiny.onnx.part", "run the same command again", host.url):
        assert words in str(caught.value)
    host.always = misbehaving.honest
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges[-1] == "bytes=20000-"


def test_little_by_little_is_not_progress_for_ever(host, tmp_path):
    host.always = cuts_off(100)
    with pytest.raises(FetchError, match=r"connection ended after 300 of 60000"):
        get(row(host), tmp_path, replace(QUICK, worthwhile=1000))
    assert len(host.requests) == QUICK.tries


def test_a_server_that_forgets_and_returns_ends(host, tmp_path):
    host.always = cuts_off(20_000, ignores_range)
    with pytest.raises(FetchError, match="connection ended after 20000"):
        get(row(host), tmp_path)
    assert len(host.requests) == 1 + QUICK.tries


def test_to_and_fro_is_not_progress_for_ever(host, tmp_path):
    host.plan = [cuts_off(after, ignores_range) for after in (20_000, 10_000)] * 9
    with pytest.raises(FetchError, match="connection ended"):
        get(row(host), tmp_path)
    assert len(host.requests) == 1 + QUICK.tries


@pytest.mark.parametrize("known", [row, unverifiable])
def test_starts_over_where_range_is_ignored(host, tmp_path, known):
    host.plan = [cuts_off(20_000), ignores_range]
    assert get(known(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges == [None, "bytes=20000-"]


@pytest.mark.parametrize("length", [len(CONTENT) + 1000, len(CONTENT) - 1000])
def test_an_announced_length_that_is_not_the_files_is_refused(host, tmp_path, length):
    host.always = announces(length)
    with pytest.raises(FetchError, match=rf"announces {length} bytes, but tiny.onnx has 60000"):
        get(row(host), tmp_path)
    assert names(tmp_path) == []


def test_a_length_announced_too_large_ends_at_the_hash(host, tmp_path):
    host.plan = [announces(len(CONTENT) + 1000)]
    assert get(row(host, bytes=None), tmp_path).read_bytes() == CONTENT
    assert host.ranges == [None, "bytes=60000-"]


def test_a_length_announced_too_small_fails_at_the_hash(host, tmp_path):
    host.always = announces(len(CONTENT) - 1000)
    with pytest.raises(FetchError, match=f"its sha256 is .*, not {row(host).sha256}"):
        get(row(host, bytes=None), tmp_path)
    assert names(tmp_path) == []


def test_wrong_bytes_leave_nothing(host, tmp_path):
    host.content = OTHER
    with pytest.raises(FetchError) as caught:
        get(row(host), tmp_path)
    assert hashlib.sha256(OTHER).hexdigest() in str(caught.value)
    assert row(host).sha256 in str(caught.value)
    assert PAGE in str(caught.value)
    assert names(tmp_path) == []
    assert len(host.requests) == 1


def test_without_a_length_the_table_decides(host, tmp_path):
    host.plan = [chunked()]
    assert get(row(host), tmp_path / "whole").read_bytes() == CONTENT
    host.plan = [chunked(cut=20_000)]
    assert get(row(host), tmp_path / "cut").read_bytes() == CONTENT
    assert host.ranges == [None, None, "bytes=20000-"]
    host.content = CONTENT + b"more"
    host.plan = [chunked()]
    with pytest.raises(FetchError, match="it has 60004 bytes, not 60000"):
        get(row(host), tmp_path / "long")
    assert names(tmp_path / "long") == []


def test_follows_a_redirect_with_the_range(host, tmp_path):
    away = answers(302, Location="/elsewhere")
    host.plan = [away, cuts_off(20_000), away]
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert [request["path"] for request in host.requests] == ["/tiny.onnx", "/elsewhere"] * 2
    assert host.ranges == [None, None, "bytes=20000-", "bytes=20000-"]


def test_a_redirect_in_circles_is_an_error(host, tmp_path):
    host.always = answers(302, Location="/tiny.onnx")
    with pytest.raises(FetchError, match="redirect error"):
        get(row(host), tmp_path)


def test_never_leaves_encryption():
    leaving = transfer._SameSafety().redirect_request
    with pytest.raises(FetchError, match="not encrypted"):
        leaving(Request("https://a.example/x"), None, 302, "", {}, "http://a.example/x")
    assert leaving(Request("https://a.example/x"), None, 302, "", {}, "https://b.example/x")


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "login"), (403, "agreed licence"), (404, PAGE), (410, PAGE), (418, "HTTP 418")],
)
def test_a_refusal_is_not_repeated(host, tmp_path, status, words):
    host.always = answers(status)
    with pytest.raises(FetchError, match=words):
        get(row(host), tmp_path)
    assert len(host.requests) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "answer", [answers(429, Retry_After="0"), answers(503), answers(500), answers(502)]
)
def test_a_passing_trouble_is_waited_for(host, tmp_path, answer):
    host.plan = [answer, answer]
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert len(host.requests) == 3


def test_the_wait_that_a_server_asks_for_is_kept_within_bounds(host, tmp_path):
    host.plan = [answers(429, Retry_After="3600")]
    started = time.monotonic()
    assert get(row(host), tmp_path, replace(QUICK, longest=0.2)).read_bytes() == CONTENT
    assert 0.2 <= time.monotonic() - started < 60


def test_lasting_trouble_ends(host, tmp_path):
    host.always = answers(503)
    with pytest.raises(FetchError, match="HTTP 503"):
        get(row(host), tmp_path)
    assert len(host.requests) == QUICK.tries


def test_a_status_without_a_body_is_no_file(host, tmp_path):
    host.always = answers(204)
    with pytest.raises(FetchError, match="status 204"):
        get(unverifiable(host), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("text/html; charset=utf-8", b"<title>Log in</title>"),
        ("application/octet-stream", b"\n<!DOCTYPE html><title>Log in</title>"),
    ],
)
def test_a_web_page_is_no_file(host, tmp_path, kind, page):
    host.always = sends(page, Content_Type=kind)
    with pytest.raises(FetchError, match="is a web page"):
        get(unverifiable(host), tmp_path)
    assert names(tmp_path) == []


def test_packed_or_empty_content_is_no_file(host, tmp_path):
    host.plan = [sends(CONTENT, Content_Encoding="gzip")]
    with pytest.raises(FetchError, match=r"packed \(gzip\)"):
        get(unverifiable(host), tmp_path)
    host.plan = [sends(b"")]
    with pytest.raises(FetchError, match="it is empty"):
        get(unverifiable(host), tmp_path)
    assert names(tmp_path) == []


def test_a_file_of_unknown_hash_arrives_and_can_be_told(host, tmp_path):
    assert digest(get(unverifiable(host), tmp_path)) == row(host).sha256


def test_a_part_larger_than_the_file_is_thrown_away(host, tmp_path):
    leave_part(host, tmp_path)
    (tmp_path / "tiny.onnx.part").write_bytes(OTHER * 2)
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges == [None]


def test_a_part_larger_than_the_servers_file_is_thrown_away(host, tmp_path):
    leave_part(host, tmp_path)
    (tmp_path / "tiny.onnx.part").write_bytes(OTHER * 2)
    assert get(row(host, bytes=None), tmp_path).read_bytes() == CONTENT
    assert host.ranges == ["bytes=120000-", None]


def test_a_whole_part_needs_no_request(host, tmp_path):
    leave_part(host, tmp_path)
    (tmp_path / "tiny.onnx.part").write_bytes(CONTENT)
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.requests == []


def test_a_part_of_unknown_origin_is_thrown_away(host, tmp_path):
    (tmp_path / "tiny.onnx.part").write_bytes(OTHER[:20_000])
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges == [None]


def test_a_part_of_another_version_is_thrown_away_by_if_range(host, tmp_path):
    leave_part(host, tmp_path)
    (tmp_path / "tiny.onnx.part").write_bytes(OTHER[:20_000])
    host.etag = '"second"'
    assert get(unverifiable(host), tmp_path).read_bytes() == CONTENT
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "head",
    [
        {"ETag": '"second"'},
        {"Content_Range": "bytes 0-59999/60000"},
        {"Content_Range": "bytes 20000-59999/70000"},
        {"Content_Range": "nonsense"},
    ],
)
def test_a_rest_that_does_not_fit_is_thrown_away(host, tmp_path, head):
    leave_part(host, tmp_path)
    host.plan = [says_of_the_rest(**head)]
    assert get(unverifiable(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges == ["bytes=20000-", None]


def test_a_part_of_another_version_shows_at_the_hash_and_is_fetched_anew(host, tmp_path):
    host.etag = ""
    leave_part(host, tmp_path)
    (tmp_path / "tiny.onnx.part").write_bytes(OTHER[:20_000])
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges == ["bytes=20000-", None]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_stopped_by_the_progress_it_goes_on_later(host, tmp_path, stop):
    def progress(done: int, _: int) -> None:
        if done >= 10_000:
            raise stop

    with pytest.raises(stop):
        fetch(row(host), tmp_path, progress, QUICK)
    arrived = (tmp_path / "tiny.onnx.part").stat().st_size
    assert 10_000 <= arrived <= len(CONTENT)
    assert "tiny.onnx" not in names(tmp_path)
    assert get(row(host), tmp_path).read_bytes() == CONTENT
    assert host.ranges[1:] in ([f"bytes={arrived}-"], [])
    assert names(tmp_path) == ["tiny.onnx"]


def test_two_fetches_at_once_do_not_mix(host, tmp_path):
    host.plan = [slow]
    underway = threading.Event()
    first = threading.Thread(
        target=fetch, args=(row(host), tmp_path, lambda *_: underway.set(), QUICK)
    )
    first.start()
    assert underway.wait(5)
    with pytest.raises(FetchError, match="already"):
        get(row(host), tmp_path)
    first.join()
    assert (tmp_path / "tiny.onnx").read_bytes() == CONTENT
    assert names(tmp_path) == ["tiny.onnx"]
    assert len(host.requests) == 1


def test_the_lock_of_a_killed_fetch_does_not_block(host, tmp_path):
    (tmp_path / "tiny.onnx.part.lock").touch()
    get(row(host), tmp_path)
    assert names(tmp_path) == ["tiny.onnx"]


def test_a_verified_file_is_not_fetched_again(host, tmp_path):
    get(row(host), tmp_path)
    get(row(host), tmp_path)
    assert len(host.requests) == 1


@pytest.mark.parametrize(("content", "words"), [(b"short", "has 5 bytes"), (OTHER, "sha256")])
def test_another_file_of_that_name_is_left_alone(host, tmp_path, content, words):
    (tmp_path / "tiny.onnx").write_bytes(content)
    with pytest.raises(FetchError, match=rf"{words}.*Move it away"):
        get(row(host), tmp_path)
    assert (tmp_path / "tiny.onnx").read_bytes() == content
    assert host.requests == []


def test_a_folder_of_that_name_is_left_alone(host, tmp_path):
    (tmp_path / "tiny.onnx").mkdir()
    with pytest.raises(FetchError, match="not a file"):
        get(row(host), tmp_path)


def test_a_disk_too_small_is_told_before_the_download(host, tmp_path):
    host.always = announces(10**18)
    with pytest.raises(FetchError, match=r"1000000000.0 GB are still to come.*free"):
        get(unverifiable(host), tmp_path)
    assert "tiny.onnx" not in names(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_read_only_folder_is_told(host, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(FetchError, match=r"may not be written.*--folder"):
            get(row(host), tmp_path)
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_place_that_is_no_folder_is_told(host, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FetchError, match="could not be written"):
        get(row(host), tmp_path / "file" / "below")
    assert host.requests == []


def test_offline_names_the_cure_the_address_and_the_place(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    unreachable = Host(CONTENT, url=f"http://127.0.0.1:{port}")
    with pytest.raises(FetchError) as caught:
        get(row(unreachable), tmp_path, replace(QUICK, pause=60, longest=60))
    message = str(caught.value)
    for words in ("network", "HTTPS_PROXY", row(unreachable).url, str(tmp_path / "tiny.onnx")):
        assert words in message
    assert names(tmp_path) == []


def test_a_mirror_of_the_hub_is_asked_instead(host, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{host.url}/mirror/")
    model = row(host, url="https://huggingface.co/someone/some/resolve/main/ti ny++.onnx")
    assert get(model, tmp_path).read_bytes() == CONTENT
    asked = host.requests[0]["path"]
    assert asked == "/mirror/someone/some/resolve/main/ti%20ny++.onnx"


def test_a_mirror_that_is_no_address_is_told(host, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror")
    with pytest.raises(FetchError, match="HF_ENDPOINT is 'hf-mirror'"):
        get(row(host), tmp_path)


def test_a_row_without_an_address_says_where_to_get_it(host, tmp_path):
    with pytest.raises(FetchError, match=f"get it from {PAGE}"):
        get(row(host, url=None), tmp_path)
    assert names(tmp_path) == []


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def pack_row(host: Host, content: bytes) -> Model:
    host.content = content
    return row(
        host,
        file="tiny.zip",
        url=f"{host.url}/tiny.zip",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        members=("find.onnx", "know.onnx"),
    )


@pytest.mark.parametrize("inside", ["", "tiny/", "tiny/tiny/", "tiny\\"])
def test_a_pack_lies_flat_in_its_folder_however_it_was_zipped(host, tmp_path, inside):
    content = zipped(**{f"{inside}find.onnx": b"find", f"{inside}know.onnx": b"know"})
    assert get(pack_row(host, content), tmp_path) == tmp_path / "tiny"
    assert names(tmp_path) == ["tiny"]
    assert names(tmp_path / "tiny") == ["find.onnx", "know.onnx"]
    assert (tmp_path / "tiny/know.onnx").read_bytes() == b"know"
    get(pack_row(host, content), tmp_path)
    assert len(host.requests) == 1


def test_a_pack_writes_nothing_but_its_members(host, tmp_path):
    files = {"a/find.onnx": b"1", "../../know.onnx": b"2", "../evil.onnx": b"3", "/evil": b"4"}
    get(pack_row(host, zipped(**files)), tmp_path / "in" / "models")
    found = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert sorted(found) == ["in/models/tiny/find.onnx", "in/models/tiny/know.onnx"]


def test_a_pack_completes_a_folder_that_lacks_a_file(host, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "mine.txt").write_text("mine")
    get(pack_row(host, zipped(**{"find.onnx": b"1", "know.onnx": b"2"})), tmp_path)
    assert names(tmp_path / "tiny") == ["find.onnx", "know.onnx", "mine.txt"]


def test_a_pack_without_a_member_or_broken_leaves_nothing(host, tmp_path):
    with pytest.raises(FetchError, match=r"without know.onnx; it holds find.onnx"):
        get(pack_row(host, zipped(**{"find.onnx": b"1"})), tmp_path)
    broken = bytearray(zipped(**{"find.onnx": b"1" * 99, "know.onnx": b"2"}))
    broken[50] ^= 255
    for content in (bytes(broken), b"no zip at all"):
        with pytest.raises(FetchError, match="cannot be unpacked"):
            get(pack_row(host, content), tmp_path)
    assert names(tmp_path) == []
