"""The mean face: how light and how detailed each place of a frontal face is, and how to lay it on.

Averaged from the faces of the five demo portraits and of scikit-image's astronaut
(tests/demo_faces.json), each carried to the table by an affine map of its eyes and mouth, side
light removed from BRIGHTNESS, mirrored halves averaged. Only the left half is written down. DETAIL
is the mean strength of the brightness gradient: eyes, nostrils and mouth, and little on the cheeks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sampling import carry, inverse, part, upright

HEIGHT, WIDTH = 40, 36
EYE_DISTANCE = 16.0  # in pixels of the table
BETWEEN_EYES = (17.5, 12.5)

BRIGHTNESS = """\
28 18 14 18 18 25 36 47 58 72 80 85 86 86 87 88 89 90
27 16 10 15 19 28 40 49 62 74 81 85 84 85 86 88 88 89
23 16  8 13 22 34 46 54 65 74 80 84 84 86 88 89 89 89
19 17 11 16 28 42 51 61 69 77 82 86 88 90 92 92 92 92
14 15 12 20 36 48 56 67 75 83 88 91 93 95 96 96 96 96
 9 11 14 25 41 54 66 76 83 89 93 95 97 98 99 99 98 98
 5  7 22 34 49 61 70 77 81 86 90 93 96 98 99 99 99 98
 4  8 30 43 52 55 60 65 69 73 77 82 86 91 94 97 98 97
 4 13 31 43 47 54 62 66 68 67 68 72 76 82 87 91 95 96
 3 17 33 47 56 68 75 77 76 72 69 68 71 76 82 87 92 95
 6 24 38 54 67 75 76 73 70 67 64 64 66 71 77 84 91 95
12 31 43 59 70 69 59 53 46 39 39 49 58 65 73 82 91 97
20 38 48 64 70 59 40 39 31 11 14 37 51 58 68 80 92 99
27 45 55 70 69 56 44 55 56 35 35 52 54 58 70 82 93 99
33 50 59 74 74 70 67 71 72 68 68 70 65 67 75 84 93 98
36 54 64 77 81 81 81 81 82 80 79 78 75 75 78 86 93 96
37 56 68 80 85 86 87 88 87 86 85 84 83 82 82 88 93 95
37 57 70 81 87 90 92 92 92 91 90 89 88 85 85 89 93 94
35 58 72 81 87 90 93 94 93 92 91 91 89 85 86 89 93 94
33 58 72 80 86 89 92 93 93 92 91 90 87 85 87 89 93 94
34 57 72 80 86 89 91 93 93 92 91 88 84 83 85 88 93 94
38 56 69 79 84 89 91 93 93 92 89 83 79 81 84 89 94 95
37 52 68 78 82 88 90 91 91 90 85 78 76 79 82 86 90 91
40 48 66 75 81 86 89 89 89 87 81 77 76 77 76 80 81 80
41 49 64 74 79 84 87 88 87 83 79 79 79 78 77 79 81 82
36 45 61 73 78 81 85 86 84 81 81 83 83 82 81 83 86 86
25 39 57 72 77 80 84 84 82 81 82 84 84 84 85 89 89 89
22 34 54 71 77 80 83 85 82 80 80 81 82 82 82 82 82 85
23 32 51 70 76 80 83 87 85 79 69 62 65 65 63 65 67 69
28 32 44 64 73 80 83 87 88 82 66 51 60 65 66 69 71 71
30 27 38 58 70 77 82 85 88 86 81 71 71 76 80 83 83 82
31 24 38 52 63 72 80 84 86 87 86 82 75 75 77 81 82 82
31 24 33 46 56 64 75 81 83 85 86 85 80 77 77 77 77 77
27 20 23 36 47 55 63 75 81 82 84 86 84 82 83 85 87 87
23 16 17 23 35 51 58 64 74 80 80 83 86 87 88 90 91 91
14  6  6 19 34 44 56 56 62 71 75 77 83 87 89 91 92 92
 6  0  3 22 38 41 46 52 58 64 65 69 75 82 86 88 90 89
 3  0  6 24 42 42 39 43 54 63 63 62 65 71 76 80 82 82
 5  4 11 25 43 44 38 35 45 62 66 64 62 65 67 68 68 67
 7  9 15 28 45 47 40 34 40 57 66 65 64 64 67 68 67 66
