"""Swapping around the network: cut, strength, boost, batches, what fails, paste, report."""

from __future__ import annotations

from dataclasses import replace

import handmade
import pytest
import torch
from pack.likeness import demo, insight
from pack.likeness.align import Template, align
from pack.likeness.compare import cosine
from pack.likeness.detect import detect
from pack.likeness.face import Faces
from pack.likeness.frontal import cascade
from pack.likeness.geometry import scale_of, transform
from pack.likeness.identity import Identity, People, Portrait
from pack.likeness.laid import Way
from pack.likeness.make_identity import make_identity
from pack.likeness.montage.montage import Montage
from pack.likeness.paste import Blend, Method
from pack.likeness.pixels.raster import resize
from pack.likeness.recognise import recognise
from pack.likeness.report import describe_swapped
from pack.likeness.swapping.covering import Covers
from pack.likeness.swapping.network import between
from pack.likeness.swapping.swap import Settings, Swapped, swap_faces
from shapes import ellipse, smooth
from standins.insightface_pack import write_pack
from tiny_swapper import SPACE, TinySwapper, embedding, person

SIZES = [(97, 160), (160, 97)]
ANNA, BERT = person(0, "Anna"), person(1, "Bert")
FEATHER = Blend(feather=0.1)


def pictures(size=(97, 160), frames: int = 1) -> torch.Tensor:
    return torch.stack([smooth(size, seed) for seed in range(frames)])


def face(frame: int = 0, x: float = 60.0, y: float = 40.0, eyes: float = 14.0, seed: int = 9):
    made = handmade.measured(eyes, x, y, frame, degrees=7)
    return replace(made, embedding=20 * embedding(seed), space=SPACE)


def of(images: torch.Tensor, *found) -> Faces:
    return Faces(found, len(images), tuple(images.shape[1:3]))


def swapped(images=None, found=None, people=(ANNA,), swapper=None, **settings) -> Swapped:
    images = pictures() if images is None else images
    found = of(images, face()) if found is None else found
    others = {name: settings.pop(name) for name in ("masks", "parser") if name in settings}
    return swap_faces(
        images,
        found,
        People(tuple(people)),
        swapper or TinySwapper(),
        Settings(**settings),
        **others,
    )


@pytest.mark.parametrize("size", SIZES)
def test_only_what_the_mask_says_has_changed(size):
    images = pictures(size, 2)
    found = of(images, face(0), face(1, 40, 60))
    done = swapped(images, found)
    changed = (done.images != images).any(-1)
    assert changed.flatten(1).any(1).all()
    assert done.masks.shape == images.shape[:3]
    assert (done.masks[changed] > 0).all()
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])
    # Where a pixel is wholly new it is the network's.
    whole = done.masks == 1
    assert whole.any()
    torch.testing.assert_close(done.images[whole], 1 - images[whole], atol=0.02, rtol=0)


def test_inputs_are_left_alone():
    images, found = pictures(frames=2), None
    before = images.clone()
    found = of(images, face(0), face(1))
    points = [one.points.clone() for one in found]
    swapped(images, found, boost=2, strength=0.4, covers=Covers.LANDMARKS)
    assert torch.equal(images, before)
    assert all(torch.equal(one.points, was) for one, was in zip(found, points, strict=True))


def test_frames_with_different_counts_of_faces():
    images = pictures(frames=4)
    found = of(images, face(0), face(0, 100), face(2), face(3, 30))
    done = swapped(images, found)
    touched = (done.images != images).flatten(1).any(1)
    assert touched.tolist() == [True, False, True, True]
    assert [swap.face for swap in done.swaps] == list(found)


def test_without_a_face_the_pictures_pass_through():
    images = pictures(frames=2)
    done = swapped(images, of(images))
    assert done.images is images
    assert not done.masks.any()
    assert done.patches.shape[0] == 1
    assert "no face to swap" in describe_swapped(done)


