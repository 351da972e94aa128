"""Pictures as files that say of themselves that a face in them was swapped.

The words stand in the fields that viewers show (PNG's Description, Exif's ImageDescription) and,
for machines, in XMP as IPTC's digital source type.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from .choices import Form

SOFTWARE = "Likeness"
# https://cv.iptc.org/newscodes/digitalsourcetype
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
BY_NETWORK = SOURCE_TYPES + "compositeSynthetic"  # at least one element is by generative AI
BY_HAND = SOURCE_TYPES + "composite"  # of several elements
DESCRIPTION, PROGRAM = 0x010E, 0x0131  # Exif tags

PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    Iptc4xmpExt:DigitalSourceType={kind}
    xmp:CreatorTool={program}>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True)
class Origin:
    """How a picture came to be."""

    swapper: str
    is_network: bool

    @property
    def words(self) -> str:
        return (
            f"A face in this picture was swapped with {SOFTWARE} ({self.swapper}). The picture is "
            "synthetic: it shows no real event, and the person shown was not there."
        )

    @property
    def xmp(self) -> bytes:
        kind = BY_NETWORK if self.is_network else BY_HAND
        return PACKET.format(
            kind=quoteattr(kind), program=quoteattr(SOFTWARE), words=escape(self.words)
        ).encode("utf-8")


def encoded(pixels: np.ndarray, form: Form, origin: Origin, profile: bytes | None = None) -> bytes:
    """The file of a picture (H, W, 3 or 4) uint8. Nothing of the original's Exif is in it."""
    from PIL import Image, PngImagePlugin

    file = io.BytesIO()
    colours = {} if profile is None else {"icc_profile": profile}
    if form is Form.PNG:
        words = PngImagePlugin.PngInfo()
        words.add_itxt("Description", origin.words)
        words.add_text("Software", SOFTWARE)
        words.add_itxt("XML:com.adobe.xmp", origin.xmp.decode("utf-8"))
        Image.fromarray(pixels).save(file, "PNG", pnginfo=words, **colours)
        return file.getvalue()
    tags = Image.Exif()
    tags[DESCRIPTION], tags[PROGRAM] = origin.words, SOFTWARE
    plain = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    plain.save(file, "JPEG", quality=95, subsampling=0, exif=tags, xmp=origin.xmp, **colours)
    return file.getvalue()
