"""Cleaning captions: FaceChain's rules one by one, rules of one's own, brackets, and repetition."""

from __future__ import annotations

import random

import pytest
from pack.likeness.captions.clean import clean, describe
from pack.likeness.captions.parts import key
from pack.likeness.captions.person import person_words
from pack.likeness.captions.rules import DEFAULT, BadRule, Rules, read
from pack.likeness.face import Sex

NONE = Rules()
EQUAL = ("1girl", "1boy", "ears", "head", "face", "lips", "mouth", "3d", "asian", "teeth")
ENDINGS = ("man", "woman", "male", "female", "lips")
HELD = ("eye", "nose", "body")
HIGHEST = 4  # words of a tag


@pytest.mark.parametrize("word", EQUAL)
def test_facechain_removes_words_that_stand_alone(word):
    for spelled in (word, word.upper(), f" {word} ", f"({word}:1.2)"):
        assert clean(f"smile, {spelled}, hat").text == "smile, hat"
    for other in (f"{word}s x", f"{word}_x", f"x{word}", f"{word}x"):
        assert clean(other).text == other


@pytest.mark.parametrize("ending", ENDINGS)
def test_facechain_removes_what_ends_so(ending):
    for spelled in (f"old_{ending}", f"old {ending}", f"Very Old {ending}"):
        assert clean(f"smile, {spelled}, hat").text == "smile, hat"
    kept = f"x{ending}, {ending}_coat"
    assert clean(kept).text == kept
    if ending != "lips":  # which is removed where it stands alone
        assert clean(ending).text == ending


@pytest.mark.parametrize("word", HELD)
def test_facechain_removes_what_holds_a_word(word):
    for spelled in (word, f"brown_{word}s", f"brown {word}s", f"x{word}x", f"{word}_x", "EYES"):
        assert clean(f"smile, {spelled}, hat").text == "smile, hat"


def test_facechain_keeps_eyewear_but_not_what_another_rule_removes():
    for kept in ("eyewear", "tinted_eyewear", "eyewear on head", "eyewear_lips_x"):
        assert clean(kept).text == kept
    for removed in ("eyewear on nose", "eyewear body", "eyewear_woman"):
        assert clean(removed).text == ""


def test_facechain_keeps_hair_expression_and_the_rest():
    kept = "long_hair, open_mouth, smile, freckles, earrings, solo, hat, simple background"
    assert clean(kept).text == kept
    assert clean(kept).removed == ()


@pytest.mark.parametrize(
    ("rules", "caption", "wanted"),
    [
        ("hat", "hat, hats, red hat", "hats, red hat"),
        ("*hat", "hat, hats, red hat, that", "hats"),
        ("hat*", "hat, hats, red hat", "red hat"),
        ("* hat", "hat, red hat, redhat", "hat, redhat"),
        ("red*hat", "red hat, redhat, red, big red hat, red hats", "red, big red hat, red hats"),
        ("a*a", "a, aa, aba", "a"),
        ("*a*b*c", "abc, cba, xaxbxc, acb", "cba, acb"),
        ("long_hair", "long hair, Long_Hair", ""),
        ("Long  Hair", "long_hair", ""),
        ("*hair* !long hair", "long hair, short hair, longer hair", "long hair"),
        ("*hair* !long* !*bun", "long hair, hair bun, hair", "long hair, hair bun"),
        ("*hair*\n!long hair", "long hair, short hair", "long hair"),
        ("!long hair, *hair*", "long hair, short hair", "long hair"),
        ("long hair, !long hair", "long hair", "long hair"),
        (":), ^_^, !?", ":), ^_^, smile!?, x", "smile!?, x"),
        (r"a (b), c \(d\)", r"a \(b\), c (d), e", "e"),
        ("café, 微笑", "cafe\u0301, CAFÉ, 微笑, 长发", "长发"),
        ("\n\n, ,\n", "hat", "hat"),
        ("", "1girl, brown eyes", "1girl, brown eyes"),
    ],
)
def test_rules(rules, caption, wanted):
    assert clean(caption, read(rules)).text == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hat\n*", "'*' in line 2 would match every word"),
        ("hat, ** _*", "'** _*' in line 1 would match every word"),
        ("a\nb\n*eye* !", "'*eye* !' in line 3 has nothing after '!'"),
        ("!", "'!' in line 1 has nothing after '!'"),
        ("a !*", "'a !*' in line 1 would match every word"),
        ("a\n.*eye.*", "'.*eye.*' in line 2 looks like a regular expression"),
        ("^eye", "'^eye' in line 1 looks like"),
        ("eye$", "'eye$' in line 1 looks like"),
    ],
)
def test_rules_that_cannot_be_read_are_named_by_their_line(text, told):
    with pytest.raises(BadRule) as caught:
        read(text)
    assert told in str(caught.value)
    assert "write" in str(caught.value)