"""
DETAIL = """\
30 35 43 47 52 59 64 62 56 46 33 23 18 15 14 13 11  9
34 39 46 51 56 63 66 64 57 46 34 24 19 17 16 14 12 11
39 43 51 57 64 68 69 64 57 46 34 26 22 20 19 18 16 14
41 46 55 62 68 69 67 62 54 45 35 29 25 23 22 20 18 17
42 47 57 65 69 67 63 57 51 44 37 31 28 25 22 20 18 17
43 49 61 68 69 64 59 54 49 44 39 34 30 26 22 19 16 14
45 53 65 70 67 61 55 51 48 45 42 39 35 30 24 19 15 12
48 56 69 71 64 58 53 49 47 46 46 44 41 36 30 23 16 13
51 60 72 72 64 56 51 47 47 47 48 47 45 41 35 28 21 16
55 64 75 72 62 54 50 49 51 53 52 49 46 43 39 33 26 20
60 67 75 70 58 51 51 55 61 63 61 55 49 45 42 38 32 26
62 69 73 64 52 48 51 59 65 68 66 60 53 48 46 43 38 32
61 66 67 57 47 46 51 59 65 68 66 62 55 51 49 47 42 37
55 59 61 52 45 47 54 63 70 73 71 65 57 52 49 47 43 39
47 52 55 49 44 47 55 63 69 72 70 63 55 49 46 44 41 39
42 48 52 47 40 41 46 51 55 56 54 51 46 42 40 39 38 37
40 46 51 44 35 32 33 35 36 36 36 36 35 34 33 34 34 34
40 46 50 43 32 25 23 23 22 21 22 24 26 26 27 30 32 32
41 47 50 42 30 22 18 16 15 14 15 18 20 22 25 28 30 30
42 47 50 41 30 21 17 14 12 12 14 17 20 22 25 28 29 29
43 48 50 42 30 21 17 14 13 14 16 20 22 24 27 29 30 30
44 49 51 42 31 22 17 15 15 17 20 22 23 25 28 31 32 33
44 49 51 43 32 23 18 16 17 19 21 22 23 25 28 32 35 36
45 50 52 44 33 25 19 17 18 20 20 21 22 24 28 33 37 38
51 56 57 47 35 25 20 18 18 19 19 19 20 23 27 33 37 38
62 66 66 52 37 26 20 18 18 18 19 20 21 23 28 33 37 38
72 76 75 59 40 27 21 18 19 20 23 25 26 28 32 37 39 41
75 81 82 65 44 29 22 20 21 25 29 33 34 34 37 40 42 43
72 80 85 71 49 33 25 23 25 30 35 37 37 37 38 40 40 41
68 78 87 77 57 39 29 25 27 33 37 38 37 38 39 39 38 37
65 76 89 83 66 48 36 28 28 32 37 37 36 37 39 39 37 36
63 75 91 90 76 60 45 34 28 29 32 32 31 33 36 38 38 37
62 74 92 96 86 71 58 44 34 29 28 27 27 28 32 36 38 38
62 72 91 99 93 81 69 57 44 35 29 27 27 28 31 34 36 37
61 71 89 98 96 86 77 68 58 46 37 33 31 31 33 34 35 36
59 68 85 96 95 87 79 75 70 59 47 40 37 37 38 38 39 39
53 63 82 92 91 83 77 77 77 70 57 46 42 42 44 45 45 45
46 58 79 90 86 76 70 72 78 76 65 52 44 43 44 46 47 47
40 54 77 87 82 69 61 63 73 77 69 55 44 38 38 39 40 40
38 51 75 86 80 66 57 59 70 75 69 56 44 36 33 33 33 33
"""

SCALES = (0.85, 0.92, 1.0, 1.08, 1.17)
TURNS = (-8, -4, 0, 4, 8)
STRETCHES = (0.88, 1.12)
REACH = 3  # pixels of the table that it may be shifted by


@dataclass(frozen=True, eq=False)
class Pattern:
    """What the table is compared by: the gradient's direction and its strength; and where."""

    directions: np.ndarray  # (2, HEIGHT, WIDTH)
    detail: np.ndarray  # (HEIGHT, WIDTH)
    face: np.ndarray  # bool (HEIGHT, WIDTH)
    inner: np.ndarray  # bool
    lower: np.ndarray  # bool: nose and mouth


@dataclass(frozen=True, eq=False)
class Fit:
    detail: float  # correlation of the gradient's strength with the mean face's, -1..1
    matrix: np.ndarray  # picture to table
    strain: float  # how far it had to be moved, turned and scaled; about 0.5 on faces, 2 elsewhere

    @property
    def eyes(self) -> np.ndarray:
        """Left and right as seen (2, 2), in the picture."""
        half = EYE_DISTANCE / 2
        return carry(np.add(BETWEEN_EYES, [(-half, 0), (half, 0)]), inverse(self.matrix))


