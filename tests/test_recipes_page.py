"""A person's way through V1 in the real page: template, own picture, Run, the result."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from test_flows import IMAGES, SHOWN, described, portrait
from test_recipes import LIMIT, QUICK, V1, covered, titled

QUICKER = """wanted => {
  for (const node of app.rootGraph.nodes)
    for (const [name, value] of Object.entries(wanted[node.type] ?? {})) {
      const widget = node.widgets.find((each) => each.name === name)
      if (widget) widget.value = value
    }
}"""
LOOK_AT = """id => {
  app.canvas.ds.scale = 1
  app.canvas.centerOnNode(app.rootGraph.getNodeById(id))
  app.canvas.setDirty(true, true)
}"""
BUTTON = """id => {
  const node = app.rootGraph.getNodeById(id)
  const button = node.widgets.find((each) => each.name === 'upload')
  const at = [node.pos[0] + node.size[0] / 2, node.pos[1] + button.last_y + 10]
  const [x, y] = app.canvas.ds.convertOffsetToCanvas(at)
  const { left, top } = app.canvas.canvas.getBoundingClientRect()
  return [left + x, top + y]
}"""
CHOSEN = "id => app.rootGraph.getNodeById(id).widgets[0].value"


@pytest.mark.slow
def test_a_person_opens_v1_takes_an_own_picture_runs_it_and_sees_the_result(
    editor, server, tmp_path
):
    given = portrait("studio")[20:, :380]
    Image.fromarray(given).save(tmp_path / "mine.png")
    editor.open_template("Likeness", V1)
    editor.wait("type => app.rootGraph.nodes.some((node) => node.type === type)", "SaveImage")
    assert editor.missing_nodes() == []
    assert editor.complaints() == ""
    editor.screenshot(f"{V1}, opened")
    picture = int(titled(editor.prompt(), "Picture"))
    editor.evaluate(LOOK_AT, picture)
    editor.do(upload, editor.page, picture, tmp_path / "mine.png")
    editor.wait(f"id => ({CHOSEN})(id) === 'mine.png'", picture)
    editor.wait("id => app.rootGraph.getNodeById(id).imgs?.[0]?.naturalWidth > 0", picture)
    editor.screenshot(f"{V1}, with an own picture")
    editor.evaluate(QUICKER, QUICK)
    sent = editor.prompt()
    last = titled(sent, "Save Image")
    editor.evaluate(LOOK_AT, int(last))  # what is not looked at loads no picture
    editor.press_run()
    editor.wait(SHOWN, "SaveImage", seconds=LIMIT)
    assert editor.complaints() == ""
    server.idle()
    editor.screenshot(f"{V1}, run")
    (saved,) = editor.evaluate(IMAGES, last)
    made, mask = server.picture(saved), covered(server, sent, "Mask")
    differs = np.abs(made.astype(int) - given).max(axis=-1)
    assert not differs[~mask].any(), "changed beyond the mask"
    assert (differs[mask] > 2).mean() > 0.3, "the face is as it was"
    sizes = {node.id: node.size for node in described(V1).nodes}
    for each in editor.save()["nodes"]:  # none grows over its neighbours by its report
        assert each["size"][1] <= sizes.get(each["id"], each["size"])[1], each["type"]


def upload(page, node: int, file) -> None:
    """By the button on the node."""
    page.wait_for_timeout(500)  # until it is drawn where it is looked at now
    x, y = page.evaluate(BUTTON, node)
    page.mouse.move(x, y)
    with page.expect_file_chooser() as chooser:
        page.mouse.click(x, y, delay=100)
    chooser.value.set_files(file)
