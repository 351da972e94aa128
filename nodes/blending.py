"""The choice of how a patch meets its surroundings, the same for every node that pastes."""

from __future__ import annotations

from comfy_api.latest import io

from ..likeness.paste import Blend, Method, Way

SETTINGS = ("feather", "colour", "grain")


def way_input() -> io.Combo.Input:
    return io.Combo.Input(
        "way",
        options=Way,
        default=Way.REPLACE,
        tooltip="'replace' puts the crop in place of the picture. 'change only' adds what was "
        "changed in the crop, so that fine detail which the crop had lost stays.",
    )


def blend_input(feather: float) -> io.DynamicCombo.Input:
    """`feather` is the default share of the face or the mask."""
    settings = [
        io.Float.Input(
            "feather",
            default=feather,
            min=0.0,
            max=0.5,
            step=0.01,
            tooltip="How wide the soft edge is, as a share of the size of the face or the mask. "
            "It lies inside: nothing beyond the mask changes.",
        ),
        io.Float.Input(
            "colour",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="How far the crop takes on the colours that the picture has around the edge.",
        ),
        io.Float.Input(
            "grain",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="How much of the picture's own noise is put back into a crop that is smoother.",
        ),
    ]
    own = (Method.FEATHER, Method.BANDS, Method.GRADIENT)
    return io.DynamicCombo.Input(
        "blend",
        options=[
            io.DynamicCombo.Option(method.value, settings if method in own else [])
            for method in Method
        ],
        tooltip="How the crop and the picture meet. 'feather' is a soft edge; 'multi-band' blends "
        "tones wide and detail narrow; 'gradient-domain' takes the crop's detail and the "
        "picture's tones. The last two paste as insightface and facexlib do.",
    )


def blend_of(value: dict) -> Blend:
    """The choice as the library takes it."""
    method = Method(value["blend"])
    given = {name: value[name] for name in SETTINGS if name in value}
    return Blend(method, **(given or dict.fromkeys(SETTINGS, 0.0)))
