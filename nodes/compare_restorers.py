"""Restorers side by side. What only a run needs is imported there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ..likeness.restoring.covering import Covers
from .analyzer import faces_in, faces_input, finder
from .host import named, progress, reported
from .restore import make_room, parser_for, restorer_input, taken
from .types import Analyzer, Parser

if TYPE_CHECKING:
    from ..likeness.restoring.columns import Column


class CompareRestorers(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LikenessCompareRestorers",
            display_name="Compare Restorers",
            category="Likeness/restore",
            description="Restores the same faces with several restorers and lays the results out "
            "side by side, with how like themselves and how sharp they are.",
            search_aliases=[
                "compare face restore",
                "gfpgan or codeformer",
                "restorers side by side",
                "face restore comparison",
                "contact sheet",
                "best restorer",
                "codeformer fidelity",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The pictures whose faces are restored."),
                restorer_input("restorer"),
                io.String.Input(
                    "fidelities",
                    default="0.7",
                    placeholder="0.3, 0.7",
                    tooltip="Numbers from 0 to 1 with commas between them: CodeFormer gets a "
                    "column for each. The others take no such number and get one column.",
                ),
                restorer_input("restorer_2", optional=True, name="second restorer"),
                restorer_input("restorer_3", optional=True, name="third restorer"),
                restorer_input("restorer_4", optional=True, name="fourth restorer"),
                faces_input(),
                Analyzer.Input(
                    "analyzer",
                    optional=True,
                    tooltip="Finds faces where none are given; one that knows identity measures "
                    "how like itself each face stays. Without it the built-in finder is used.",
                ),
                Parser.Input(
                    "parser",
                    optional=True,
                    tooltip="From Load Face Parser: only the head is put back, not all of the "
                    "square.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="sheet",
                    tooltip="One picture: a row for each face, as it was and by each restorer.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="For each face and restorer what was measured, and the means.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image,
        restorer,
        fidelities: str,
        restorer_2=None,
        restorer_3=None,
        restorer_4=None,
        faces=None,
        analyzer=None,
        parser=None,
    ) -> io.NodeOutput:
        from ..likeness.restoring.columns import parse_fidelities
        from ..likeness.restoring.restore import Settings
        from ..likeness.restoring.sheet import side_by_side_sheet
        from ..likeness.restoring.side_by_side import compare_restorers, describe_side_by_side

        with named("fidelities"):
            numbers = parse_fidelities(fidelities)
        sockets = {
            "restorer": restorer,
            "restorer_2": restorer_2,
            "restorer_3": restorer_3,
            "restorer_4": restorer_4,
        }
        analyzer = finder(analyzer)
        covers = Covers.SQUARE if parser is None else Covers.BOTH
        sight, patchers = parser_for(covers, parser)
        columns = [
            column
            for input_id, given in sockets.items()
            if given is not None
            for column in _columns(given, input_id, numbers, patchers)
        ]
        compared = compare_restorers(
            image,
            faces_in(image, faces, analyzer),
            columns,
            Settings(covers=covers),
            sight,
            analyzer,
            progress(1),
        )
        return reported(side_by_side_sheet(compared), report=describe_side_by_side(compared))


def _columns(
    restorer: object, input_id: str, fidelities: Sequence[float], beside: Sequence[ModelPatcher]
) -> list[Column]:
    """One for each number, where the restorer listens to it; `beside` it others are needed too."""
    from ..likeness.restoring.columns import Column

    network, patchers = taken(restorer, input_id)
    room = partial(make_room, [*patchers, *beside])
    heard = fidelities if network.has_fidelity else fidelities[:1]
    return [Column(network, number, room) for number in heard]