def test_strength_goes_from_the_targets_own_identity_to_the_persons():
    own, given = embedding(9), ANNA.embedding
    seen = {}
    for strength in (0.0, 0.5, 1.0):
        swapper = TinySwapper()
        swapped(swapper=swapper, strength=strength)
        ((_, seen[strength]),) = swapper.given
    assert torch.equal(seen[0.0][0], torch.nn.functional.normalize(20 * own, dim=0))
    assert torch.equal(seen[1.0][0], given)
    half = torch.nn.functional.normalize(own + given, dim=0)
    torch.testing.assert_close(seen[0.5][0], half)


def test_at_full_strength_a_target_needs_no_identity():
    images = pictures()
    bare = of(images, handmade.measured(14, 60, 40))
    assert (swapped(images, bare).images != images).any()


def test_between_two_latents_of_other_lengths():
    long, short = 5 * embedding(1), 2 * embedding(2)
    torch.testing.assert_close(between(long, short, 0.25).norm(), torch.tensor(4.25))
    torch.testing.assert_close(between(long, short, 1.0), short)
    torch.testing.assert_close(between(long, short, 0.0), long)


def test_what_goes_by_a_picture_fades():
    portrait = Portrait(smooth((64, 64), 5), handmade.measured(16, 32, 28))
    anna = Identity("Anna", portrait=portrait)
    full = swapped(people=[anna], swapper=TinySwapper(space=None)).patches
    half = swapped(people=[anna], swapper=TinySwapper(space=None), strength=0.5)
    torch.testing.assert_close(half.patches, (full + half.crops.patches) / 2)


@pytest.mark.parametrize("boost", [1, 2, 4])
def test_boost_gives_every_part_to_the_network_and_a_larger_crop_back(boost):
    swapper = TinySwapper()
    done = swapped(swapper=swapper, boost=boost)
    assert sum(len(crops) for crops, _ in swapper.given) == boost**2
    assert all(crops.shape[1:] == (32, 32, 3) for crops, _ in swapper.given)
    assert all(len(crops) == len(sources) for crops, sources in swapper.given)
    assert max(len(crops) for crops, _ in swapper.given) <= swapper.batch
    assert done.patches.shape == (1, 32 * boost, 32 * boost, 3)
    torch.testing.assert_close(done.patches, 1 - done.crops.patches)


def test_a_boosted_crop_shows_the_same():
    """Its centre lies where the small one's does: a pixel is cut into equal parts."""
    one, four = (swapped(boost=boost).crops.cut[0] for boost in (1, 4))
    points = face().points
    small, large = (transform(points.double(), crop.matrix) for crop in (one, four))
    torch.testing.assert_close((large + 0.5) / 4 - 0.5, small)
    assert scale_of(four.matrix) == pytest.approx(4 * scale_of(one.matrix))


def test_faces_of_all_frames_share_the_micro_batches():
    images = pictures(frames=5)
    swapper = TinySwapper()
    swapped(images, of(images, *(face(frame) for frame in range(5))), swapper=swapper)
    assert [len(crops) for crops, _ in swapper.given] == [3, 2]


def nothing(crops, sources):
    return torch.full_like(crops, torch.nan)


def flat(crops, sources):
    return torch.zeros_like(crops)


@pytest.mark.parametrize("broken", [nothing, flat])
def test_what_is_no_picture_is_done_again_in_full_precision(broken):
    images = pictures()
    found = of(images, face(0), face(0, 110))

    def once(crops, sources):
        """The second face of the batch fails."""
        made = 1 - crops
        made[1:] = broken(crops[1:], sources)
        return made

    safe, people = TinySwapper(), [ANNA, BERT]
    done = swapped(images, found, people, TinySwapper(once, safer=safe))
    ((crops, sources),) = safe.given
    assert len(crops) == 1
    assert torch.equal(sources[0], BERT.embedding)
    right = swapped(images, found, people)
    assert torch.equal(done.images, right.images)
    told = [note for note in done.notes if "full precision" in note]
    assert len(told) == 1
    assert "1 of 2 faces" in told[0]


