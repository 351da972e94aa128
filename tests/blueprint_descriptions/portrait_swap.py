"""Portrait swap: a person's face, from photos, onto a face of a picture."""

from dataclasses import replace

import workflow_parts as parts
from blueprint_builder import Blueprint, Outside, Setting
from blueprint_parts import COLUMN, WIDTH
from workflow_builder import Link

PICTURE = Outside("picture")
ANALYZER = {"analyzer": Setting("analyzer", "built in")}
SWAPPER = {"swapper": Setting("swapper", "built in: warp and blend")}

BLUEPRINT = Blueprint(
    title="Portrait swap",
    description="Puts the face of a person, from one photo or several, onto a face of a picture. "
    "Outside the face not one pixel changes. Use your own face, or that of somebody who agreed. "
    "The built-in swap needs no file; a network, such as inswapper_128.onnx, needs the analyzer "
    "buffalo_l. A picture without a face comes out as it went in.",
    order=("picture", "person", "analyzer", "swapper", "which faces", "strength", "boost"),
    nodes=(
        replace(parts.load_analyzer(1, (0, 0), (WIDTH, 200)), inputs=ANALYZER),
        replace(parts.load_swapper(2, (0, 265), (WIDTH, 200)), inputs=SWAPPER),
        parts.detect_faces(3, (COLUMN, 0), (WIDTH, 240), PICTURE, Link(1)),
        parts.make_identity(4, (COLUMN, 305), (WIDTH, 310), Outside("person"), Link(1), ""),
        parts.select_faces(5, (2 * COLUMN, 0), (WIDTH, 410), Link(3), Setting("which faces", "0")),
        parts.swap_faces(
            6,
            (3 * COLUMN, 0),
            (WIDTH, 390),
            PICTURE,
            Link(2),
            strength=Setting("strength", 1.0),
            boost=Setting("boost", 1),
            faces=Link(5),
            identity=Link(4),
            analyzer=Link(1),
        ),
    ),
    outputs={"picture": Link(6), "mask": Link(6, 1), "report": Link(6, 4)},
    size=(320, 200),
)
