"""What an autoencoder does to a crop is taken out, and nothing old comes back with it."""

from __future__ import annotations

import pytest
import torch
from inpaint_cases import SMALL, blob, every_way, noise, smooth
from pack.likeness.inpainting.framing import Framing, Outside, Target
from pack.likeness.inpainting.inpaint import crop_for_inpaint, stitch
from pack.likeness.inpainting.painted import Layer
from pack.likeness.paste import Blend
from pack.likeness.pixels.raster import blur


def drifting(patches):
    """What an autoencoder does, in short: another light and colour, and fine detail lost."""
    duller = torch.stack([blur(patch, 1.5) for patch in patches])
    return duller * 0.97 + torch.tensor([0.06, -0.02, 0.1])


def detailed(size, seed):
    """Light and colour that change slowly, and fine grain on it."""
    grain = noise(1, size, 1, seed=seed) - 0.5
    return smooth(size, seed) * 0.6 + 0.2 + grain * 0.15


@every_way
def test_drift_alone_is_taken_out_in_full_at_the_edge_and_broadly_inside(way):
    size = (256, 320)
    image, mask = detailed(size, 0), torch.zeros(1, *size)
    mask[0, 60:200, 60:260] = 1
    crops, _ = crop_for_inpaint(image, Layer(mask), Framing(Target.SAME, padding=20))
    untouched = drifting(crops.patches)
    left = stitch(untouched, crops, way=way, blend=Blend(feather=0)).images - image
    kept = stitch(untouched, crops, untouched=untouched, way=way, blend=Blend(feather=0))
    rest = kept.images - image
    assert left[mask == 1].mean(dim=0).abs().max() > 0.05  # there was something to take out
    rim = torch.zeros_like(mask)
    rim[0, 60:200, 60:260] = 1
    rim[0, 62:198, 62:258] = 0
    assert rest[rim == 1].abs().max() < 0.02
    inner = rest[0, 85:175, 85:235]
    assert inner.mean(dim=(0, 1)).abs().max() < 0.003
    assert kept.seams[0] < 1.1


def test_untouched_crops_may_be_of_the_size_they_were_cut_in():
    """While the image was enlarged since."""
    image, mask = smooth((97, 160)), Layer((blob((97, 160)) > 0.5).float()[None])
    crops, _ = crop_for_inpaint(image, mask, SMALL)
    tinted = crops.patches * 0.8
    doubled = tinted.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    for given in (tinted, doubled):
        stitched = stitch(doubled, crops, untouched=given).images
        assert (stitched - image).abs().max() < 0.03
    assert (stitch(doubled, crops).images - image).abs().max() > 0.05


def test_no_ghost_of_the_old_content_appears():
    """New content through the autoencoder: its light comes right, the old detail stays away."""
    size = (256, 320)
    image, new, mask = detailed(size, 0), detailed(size, 5), torch.zeros(1, *size)
    mask[0, 60:200, 60:260] = 1
    crops, _ = crop_for_inpaint(image, Layer(mask), Framing(Target.SAME, padding=20))
    x0, y0, x1, y1 = crops.cut[0].box
    inpainted, untouched = drifting(new[:, y0:y1, x0:x1]), drifting(crops.patches)
    plain = stitch(inpainted, crops).images
    corrected = stitch(inpainted, crops, untouched=untouched).images
    by_force = stitch(inpainted - (untouched - crops.patches), crops).images

    def fine(picture):
        part = picture[0, 90:170, 90:230]
        return part - torch.nn.functional.avg_pool2d(
            part.movedim(-1, 0), 5, 1, 2, count_include_pad=False
        ).movedim(0, -1)

    def ghost(picture):
        """How much of the old fine detail there is in what is new."""
        old, seen = fine(image), fine(picture)
        return float((old * seen).sum() / (old * old).sum())

    def light(picture):
        return float((picture - new)[0, 90:170, 90:230].mean(dim=(0, 1)).abs().max())

    assert abs(ghost(by_force)) > 0.5  # what the test can see
    assert abs(ghost(corrected)) < 0.02
    assert light(corrected) < light(plain) / 3


@pytest.mark.parametrize("wider", [True, False])
def test_the_mask_of_the_sampler_tells_where_content_is_new(wider):
    """Not the blend mask: what was only blended is the old content, and is put right in full."""
    size = (256, 320)
    image, masks = detailed(size, 0), torch.zeros(2, 1, *size)
    masks[0, 0, 110:150, 140:180] = masks[1, 0, 60:200, 60:260] = 1
    mask, blend = masks if wider else masks.flip(0)
    framing = Framing(Target.SAME, padding=20, outside=Outside.MIRROR)
    crops, inside = crop_for_inpaint(
        image, Layer(mask), framing, context=Layer(masks[1]), blend=Layer(blend)
    )
    untouched = drifting(crops.patches)
    kept = stitch(untouched, crops, untouched=untouched, blend=Blend(feather=0)).images
    rest = (kept - image).abs().amax(-1)
    only_blended = (blend > 0) & (mask == 0)
    assert torch.equal(crops.cut[0].painted, inside[0])
    assert not wider or rest[only_blended].max() < 1e-5
    assert rest[0, 128:132, 158:162].max() > 0.01  # the old fine detail is not known to be there
