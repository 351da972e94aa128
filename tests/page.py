"""ComfyUI's real page in the Chromium of the machine, driven through Playwright."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / "output" / "test-screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "() => window.app && window.app.graph && window.app.extensionManager"
LOAD_LIMIT = 120_000  # milliseconds
GRACE = 1_000  # milliseconds in which the page complains, if it does: usually 200

PLACE = """id => {
  const { pos, size } = app.rootGraph.getNodeById(id)
  const [left, top] = app.canvasPosToClientPos(pos)
  const [right, bottom] = app.canvasPosToClientPos([pos[0] + size[0], pos[1] + size[1]])
  return [left, top, right, bottom]
}"""
ADD_SELECTED = """type => {
  const node = LiteGraph.createNode(type)
  app.rootGraph.add(node)
  node.pos = [500, 300]
  app.canvas.selectItems([node])
}"""
EMPTY = {
    "revision": 0,
    "last_node_id": 0,
    "last_link_id": 0,
    "nodes": [],
    "links": [],
    "groups": [],
    "config": {},
    "extra": {},
    "version": 0.4,
}


def chromium() -> str:
    for name in NAMES:
        if path := shutil.which(name):
            return path
    reason = f"No Chromium on PATH (looked for {', '.join(NAMES)}): apt-get install chromium"
    if os.environ.get("LIKENESS_REQUIRE_BROWSER") == "1":
        pytest.fail(reason + " (LIKENESS_REQUIRE_BROWSER=1 makes its absence a failure)")
    pytest.skip(reason)


class Browser:
    """One Chromium. Playwright's loop lives in a thread of its own: tests may use asyncio."""

    def __enter__(self) -> Browser:
        from playwright.sync_api import sync_playwright

        path = chromium()
        self.thread = ThreadPoolExecutor(1, "browser")
        self.playwright = self.do(lambda: sync_playwright().start())
        self.chromium = self.do(
            lambda: self.playwright.chromium.launch(executable_path=path, args=FLAGS)
        )
        return self

    def __exit__(self, *caught) -> None:
        self.do(self.chromium.close)
        self.do(self.playwright.stop)
        self.thread.shutdown()

    def do(self, call, *args, **kwargs):
        return self.thread.submit(call, *args, **kwargs).result()

    def open(self, url: str) -> Editor:
        return Editor(self, url)


class Editor:
    """The graph editor at one server. `page` is Playwright's: use it within `do` only."""

    def __init__(self, browser: Browser, url: str):
        self.browser, self.url = browser, url
        self.errors: list[str] = []
        self.do = browser.do
        self.do(self._open)

    def _open(self) -> None:
        context = self.browser.chromium.new_context(viewport={"width": 1500, "height": 950})
        context.route(lambda url: not url.startswith(self.url), lambda route: route.abort())
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(self.url)
        self.page.wait_for_function(READY, timeout=LOAD_LIMIT)

    def evaluate(self, script: str, argument: object = None) -> object:
        return self.do(lambda: self.page.evaluate(script, argument))

    def wait(self, script: str, argument: object = None, seconds: float = 30) -> None:
        """Until the script says true."""
        self.do(lambda: self.page.wait_for_function(script, arg=argument, timeout=seconds * 1000))

    def take_errors(self) -> list[str]:
        """The errors of the page's scripts since this was last asked."""
        taken, self.errors[:] = list(self.errors), []
        return taken

    def clear(self, graph_id: str | None = None) -> None:
        self.load(EMPTY | ({"id": graph_id} if graph_id else {}))

    def load(self, graph: dict) -> None:
        """Open a graph in UI format."""
        self.evaluate("async graph => { await app.loadGraphData(graph) }", graph)

    def save(self) -> dict:
        """The graph in UI format."""
        return self.evaluate("() => JSON.parse(JSON.stringify(app.rootGraph.serialize()))")

    def prompt(self) -> dict:
        """The graph in API format, as the page would queue it."""
        return self.evaluate(
            "async () => JSON.parse(JSON.stringify((await app.graphToPrompt()).output))"
        )

    def missing_nodes(self) -> list[str]:
        """Types in the graph that this server does not have."""
        return self.evaluate(
            "() => app.rootGraph.nodes"
            ".filter(node => node.has_errors || !LiteGraph.registered_node_types[node.type])"
            ".map(node => node.type)"
        )

    def complaints(self) -> str:
        """What the page's error overlay says, such as missing models; empty where there is none."""
        return self.do(self._complaints)

    def _complaints(self) -> str:
        from playwright.sync_api import TimeoutError

        overlay = self.page.get_by_test_id("error-overlay")
        try:
            overlay.wait_for(timeout=GRACE)
        except TimeoutError:
            return ""
        return overlay.inner_text()

    def open_template(self, pack: str, title: str) -> int:
        """By hand, from the template browser; returns the width of the thumbnail it shows."""
        return self.do(self._open_template, pack, title)

    def _open_template(self, pack: str, title: str) -> int:
        page = self.page
        page.get_by_role("button", name="Templates", exact=True).click()
        page.get_by_text(pack, exact=True).first.click()
        card = page.get_by_test_id(f"template-workflow-{title}")
        card.scroll_into_view_if_needed()  # what is below the fold has no picture yet
        card.locator("img").first.wait_for()
        page.wait_for_load_state("networkidle")
        width = card.locator("img").first.evaluate("picture => picture.naturalWidth")
        card.click()
        card.wait_for(state="hidden")
        return width

    def press_run(self) -> None:
        self.do(lambda: self.page.get_by_test_id("queue-button").click())

    def place(self, node_id: int) -> tuple[int, int, int, int]:
        """Where the node is on the screen: left, top, right, bottom."""
        return tuple(round(value) for value in self.evaluate(PLACE, node_id))

    def help(self, node_type: str) -> str:
        """Add the node, ask for its help by hand, and read what the page shows."""
        self.evaluate(ADD_SELECTED, node_type)
        return self.do(self._help)

    def _help(self) -> str:
        self.page.get_by_test_id("info-button").click()
        panel = self.page.get_by_test_id("properties-panel")
        panel.locator(".node-help-content h1").wait_for()
        return panel.locator(".node-help-content").inner_text()

    def close(self) -> None:
        self.do(self.page.context.close)

    def screenshot(self, name: str) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.do(lambda: self.page.screenshot(path=SHOTS / f"{name}.png"))
        return SHOTS / f"{name}.png"
