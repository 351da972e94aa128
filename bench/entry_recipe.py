"""What our nodes take of a run of V1 in the real ComfyUI, against its thirty steps of sampling.

Of the steps a few are run, the rest counted: all of them call the network twice but the last one.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from measure import Goal, Kind, Row

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "workflows" / "api" / "V1 inpaint.json"
FIRST, *OTHERS = "harbour", "cafe", "garden", "studio"
STEPS, RUN = 30, 3
COUNTED = (2 * STEPS - 1) / (2 * RUN - 1)
FEW = {"steps": RUN, "counting": "as KSampler"}  # of those that are run
LIMIT = 1200.0  # seconds for a run
SHOWN = 3

Seconds = Counter[str]  # by class of node


def rows() -> Iterator[Row]:
    """The first run loads what there is to load; each run after it is of another picture."""
    import host

    with tempfile.TemporaryDirectory() as base:
        server = host.start(Path(os.environ["COMFYUI_PATH"]), Path(base))
        try:
            _run(server.client, FIRST)
            runs = [_run(server.client, portrait) for portrait in OTHERS]
        finally:
            server.stop()
    own = [_of(run, "Likeness") for run in runs]
    steps = [_of(run, "KSampler").total() * COUNTED for run in runs]
    pairs = tuple((each, ours.total()) for each, ours in zip(steps, own, strict=True))
    what = f"V1 inpaint, our nodes against {STEPS} steps of sampling"
    yield Row("recipe", what, pairs, Goal(Kind.RATIO, 0.05))
    for name, seconds in sum(own, Counter()).most_common(SHOWN):
        print(f"{'':8}{name}: {seconds / len(runs):.2f} s a run")


def _of(run: Seconds, prefix: str) -> Seconds:
    return Counter({name: run[name] for name in run if name.startswith(prefix)})


def _run(client, portrait: str) -> Seconds:
    """How long the nodes of each class took, as the server tells it on its websocket."""
    from pack.likeness.websocket import connect

    prompt, me = _prompt(portrait), uuid.uuid4().hex
    with connect(f"{client.url.replace('http', 'ws', 1)}/ws?clientId={me}") as socket:
        asked = json.dumps({"prompt": prompt, "client_id": me}).encode()
        queued = json.loads(client.fetch("/prompt", asked, "application/json"))["prompt_id"]
        taken, node, since = Counter(), None, time.perf_counter()
        for now, following in _begun(socket, queued):
            if node is not None:
                taken[prompt[node]["class_type"]] += now - since
            node, since = following, now
    client.wait(queued)
    return taken


def _begun(socket, queued: str) -> Iterator[tuple[float, str | None]]:
    """When each node begins, by its number; None at the end."""
    from pack.likeness.websocket import ENDED

    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline and (message := socket.receive(1.0)) is not ENDED:
        now = time.perf_counter()
        told = json.loads(message) if isinstance(message, str) else {"type": None}
        if told["type"] == "executing" and told["data"].get("prompt_id") == queued:
            yield now, told["data"]["node"]
            if told["data"]["node"] is None:
                return
    raise TimeoutError(f"the server went away, or V1 was not done after {LIMIT:g} seconds")


def _prompt(portrait: str) -> dict:
    """The recipe on this portrait, with a few steps."""
    prompt = json.loads(RECIPE.read_text("utf-8"))
    for node in prompt.values():
        if node["class_type"] == "LikenessLoadPortrait":
            node["inputs"]["portrait"] = portrait
        if node["class_type"] == "LikenessExactStrength":
            node["inputs"] |= FEW
    return prompt