def test_trigger_then_what_is_added_then_the_rest():
    done = clean("1girl, smile, hat", trigger="ohwx woman", added="freckles, brown eyes")
    assert done.text == str(done) == "ohwx woman, freckles, brown eyes, smile, hat"
    assert done.added == ("ohwx woman", "freckles", "brown eyes")
    assert done.removed == ("1girl",)
    assert done.kept == ("smile", "hat")
    assert done.repeated == ()


def test_a_trigger_that_is_there_moves_to_the_front():
    done = clean("smile, OHWX_woman, hat", trigger="ohwx woman", added="hat")
    assert done.text == "ohwx woman, hat, smile"
    assert done.added == done.removed == done.repeated == ()


def test_front_words_stand_there_once():
    assert clean("a", NONE, "x, y", "Y, x, z").text == "x, y, z, a"
    assert clean("x, b", NONE, "(x, y:1.2)", "y").text == "(x, y:1.2), b"


@pytest.mark.parametrize("place", ["trigger", "added"])
def test_a_bracket_without_its_half_is_named(place):
    for text in ("(ohwx", "ohwx)", "[a)", "a (b))"):
        with pytest.raises(ValueError, match="has no other half") as caught:
            clean("hat", **{place: text})
        assert repr(text) in str(caught.value)
    assert clean("hat", **{place: r"a \(b"}).text == r"a \(b, hat"


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("(smile:1.2), [hat], ((coat))", "(smile:1.2), [hat], ((coat))"),
        ("(smile, brown eyes:1.2), hat", "(smile:1.2), hat"),
        ("(1girl:1.2), (brown eyes), [nose], ((1boy)), hat", "hat"),
        ("((smile, 1girl), hat, eyes:1.3)", "((smile), hat:1.3)"),
        (r"nu \(style\), 1girl \(x\)", r"nu \(style\), 1girl \(x\)"),
        (r"ganyu (genshin impact), blue eyes (x)", "ganyu (genshin impact)"),
        ("embedding:body_eyes, (embedding:eyes:1.1), EMBEDDING:nose", "embedding:body_eyes, "
         "(embedding:eyes:1.1), EMBEDDING:nose"),
        ("<lora:my_eyes:0.8>, eyes", "<lora:my_eyes:0.8>"),
        (":), (o)_(o), hat)", ":), (o)_(o), hat)"),
        ("(smile, 1girl", "(smile"),
        ("a (b, c) d, eyes", "a (b, c) d"),
        ("hat,,  ,smile , \n coat,", "hat, smile, coat"),
        ("hat，1girl、smile", "hat, smile"),
        ("", ""),
        (" , \n", ""),
        ("()", "()"),
        ("😀, été, ÉTÉ, 1girl", "😀, été"),
    ],
)  # fmt: skip
def test_brackets_and_signs(caption, wanted):
    assert clean(caption).text == wanted


@pytest.mark.parametrize(
    ("caption", "wanted", "repeated"),
    [
        ("Hat, hat, HAT", "Hat", ("hat", "HAT")),
        ("long_hair, long hair", "long_hair", ("long hair",)),
        ("(hat:1.2), hat", "(hat:1.2)", ("hat",)),
        ("hat, (hat, coat:1.1)", "hat, (coat:1.1)", ("hat",)),
        ("_, __, _", "_, __", ("_",)),
    ],
)
def test_what_is_said_twice_is_said_once(caption, wanted, repeated):
    done = clean(caption, NONE)
    assert (done.text, done.repeated) == (wanted, repeated)


