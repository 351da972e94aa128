"""Who goes onto which face."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import handmade
import pytest
import torch
from pack.likeness.compare import cosine
from pack.likeness.face import Faces
from pack.likeness.identity import People
from pack.likeness.swapping.pairing import Pairing, paired
from tiny_swapper import SPACE, embedding, person

ANNA, BERT, CARL = (person(seed, name) for seed, name in enumerate(("Anna", "Bert", "Carl")))


def face(frame: int, seed: int, x: float = 50.0):
    made = handmade.measured(20, x, 40, frame)
    return replace(made, embedding=9 * embedding(seed), space=SPACE)


def faces(*found, frames: int = 1) -> Faces:
    return Faces(found, frames, (97, 160))


def names(pairs) -> list[str]:
    return [pair.person.name for pair in pairs]


def test_one_person_goes_onto_every_face():
    three = faces(face(0, 7), face(0, 8), face(1, 9), frames=2)
    pairs, notes = paired(three, People((ANNA,)), Pairing.ORDER)
    assert names(pairs) == ["Anna"] * 3
    assert [pair.face for pair in pairs] == list(three)
    assert notes == []


def test_several_go_in_order_in_every_frame():
    found = faces(face(0, 7), face(0, 8), face(0, 9), face(1, 7), frames=3)
    pairs, notes = paired(found, People((ANNA, BERT)), Pairing.ORDER)
    assert names(pairs) == ["Anna", "Bert", "Anna"]
    assert notes == ["frame 0: nobody is left for 1 face"]


def test_by_similarity_the_likenesses_add_up_to_the_most():
    """Against every way there is."""
    people = People(tuple(person(seed) for seed in range(4)))
    found = faces(*(face(0, seed) for seed in range(20, 24)))
    pairs, _ = paired(found, people, Pairing.SIMILAR)

    def total(chosen) -> float:
        return sum(cosine(one.embedding, other.embedding) for one, other in chosen)

    best = max(total(zip(found, order, strict=True)) for order in permutations(people.known))
    assert len({id(pair.person) for pair in pairs}) == 4
    assert total((pair.face, pair.person) for pair in pairs) == pytest.approx(best)
    assert best > total(zip(found, people, strict=True)) + 0.01  # the order given is not the best


def test_by_similarity_everybody_finds_themselves():
    found = faces(face(0, 2), face(0, 0), face(0, 1), face(1, 1), frames=2)
    pairs, notes = paired(found, People((ANNA, BERT, CARL)), Pairing.SIMILAR)
    assert names(pairs) == ["Carl", "Anna", "Bert", "Bert"]
    assert notes == []


def test_by_similarity_one_person_goes_onto_the_most_similar_face_only():
    found = faces(face(0, 5), face(0, 0), face(0, 6))
    pairs, notes = paired(found, People((ANNA,)), Pairing.SIMILAR)
    assert [pair.face for pair in pairs] == [found.found[1]]
    assert notes == ["frame 0: nobody is left for 2 faces"]


def test_two_networks_do_not_mix():
    found = faces(replace(face(0, 0), space="glintr100"))
    with pytest.raises(ValueError, match=r"Anna is by w600k_r50, .* by glintr100"):
        paired(found, People((ANNA,)), Pairing.SIMILAR)


def test_faces_without_identity_cannot_be_compared():
    with pytest.raises(ValueError, match=r"no identity .* 'in order'"):
        paired(faces(handmade.measured(20, 50, 40)), People((ANNA,)), Pairing.SIMILAR)


def test_nobody():
    with pytest.raises(ValueError, match="no person"):
        paired(faces(face(0, 0)), People(()), Pairing.ORDER)


def test_no_faces():
    for pairing in Pairing:
        assert paired(faces(frames=2), People((ANNA,)), pairing) == ([], [])


def test_embeddings_are_left_alone():
    one = face(0, 3)
    before = one.embedding.clone()
    paired(faces(one), People((ANNA,)), Pairing.SIMILAR)
    assert torch.equal(one.embedding, before)
