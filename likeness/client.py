"""Talk to a running ComfyUI over its HTTP API; standard library only, so that any Python can.

server = Client("http://127.0.0.1:8188")
entry = server.wait(server.queue(prompt))  # prompt: in API format
pictures = [server.view(image) for image in results(entry)]
"""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from .progress import Progress, ignore

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two looks at the history
DRAIN = 1 << 20


class ServerError(RuntimeError):
    """The server cannot be reached, or refused a request."""


class PromptError(ServerError):
    """A prompt was refused, failed or was cancelled; names the node where one is known."""

    def __init__(self, message: str, node_id: str | None = None, class_type: str | None = None):
        super().__init__(message)
        self.node_id = node_id
        self.class_type = class_type


@dataclass(frozen=True)
class Client:
    url: str = "http://127.0.0.1:8188"
    timeout: float = 60.0  # seconds one request may take

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(
                f"{self.url!r} is not the address of a server: write it as ComfyUI prints it, "
                "such as http://127.0.0.1:8188"
            )

    def queue(self, prompt: dict, listener: str = "", prompt_id: str = "") -> str:
        """Queue a graph in API format; returns the prompt's id.

        `listener` is the clientId of a websocket that is to hear of it. A wanted `prompt_id`, a
        UUID, is heeded by servers that know of such.
        """
        named = {"client_id": listener, "prompt_id": prompt_id}
        body = {"prompt": prompt} | {key: value for key, value in named.items() if value}
        answer = self._json("/prompt", body)
        if answer["node_errors"]:
            self.cancel(answer["prompt_id"])
            raise _refusal("The server would run only a part of the prompt", answer)
        return answer["prompt_id"]

    def wait(self, prompt_id: str, timeout: float = 600.0, progress: Progress = ignore) -> dict:
        """The prompt's entry in the history, once it has run.

        `progress` is called at each look with the seconds waited and the seconds allowed.
        """
        start, pause = time.monotonic(), FIRST_PAUSE
        while (entry := self.look(prompt_id)) is None:
            waited = time.monotonic() - start
            if waited > timeout:
                raise PromptError(
                    f"Prompt {prompt_id} was not done after {timeout:g} seconds. It goes on in "
                    f"{self.url}: wait for it again with a longer timeout, or cancel it."
                )
            progress(int(waited), int(timeout))
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
        raise_failure(entry)
        return entry

    def look(self, prompt_id: str) -> dict | None:
        """As `history`; PromptError where the server does not know the prompt at all."""
        if (entry := self.history(prompt_id)) is not None:
            return entry
        if any(prompt_id in prompts for prompts in self.queued().values()):
            return None
        if (entry := self.history(prompt_id)) is None:
            raise PromptError(
                f"{self.url} no longer knows prompt {prompt_id}: it was removed from the queue, or "
                "the server was started anew. Queue it again."
            )
        return entry

    def history(self, prompt_id: str) -> dict | None:
        """The prompt's entry in the history; None while it waits or runs."""
        return self._json(f"/history/{quote(prompt_id)}").get(prompt_id)

    def queued(self) -> dict[str, list[str]]:
        """The prompts that the server runs and those that wait: {"queue_running": [ids], ...}."""
        queue = self._json("/queue")
        return {state: [item[1] for item in items] for state, items in queue.items()}

    def cancel(self, prompt_id: str) -> None:
        """Take the prompt out of the queue, or stop it where it runs, and no other."""
        self._json("/queue", {"delete": [prompt_id]})
        if prompt_id in self.queued()["queue_running"]:  # older servers stop whatever runs
            self._json("/interrupt", {"prompt_id": prompt_id})

    def view(self, image: dict) -> bytes:
        """The file of one picture that a history entry lists."""
        names = {key: image[key] for key in ("filename", "subfolder", "type")}
        return self.fetch(f"/view?{urlencode(names)}")

    def upload(self, picture: Path | bytes, name: str | None = None, folder: str = "") -> str:
        """Put a picture among the server's inputs; returns the name Load Image knows it by."""
        data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        name = name or (uuid.uuid4().hex + ".png" if picture is data else Path(picture).name)
        body, kind = _form({"overwrite": "true", "subfolder": folder}, name, data)
        answer = json.loads(self.fetch("/upload/image", body, kind))
        return "/".join(filter(None, (answer["subfolder"], answer["name"])))

    def object_info(self, class_type: str | None = None) -> dict:
        """What the server knows of its nodes, or of one: {class type: inputs, outputs, ...}."""
        return self._json("/object_info" + (f"/{quote(class_type)}" if class_type else ""))

    def models(self, folder: str) -> list[str]:
        """The files in a folder of models, such as "checkpoints"."""
        return self._json(f"/models/{quote(folder)}")

    def embeddings(self) -> list[str]:
        """The names that "embedding:NAME" in a prompt may have, without their endings."""
        return self._json("/embeddings")

    def system_stats(self) -> dict:
        return self._json("/system_stats")

    def _json(self, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        answer = self.fetch(path, data, "application/json")
        return json.loads(answer) if answer else {}

    def fetch(self, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        """What the server answers at `path`, to a GET, or to a POST where there is a body."""
        request = Request(self.url.rstrip("/") + path, body, {"Content-Type": kind} if body else {})
        near = urlsplit(self.url).hostname in LOOPBACK
        opener = build_opener(ProxyHandler({})) if near else build_opener()
        try:
            with opener.open(request, timeout=self.timeout) as answer:
                return answer.read()
        except HTTPError as error:
            raise _http_error(request.full_url, error) from None
        except (OSError, HTTPException) as error:
            raise ServerError(
                f"No answer from {self.url} ({getattr(error, 'reason', None) or error!r}). Start "
                "ComfyUI, or give the address it prints at its start, such as "
                "http://127.0.0.1:8188."
            ) from error


def images(entry: dict) -> list[dict]:
    """Every picture of a history entry, as `view` takes them."""
    return [image for output in entry["outputs"].values() for image in output.get("images", ())]


def results(entry: dict) -> list[dict]:
    """What was saved; the previews where nothing was. (What is saved is often previewed too.)"""
    everything = images(entry)
    return [image for image in everything if image["type"] == "output"] or everything


def texts(entry: dict) -> dict[str, str]:
    """The text that nodes showed, by node id."""
    return {
        node: "\n".join(output["text"])
        for node, output in entry["outputs"].items()
        if output.get("text")
    }


def raise_failure(entry: dict) -> None:
    """PromptError where the prompt of this history entry failed or was cancelled."""
    for event, data in entry["status"]["messages"]:
        node_id, class_type = data.get("node_id"), data.get("node_type")
        where = f"Node {node_id} ({class_type})"
        if event == "execution_error":
            message = data["exception_message"].strip()
            raise PromptError(
                f"{where} failed: {data['exception_type']}: {message}", node_id, class_type
            )
        if event == "execution_interrupted":
            raise PromptError(f"{where} was cancelled.", node_id, class_type)
    if entry["status"]["status_str"] != "success":
        raise PromptError(f"The prompt failed, and the server said no more: {entry['status']}")


def _http_error(url: str, error: HTTPError) -> ServerError:
    body = error.read(DRAIN)
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and "node_errors" in answer:
        return _refusal("The server refused the prompt", answer)
    return ServerError(f"{url} answered {error.code} {error.reason}: {body[:300]!r}")


def _refusal(what: str, answer: dict) -> PromptError:
    """One line for each complaint of the host's validation, the node named first."""
    lines, first = [], (None, None)
    for node_id, node in answer["node_errors"].items():
        first = first if first[0] else (node_id, node["class_type"])
        for error in node["errors"]:
            told = ": ".join(filter(None, (error["message"], error.get("details"))))
            lines.append(f"node {node_id} ({node['class_type']}): {told}")
    if not lines and isinstance(error := answer.get("error"), dict):
        lines.append(": ".join(filter(None, (error.get("message"), error.get("details")))))
    return PromptError(f"{what}. " + "; ".join(lines or [str(answer.get("error"))]), *first)


def _form(fields: dict[str, str], name: str, data: bytes) -> tuple[bytes, str]:
    """A multipart form with one file, and its content type."""
    mark = uuid.uuid4().hex
    head = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    name = re.sub(r'["\\\r\n]', "_", name)
    head += (
        f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = b"".join((head.encode(), data, f"\r\n--{mark}--\r\n".encode()))
    return body, f"multipart/form-data; boundary={mark}"
