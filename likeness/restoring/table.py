"""The restorers that run in onnxruntime, a row each: how each wants the face."""

from __future__ import annotations

from dataclasses import dataclass

from ..align import Template
from ..onnx_network import DOUBLES

PICTURE, FIDELITY = "input", "weight"


@dataclass(frozen=True)
class Row:
    """A restorer: `input` (1, 3, size, size), RGB -1..1, in, and the same restored out."""

    name: str  # of the file, without its ending
    size: int
    template: Template = Template.FFHQ
    has_fidelity: bool = False  # it takes the number too, as `weight` (1,)

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        picture = {PICTURE: (1, 3, self.size, self.size)}
        return picture | ({FIDELITY: (1,)} if self.has_fidelity else {})

    @property
    def kinds(self) -> dict[str, str]:
        """The inputs that are not float32."""
        return {FIDELITY: DOUBLES} if self.has_fidelity else {}


# Facts of FaceFusion's release 3.0.0; licences stand in likeness.models.
ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row("gpen_bfr_256", 256, Template.ARCFACE_128),
        Row("gpen_bfr_512", 512),
        Row("gpen_bfr_1024", 1024),
        Row("gpen_bfr_2048", 2048),
        Row("gfpgan_1.2", 512),
        Row("gfpgan_1.3", 512),
        Row("gfpgan_1.4", 512),
        Row("codeformer", 512, has_fidelity=True),
        Row("restoreformer_plus_plus", 512),
    )
}
# The same networks under ReActor's names.
NAMESAKES = {
    "gfpganv1.3": "gfpgan_1.3",
    "gfpganv1.4": "gfpgan_1.4",
    "gpen-bfr-512": "gpen_bfr_512",
    "gpen-bfr-1024": "gpen_bfr_1024",
    "gpen-bfr-2048": "gpen_bfr_2048",
    "restoreformer_pp": "restoreformer_plus_plus",
}


def row_of(stem: str) -> Row | None:
    """By the name of a file without its ending."""
    name = stem.lower()
    return ROWS.get(NAMESAKES.get(name, name))
