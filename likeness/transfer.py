"""One HTTP request for a weight file, from where the part ends: what each answer means."""

from __future__ import annotations

import os
import re
import shutil
import ssl
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from socket import gaierror
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .models import Model, size
from .partial import discard, length, recall, remember
from .progress import Progress

HUB = "https://huggingface.co"
CHUNK = 1 << 18
PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that another try may cure


class FetchError(Exception):
    """The file could not be had; the message says why and what helps."""


class Interrupted(Exception):
    """This request came to nothing or broke off; another one may go on."""

    def __init__(self, reason: str, wait: float = 0.0, hopeless: bool = False):
        super().__init__(reason)
        self.wait = wait  # seconds that the server asks for
        self.hopeless = hopeless  # unless something has already arrived


def receive(model: Model, part: Path, progress: Progress, timeout: float) -> None:
    """One request; returns when everything has arrived."""
    known = recall(part)
    have = length(part)
    if have and (known.get("url") != model.url or (model.bytes and have > model.bytes)):
        discard(part)
        known, have = {}, 0
    if have and have == model.bytes:
        return
    headers = {"User-Agent": "Likeness", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if str(known.get("etag", "")).startswith('"'):  # a weak one may not be asked for
            headers["If-Range"] = str(known["etag"])
    try:
        response = _open(Request(address(model.url), headers=headers), timeout)
    except HTTPError as error:
        with error:
            if error.code == 416 and have:
                return _after_the_end(error, part, have)
            raise _refusal(error, model, part.parent) from error
    with response:
        total = _accept(response, model, part, have, known)
        start = have if response.status == 206 else 0
        _check_space(part.parent, total, start)
        _save(response, part, start, model.bytes if total is None else total, progress)


def _after_the_end(error: HTTPError, part: Path, have: int) -> None:
    """The server has nothing beyond what is here: either that is all, or it is of another file."""
    if re.fullmatch(rf"bytes \*/{have}", error.headers.get("Content-Range", "").strip()):
        return
    discard(part)
    raise Interrupted(f"it has fewer than the {have} bytes that had arrived")


def _accept(
    response: HTTPResponse, model: Model, part: Path, have: int, known: dict[str, object]
) -> int | None:
    """Whether this is (the rest of) the wanted file; returns its announced size."""
    etag = response.headers.get("ETag", "")
    if response.status == 206:
        total = _rest(response, part, have, known)
    elif response.status == 200:
        announced = response.headers.get("Content-Length", "")
        total = int(announced) if announced.isdecimal() else None
    else:
        raise FetchError(
            f"{response.url} answered with status {response.status}. {by_hand(model, part.parent)}"
        )
    if wrong := _wrong_kind(response, model, total):
        raise FetchError(f"{response.url} {wrong}. {by_hand(model, part.parent)}")
    if response.status == 200:
        discard(part)
    remember(part, {"url": model.url, "etag": etag, "total": total})
    return total


def _rest(response: HTTPResponse, part: Path, have: int, known: dict[str, object]) -> int | None:
    """The size of the whole, after checking that this goes on exactly where the part ends."""
    etag = response.headers.get("ETag", "")
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    total = int(span[2]) if span and span[2] != "*" else None
    same = known.get("etag", etag) == etag and known.get("total") in (None, total)
    if not span or int(span[1]) != have or not same:
        discard(part)
        raise Interrupted("the file changed on the server, or another part of it came")
    return total


def _wrong_kind(response: HTTPResponse, model: Model, total: int | None) -> str:
    if response.headers.get_content_type() == "text/html":
        return (
            f"is a web page, not {model.file}: a login page, or one that the network puts before "
            "everything"
        )
    coding = response.headers.get("Content-Encoding", "identity")
    if coding != "identity":
        return f"was sent packed ({coding}), so it cannot be checked or resumed"
    if model.bytes is not None and total not in (None, model.bytes):
        return (
            f"announces {total} bytes, but {model.file} has {model.bytes}: its publisher may have "
            f"replaced it, see {model.page}"
        )
    return ""


def _save(
    response: HTTPResponse, part: Path, start: int, total: int | None, progress: Progress
) -> None:
    have = start
    with part.open("ab" if start else "wb") as sink:
        for chunk in _chunks(response):
            sink.write(chunk)
            have += len(chunk)
            progress(have, total or 0)
            if total is not None and have > total:
                break
        sink.flush()
        os.fsync(sink.fileno())
    if total is not None and have < total:
        raise Interrupted(f"the connection ended after {have} of {total} bytes")


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, HTTPException) as error:
            raise Interrupted(f"the connection broke: {_words(error)}") from error
        if not chunk:
            return
        yield chunk


class _SameSafety(HTTPRedirectHandler):
    def redirect_request(self, request, response, code, message, headers, url):
        if request.full_url.startswith("https:") and not url.startswith("https:"):
            raise FetchError(
                f"{request.full_url} leads on to {url}, which is not encrypted; it was not "
                "followed. Something between you and the server interferes."
            )
        return super().redirect_request(request, response, code, message, headers, url)


def _open(request: Request, timeout: float) -> HTTPResponse:
    try:
        return build_opener(_SameSafety).open(request, timeout=timeout)
    except HTTPError:
        raise
    except (URLError, OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise FetchError(
                f"The certificate of {urlsplit(request.full_url).netloc} cannot be checked: "
                f"{reason.verify_message}. Set the clock right; on a Mac run Python's 'Install "
                "Certificates.command'; behind a company proxy set SSL_CERT_FILE to its "
                "certificate. Then run the same command again."
            ) from error
        hopeless = isinstance(reason, (gaierror, ConnectionRefusedError))
        raise Interrupted(_words(reason), hopeless=hopeless) from error


def _refusal(error: HTTPError, model: Model, folder: Path) -> Exception:
    status = f"HTTP {error.code} {error.reason}"
    if error.code in PASSING:
        wait = error.headers.get("Retry-After", "")
        return Interrupted(f"the server answered {status}", float(wait) if wait.isdecimal() else 0)
    if error.code in (401, 403):
        return FetchError(
            f"{error.url} may not be read without more ({status}): it may want a login or an "
            f"agreed licence. Open {model.page} in a browser. {by_hand(model, folder)}"
        )
    if error.code in (404, 410):
        return FetchError(
            f"{error.url} is gone ({status}). Look for {model.file} at {model.page}, save it in "
            f"{folder}, and please open an issue, so that the table can follow."
        )
    return FetchError(f"{error.url} answered {status}. {by_hand(model, folder)}")


def address(url: str) -> str:
    """The address to ask, with HF_ENDPOINT in the place of huggingface.co."""
    endpoint = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/")
    if endpoint and not endpoint.startswith(("https://", "http://")):
        raise FetchError(
            f"HF_ENDPOINT is {endpoint!r}, which is no address: write it with https://, "
            "or unset it."
        )
    if endpoint and url.startswith(f"{HUB}/"):
        url = endpoint + url.removeprefix(HUB)
    return quote(url, safe=":/?&=%+@")


def by_hand(model: Model, folder: Path) -> str:
    if model.members:
        return f"By hand: fetch {model.url} and unpack it into {folder / model.name}."
    return f"By hand: fetch {model.url} and save it as {folder / model.name}."


def _check_space(folder: Path, total: int | None, start: int) -> None:
    free = shutil.disk_usage(folder).free
    if total is not None and total - start > free:
        raise FetchError(
            f"{size(total - start)} are still to come, but the disk of {folder} has only "
            f"{size(free)} free. Make room, or choose another models folder with --folder."
        )


def _words(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "nothing came for too long"
    return str(error) or type(error).__name__
