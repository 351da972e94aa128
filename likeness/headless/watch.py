"""Wait for a prompt: the websocket tells how far it is, the history beside it whether it lives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..client import Client, PromptError, ServerError
from ..websocket import ENDED, WebSocket, WebSocketError, connect
from .shown import Shown

EACH = 1.0  # seconds between two looks at the history
SOON = 0.05  # seconds, once the prompt is over and only its entry is awaited
PATIENCE = 5.0  # seconds a server may be silent before it is given up
OVER = ("execution_success", "execution_error", "execution_interrupted")


class TooLong(PromptError):
    """The time that was allowed is over."""


@dataclass
class Listener:
    """The server's messages of one prompt, for as long as its websocket holds."""

    shown: Shown
    name: str  # the clientId
    socket: WebSocket | None = None

    def open(self, client: Client) -> None:
        address = client.url.rstrip("/").replace("http", "ws", 1)
        try:
            self.socket = connect(f"{address}/ws?clientId={self.name}", timeout=PATIENCE)
        except WebSocketError as error:
            self.shown.note(f"No progress can be shown, only the result: {error}.")

    def hear(self, prompt_id: str, seconds: float) -> bool:
        """Show what comes within so many seconds; True, and at once, when the prompt is over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.socket is None:
                time.sleep(left)
                return False
            try:
                message = self.socket.receive(left)
            except WebSocketError as error:
                self._lose(str(error))
                continue
            if message is ENDED:
                self._lose("the server closed it")
            elif isinstance(message, str) and self._take(message, prompt_id):
                return True
        return False

    def close(self) -> None:
        self.shown.ends()
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _lose(self, why: str) -> None:
        self.close()
        self.shown.note(f"The connection that tells the progress is gone: {why}.")

    def _take(self, message: str, prompt_id: str) -> bool:
        """Whether the prompt is over by this message. (Previews are binary, and not ours.)"""
        try:
            event = json.loads(message)
            return self._show(event["type"], event["data"], prompt_id)
        except (AttributeError, KeyError, TypeError, ValueError):
            return False  # another program's, or a newer server's

    def _show(self, kind: str, told: Mapping, prompt_id: str) -> bool:
        if told.get("prompt_id", prompt_id) != prompt_id:
            return False
        node = told.get("display_node") or told.get("node")
        if kind == "execution_cached":
            self.shown.cached([str(each) for each in told.get("nodes", ())])
        elif kind == "executing" and node is not None:
            self.shown.begins(str(node))
        elif kind == "progress" and node is not None:
            self.shown.steps(str(node), int(told["value"]), int(told["max"]))
        return kind in OVER or (kind == "executing" and node is None)


def wait(client: Client, prompt_id: str, listener: Listener, limit: float | None) -> dict:
    """The prompt's entry in the history, once it is there; failed or not."""
    start, silent_since, over = time.monotonic(), None, False
    while True:
        try:
            entry = client.look(prompt_id)
            silent_since = None
            if entry is not None:
                return entry
        except PromptError:
            raise
        except ServerError as error:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > PATIENCE:
                raise ServerError(
                    f"The server stopped while it had the prompt, and what it had done is lost "
                    f"unless it is saved there. {error}"
                ) from error
        if limit is not None and time.monotonic() - start > limit:
            raise TooLong(f"The prompt was not done after {limit:g} seconds.")
        over = listener.hear(prompt_id, SOON if over else EACH) or over


def needed(prompt: Mapping[str, Mapping], known: Mapping) -> Iterator[str]:
    """The nodes that the server will run: those that save or show, and all that leads to them."""
    ends = [
        key for key, node in prompt.items() if known.get(node["class_type"], {}).get("output_node")
    ]
    seen: set[str] = set()
    while ends:
        key = ends.pop()
        if key in seen or key not in prompt:
            continue
        seen.add(key)
        values = prompt[key]["inputs"].values()
        ends += [str(value[0]) for value in values if isinstance(value, list) and len(value) == 2]
    return (key for key in prompt if key in seen)