def load() -> Pattern:
    brightness, detail = (
        np.array([row.split() for row in table.splitlines()], dtype=np.float32)
        for table in (BRIGHTNESS, DETAIL)
    )
    brightness, detail = (np.concatenate([t, t[:, ::-1]], axis=1) for t in (brightness, detail))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return Pattern(
        directions=directions(brightness * np.float32(0.016)),
        detail=detail,
        face=((x - 17.5) / 14) ** 2 + ((y - 19) / 17) ** 2 < 1,
        inner=((x - 17.5) / 12.5) ** 2 + ((y - 19.5) / 14) ** 2 < 1,
        lower=(abs(x - 17.5) < 10) & (y > 16) & (y < 35),
    )


def logarithm(patch: np.ndarray) -> np.ndarray:
    """Brightness (0..255) in which a shadow is an offset."""
    return np.log(np.maximum(patch, 0) + 16)


def gradients(patch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import cv2

    smooth = cv2.GaussianBlur(patch, (0, 0), 0.8)
    return cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8


def directions(patch: np.ndarray) -> np.ndarray:
    """Gradient over its local strength; across counts half, for side light makes edges across."""
    import cv2

    across, down = gradients(patch)
    strength = cv2.GaussianBlur(np.hypot(across, down), (0, 0), 5) + np.float32(0.01)
    return np.stack([across / 2, down]) / strength


def detail(pattern: Pattern, patch: np.ndarray) -> float:
    """Correlation of the gradient's strength with the mean face's, over the inner face."""
    import cv2

    strength = cv2.GaussianBlur(np.hypot(*gradients(patch)), (0, 0), 1)[pattern.inner]
    expected = pattern.detail[pattern.inner]
    strength, expected = strength - strength.mean(), expected - expected.mean()
    norm = np.sqrt((strength**2).sum() * (expected**2).sum())
    return float((strength * expected).sum() / (norm + 1e-6))


def compare(field: np.ndarray, pattern: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Correlation of `pattern` (2, h, w) with `field` (2, h + n, w + m) at each shift: (n, m)."""
    windows = np.lib.stride_tricks.sliding_window_view(field, where.shape, axis=(1, 2))
    expected = pattern[:, where]
    expected = expected - expected.mean(1, keepdims=True)
    common = spread = np.float32(0)
    for channel, wanted in zip(windows, expected, strict=True):
        values = channel[:, :, where]
        common = common + values @ wanted
        spread = spread + np.square(values).sum(2) - values.sum(2) ** 2 / values.shape[2]
    return common / (np.sqrt(spread * np.square(expected).sum()) + 1e-6)


def lay(
    pattern: Pattern, picture: np.ndarray, eyes: tuple[float, float], apart: float, turn: float
) -> Fit:
    """Lay the mean face over a face whose eyes lie around `eyes`, about `apart` pixels apart.

    Scale and turn are tried first, each at every shift in reach; then height over width.
    """
    size = HEIGHT + 2 * REACH, WIDTH + 2 * REACH
    middle = np.add(BETWEEN_EYES, REACH)
    scale = EYE_DISTANCE / apart
    around = part(picture, upright(eyes, 0, scale, (40, 36)), (96, 80))

    def attempt(zoom: float, by: float, stretch: float) -> tuple[float, np.ndarray, tuple]:
        matrix = upright(eyes, turn + by, scale * zoom, (0, 0))
        matrix[1] *= stretch
        matrix[:, 2] += middle
        values = compare(directions(logarithm(around.cut(matrix, size))), *wanted)
        y, x = np.unravel_index(values.argmax(), values.shape)
        matrix[:, 2] -= x, y
        return float(values[y, x]), matrix, (zoom, by, stretch, x - REACH, y - REACH)

    wanted = pattern.directions, pattern.face
    best = max((attempt(zoom, by, 1.0) for zoom in SCALES for by in TURNS), key=lambda a: a[0])
    zoom, by = best[2][:2]
    best = max(best, *(attempt(zoom, by, stretch) for stretch in STRETCHES), key=lambda a: a[0])
    zoom, by, _, x, y = best[2]
    strain = abs(np.log(zoom)) / 0.16 + abs(by) / 8 + np.hypot(x, y) / 5
    patch = logarithm(around.cut(best[1], (HEIGHT, WIDTH)))
    return Fit(detail(pattern, patch), best[1], float(strain))