@pytest.mark.parametrize("broken", [nothing, flat])
def test_only_the_parts_that_are_no_picture_are_done_again(broken):
    """Of a boosted crop the network sees nine, and gives the fifth and the last wrong."""
    images, safe = pictures(), TinySwapper()
    fails = iter([[], [1], [2]])

    def sometimes(crops, sources):
        made, wrong = 1 - crops, next(fails)
        made[wrong] = broken(crops[wrong], sources)
        return made

    done = swapped(images, swapper=TinySwapper(sometimes, safer=safe), boost=3)
    assert [len(crops) for crops, _ in safe.given] == [2]
    assert torch.equal(done.images, swapped(images, boost=3).images)
    assert "gave no picture for 1 of 1 faces" in " ".join(done.notes)


@pytest.mark.parametrize("broken", [nothing, flat])
def test_what_stays_no_picture_leaves_the_face_as_it_was(broken):
    images = pictures()
    done = swapped(images, swapper=TinySwapper(broken, safer=TinySwapper(broken)))
    assert torch.equal(done.images, images)
    assert not done.masks.any()
    assert torch.equal(done.patches, done.crops.patches)
    assert done.swaps[0].left == "the network gave no picture"
    assert "left as it was" in describe_swapped(done)
    assert "0 faces swapped" in describe_swapped(done)


def test_a_flat_picture_may_stay_flat():
    grey = torch.full((1, 97, 160, 3), 0.25)
    done = swapped(grey)
    assert done.swaps[0].left is None
    assert done.images.max() == pytest.approx(0.75)


def test_beyond_white_is_white():
    done = swapped(swapper=TinySwapper(lambda crops, sources: crops * 3 - 1))
    assert done.images.max() <= 1
    assert done.images.min() >= 0


def test_numbers_that_are_none_do_not_reach_the_network():
    images = pictures()
    images[0, 40, 60] = torch.nan
    swapper = TinySwapper()
    done = swapped(images, swapper=swapper)
    ((crops, _),) = swapper.given
    assert torch.isfinite(crops).all()
    assert done.swaps[0].left is None


def test_alpha_stays():
    images = torch.cat([pictures(), torch.rand(1, 97, 160, 1)], dim=-1)
    done = swapped(images)
    assert torch.equal(done.images[..., 3], images[..., 3])
    assert (done.images != images).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_pictures(dtype):
    images = pictures().to(dtype)
    done = swapped(images)
    assert done.images.dtype == dtype
    assert done.patches.dtype == torch.float32
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])


def test_landmarks_cover_less_than_the_box():
    box, drawn = (swapped(covers=covers) for covers in (Covers.BOX, Covers.LANDMARKS))
    assert 0 < drawn.masks.sum() < 0.8 * box.masks.sum()


def test_a_mask_of_the_picture_limits_it():
    images = pictures()
    mask = torch.zeros(1, 97, 160)
    mask[:, :, :60] = 1
    done = swapped(images, covers=Covers.MASK, masks=mask)
    assert torch.equal(done.images[:, :, 60:], images[:, :, 60:])
    assert (done.images[:, :, :60] != images[:, :, :60]).any()
    with pytest.raises(ValueError, match="nothing is masked: connect a mask"):
        swapped(images, covers=Covers.MASK)


def test_a_mask_of_another_size_is_refused_before_the_network_is_asked():
    swapper = TinySwapper()
    with pytest.raises(ValueError, match=r"masks of shape \(1, 64, 64\) do not fit"):
        swapped(swapper=swapper, masks=torch.ones(1, 64, 64))
    assert not swapper.given


def test_an_all_zero_mask_changes_nothing():
    images = pictures()
    for covers in (Covers.BOX, Covers.MASK, Covers.LANDMARKS):
        done = swapped(images, covers=covers, masks=torch.zeros(1, 97, 160))
        assert torch.equal(done.images, images)
        assert not done.masks.any()


def test_parsed_needs_a_parser():
    with pytest.raises(ValueError, match="connect Load Face Parser"):
        swapped(covers=Covers.PARSED)


