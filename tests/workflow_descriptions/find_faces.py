"""Find faces: what the pack sees in a picture, with nothing downloaded."""

from workflow_builder import Group, Link, Node, Note, Workflow

NOTE = """\
# Find faces

Press **Run**. The faces of the portrait come back numbered, with their boxes, points and scores.
Nothing is downloaded: the built-in finder sees frontal faces.

**Your own picture**: *choose file to upload* in *Picture*.

**Other poses, age, sex, identity**: choose an insightface pack in *Load Face Analyzer* (such as \
buffalo_l or antelopev2, a folder of .onnx files in models/insightface/models). Its authors allow \
non-commercial use only.

**Some of the faces**: *Select Faces* puts them in order and keeps the numbers in *indices*: \
`0`, `0, 2` or `1-3`; empty keeps all.

Each node's report says what it found; the same text stands in the history of the API.
"""

WORKFLOW = Workflow(
    title="Find faces",
    notes=(Note(100, NOTE, at=(-400, 0), size=(360, 465)),),
    groups=(
        Group("A picture, and what looks at it", at=(-15, -75), size=(320, 555)),
        Group("The faces, and which of them", at=(320, -75), size=(320, 805), colour="#8A8"),
        Group("What was found", at=(655, -75), size=(420, 980), colour="#b58b2a"),
    ),
    nodes=(
        Node(
            1,
            "LikenessLoadPortrait",
            "Picture",
            at=(0, 0),
            size=(290, 200),
            inputs={"portrait": "harbour"},
        ),
        Node(
            2,
            "LikenessLoadFaceAnalyzer",
            "Load Face Analyzer",
            at=(0, 265),
            size=(290, 200),
            inputs={"analyzer": "built in"},
        ),
        Node(
            3,
            "LikenessDetectFaces",
            "Detect Faces",
            at=(335, 0),
            size=(290, 240),
            inputs={
                "image": Link(1),
                "analyzer": Link(2),
                "threshold": 0.5,
                "retry": "sizes, border, turns",
            },
        ),
        Node(
            4,
            "LikenessSelectFaces",
            "Select Faces",
            at=(335, 305),
            size=(290, 410),
            inputs={
                "faces": Link(3),
                "order": "largest first",
                "indices": "",
                "min_score": 0.0,
                "min_pixels": 0,
                "min_share": 0.0,
                "min_age": 0,
                "max_age": 120,
                "sex": "any",
            },
        ),
        Node(
            5,
            "LikenessDrawFaces",
            "Draw Faces",
            at=(670, 0),
            size=(390, 490),
            inputs={"image": Link(1), "faces": Link(4)},
        ),
        Node(
            6,
            "SaveImage",
            "Save Image",
            at=(670, 550),
            size=(390, 340),
            inputs={"images": Link(5), "filename_prefix": "Likeness/find_faces"},
        ),
    ),
)