def test_prose_keeps_its_parts_unless_a_rule_has_them_whole():
    caption = "a photo of a woman with brown eyes, standing by the old woman, blue eyes, 1girl"
    done = clean(caption)
    assert done.text == "a photo of a woman with brown eyes, standing by the old woman"
    assert clean(caption, read("standing by the old woman")).removed[0].startswith("standing")
    for words in range(1, 9):
        tag = " ".join(["x"] * (words - 1) + ["eyes"])
        assert bool(clean(tag).removed) == (words <= HIGHEST)


def words_of(generator: random.Random) -> str:
    pieces = ["1girl", "eyes", "smile", "Smile", "long_hair", "hat", "(", ")", "[", "]", ":1.2",
              ",", ",", ", ", "\\", "_", " ", "embedding:x", "<lora:a:1>", "\n", "，", "woman",
              "a photo of the sea", "é", "!", "*", ":"]  # fmt: skip
    return "".join(generator.choice(pieces) for _ in range(generator.randrange(40)))


def test_what_is_clean_stays_as_it_is_and_in_order():
    """For three thousand captions of words and brackets in any order."""
    generator = random.Random(6)
    for _ in range(3000):
        caption = words_of(generator)
        trigger = generator.choice(["", "ohwx woman", "(ohwx:1.1)", "eyes, hat", "(hat, x)"])
        added = generator.choice(["", "smile", "brown eyes, freckles"])
        done = clean(caption, DEFAULT, trigger, added)
        again = clean(done.text, DEFAULT, trigger, added)
        assert again.text == done.text, caption
        assert again.added == again.removed == again.repeated == (), caption
        assert again.kept == done.kept, caption


def test_the_order_of_what_is_kept_stays():
    generator = random.Random(7)
    for _ in range(300):
        tags = [f"tag {generator.randrange(50)}" for _ in range(generator.randrange(30))]
        done = clean(", ".join(tags), read("tag 1*, *3"))
        kept = [tag for tag in dict.fromkeys(tags) if tag[4] != "1" and tag[-1] != "3"]
        assert list(done.kept) == kept


def test_huge_captions():
    many = ", ".join(f"tag {number}" for number in range(20_000))
    assert clean(f"1girl, {many}, eyes").text == many
    for odd in ("(," * 5000, "(" * 100_000, ")" * 100_000, "((" * 3000 + "a" + "))" * 3000):
        done = clean(odd)
        assert clean(done.text).text == done.text
    assert clean("(" + " " * 100_000 + "hat" + " " * 100_000 + ")").text == "(hat)"
    assert len(describe(clean(many))) < 1100


def test_the_difference_that_is_shown():
    done = clean("1girl, smile, brown eyes, Smile", trigger="mychar")
    assert describe(done) == "+ mychar\n- 1girl, brown eyes\n- Smile (there already)\n= smile"
    assert describe(clean("smile")) == "nothing to change\n= smile"
    assert describe(clean("")) == "nothing to change"


def test_a_key_is_the_same_for_the_same_words():
    assert len({key(words) for words in ("brown_eyes", "Brown  Eyes", " BROWN eyes ")}) == 1
    assert key(r"nu \(style\)") == key("nu (style)")
    assert key("_") != key("__")


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (0, ("a boy, children", "a girl, children")),
        (9.9, ("a boy, children", "a girl, children")),
        (10, ("a handsome man", "a beautiful woman")),
        (39.9, ("a handsome man", "a beautiful woman")),
        (40, ("a mature man", "a mature woman")),
        (90, ("a mature man", "a mature woman")),
    ],
)
def test_words_for_a_person(age, words):
    assert (person_words(Sex.MALE, age), person_words(Sex.FEMALE, age)) == words