def test_crops_can_be_pasted_by_hand():
    """What comes out beside the picture is what Paste Faces needs."""
    from pack.likeness.paste import paste

    images = pictures()
    done = swapped(images, blend=FEATHER)
    again = paste(images, done.patches, done.crops, Way.REPLACE, FEATHER)
    assert torch.equal(again.images, done.images)


def test_change_only_with_what_gives_back_its_input():
    images = pictures()
    same = TinySwapper(lambda crops, sources: crops)
    assert torch.equal(swapped(images, swapper=same, way=Way.CHANGE).images, images)


def test_the_box_is_that_of_the_template():
    images = pictures()
    done = swapped(images, blend=Blend(Method.INSIGHTFACE))
    theirs = align(images, of(images, face()), Template.ARCFACE_128, 32)
    torch.testing.assert_close(done.crops.cut[0].matrix, theirs.cut[0].matrix)


def test_another_batch_is_refused():
    with pytest.raises(ValueError, match="connect the image that went into Detect Faces"):
        swapped(pictures(frames=2), of(pictures(), face()))


def test_points_that_are_no_numbers_are_refused_by_the_face():
    lost = replace(face(), points=torch.full((5, 2), torch.nan))
    for swapper in (TinySwapper(), Montage()):
        with pytest.raises(ValueError, match=r"face 1 \(frame 0\) cannot be cut out: its points"):
            swapped(found=of(pictures(), face(), lost), swapper=swapper)


@pytest.mark.parametrize(
    ("name", "value"),
    [("strength", 1.2), ("strength", float("nan")), ("boost", 0), ("boost", 9), ("boost", 1.5)],
)
def test_settings_are_held_to_their_limits(name, value):
    with pytest.raises(ValueError, match=f"{name} is"):
        Settings(**{name: value})


def test_another_space_is_refused_by_both_names():
    foreign = person(0, "Anna", space="glintr100")
    with pytest.raises(ValueError, match=r"Anna is by glintr100, and tiny needs one by w600k_r50"):
        swapped(people=[foreign])


def test_the_report_says_who_went_where():
    images = pictures()
    found = of(images, face(0, seed=0), face(0, 110))
    done = swapped(images, found, people=[ANNA, BERT])
    told = describe_swapped(done).splitlines()
    assert told[0] == "2 faces swapped in 1 picture by tiny"
    assert "a network of one line" in told
    assert told[-3].startswith("0: frame 0, Anna, similarity 1.00 -> unknown, seam ")
    assert told[-2].startswith("1: frame 0, Bert, similarity ")
    assert "was not measured" in told[-1]


def test_a_profile_is_told_of():
    images = pictures()
    done = swapped(images, of(images, replace(face(), pose=(0.0, -72.0, 0.0))))
    assert "in profile, where swaps often break: face 0" in done.notes


def test_a_face_out_of_the_picture():
    images = pictures()
    away = face(0, x=-400.0, y=-300.0)
    done = swapped(images, of(images, away, face()))
    assert (done.images != images).any()
    assert swapped(images, of(images, away)).images.equal(images)


def test_masks_of_two_faces_in_one_picture_add_up():
    images = pictures()
    both = swapped(images, of(images, face(), face(0, 110))).masks
    one, other = (swapped(images, of(images, each)).masks for each in (face(), face(0, 110)))
    assert torch.equal(both, torch.maximum(one, other))


def test_the_picture_is_masked_as_it_is_pasted():
    """Half of it, hard."""
    images = pictures()
    mask = ellipse((97, 160))[None]
    done = swapped(images, masks=mask, blend=Blend(feather=0.0))
    assert set(done.masks[mask == 0].tolist()) == {0.0}


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory):
    """A pack whose recogniser has random weights and the name of buffalo_l's."""
    return insight.load(write_pack(tmp_path_factory.mktemp("packs") / "buffalo_l"))


def test_likeness_is_measured_before_and_after(analyzer):
    """Of faces that were found without identity, too."""
    images = pictures(frames=2)
    found = of(images, handmade.measured(14, 60, 40), handmade.measured(14, 80, 50, 1))
    done = swap_faces(images, found, People((ANNA,)), TinySwapper(), analyzer=analyzer)
    before = recognise(images, found.found, analyzer)
    after = recognise(done.images, found.found, analyzer)
    for swap, one, other in zip(done.swaps, before, after, strict=True):
        assert swap.before == pytest.approx(cosine(one.embedding, ANNA.embedding))
        assert swap.after == pytest.approx(cosine(other.embedding, ANNA.embedding))
        assert abs(swap.after - swap.before) > 0.001
    assert "was not measured" not in describe_swapped(done)


def test_cancel_is_heard_at_every_step(analyzer):
    """Recognised, swapped, pasted, recognised again: each step tells how far it is."""
    images = pictures(frames=2)
    found = of(images, handmade.measured(14, 60, 40), handmade.measured(14, 80, 50, 1))
    swapper, told = TinySwapper(), []

    def progress(done, total):
        told.append((len(swapper.given), done, total))

    people = People((ANNA,))
    swap_faces(images, found, people, swapper, analyzer=analyzer, progress=progress)
    recognised, asked = [(0, 1, 2), (0, 2, 2)], [(1, 2, 2)]
    pasted_and_measured = [(1, 1, 2), (1, 2, 2)] * 2
    assert told == recognised + asked + pasted_and_measured


def test_likeness_in_another_space_is_unknown(analyzer):
    foreign = person(0, space="glintr100", photo=Portrait(smooth((32, 32)), face()))
    images = pictures()
    painter = TinySwapper(space=None)
    done = swap_faces(images, of(images, face()), People((foreign,)), painter, analyzer=analyzer)
    assert (done.swaps[0].before, done.swaps[0].after) == (None, None)


@pytest.fixture(scope="module")
def montage():
    """A portrait, its face, and another person."""
    finder = cascade.load()
    images = demo.read("garden")
    ada = make_identity([demo.read("studio")], finder, "Ada")
    return images, detect(images, finder), People((ada,))


def test_the_montage_has_the_pixels_of_the_face(montage):
    images, found, people = montage
    done = swap_faces(images, found, people, Montage())
    scale = scale_of(done.crops.cut[0].matrix)
    assert done.crops.patches.shape[1] % 8 == 0
    assert 0.9 < scale <= 1.001 or done.crops.patches.shape[1] == 256
    assert torch.equal(done.images[done.masks == 0], images[done.masks == 0])
    assert (done.images - images).abs().max() > 0.1


def test_a_large_face_gets_a_large_montage(montage):
    images, _, people = montage
    large = resize(images[0], (1000, 1000))[None].clamp(0, 1)
    found = detect(large, cascade.load())
    done = swap_faces(large, found, people, Montage())
    assert done.crops.patches.shape[1] > 400
    assert 0.97 < scale_of(done.crops.cut[0].matrix) <= 1


def test_a_mask_softens_the_montage_as_it_does_a_network(montage):
    """The montage's own edge is soft; that of a mask across it would be hard."""
    images, found, people = montage
    mask = torch.zeros(images.shape[:3])
    mask[:, :, : int(found.found[0].centre[0])] = 1
    soft, hard = (
        swap_faces(images, found, people, Montage(), Settings(blend=Blend(feather=feather)), mask)
        for feather in (0.1, 0.0)
    )
    steps = [done.masks.diff(dim=2).abs().max() for done in (soft, hard)]
    assert steps[0] < 0.2 < 0.9 < steps[1]


def test_the_montage_fades(montage):
    images, found, people = montage
    full, half, none = (
        swap_faces(images, found, people, Montage(), Settings(strength=strength)).patches
        for strength in (1.0, 0.5, 0.0)
    )
    torch.testing.assert_close(half, (full + none) / 2)
    (crop,) = swap_faces(images, found, people, Montage()).crops.patches
    torch.testing.assert_close(none[0], crop)


def test_the_montage_needs_a_picture(montage):
    images, found, _ = montage
    with pytest.raises(ValueError, match="Anna has no picture, and warp and blend swaps by one"):
        swap_faces(images, found, People((ANNA,)), Montage())
