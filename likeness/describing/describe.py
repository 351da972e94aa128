"""One sentence for each picture of a batch, by the answers to questions about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..picture import cleaned
from ..progress import Progress, ignore
from ..report import counted, shortened
from .describer import NARROWEST, Describer
from .questions import Question, check, fill, is_blank


@dataclass(frozen=True)
class Description:
    """Of one picture."""

    answers: tuple[str, ...]  # in the order of the questions
    sentence: str


def describe(
    images: Tensor,  # (B, H, W, C)
    questions: Sequence[Question],
    sentence: str,
    describer: Describer,
    progress: Progress = ignore,
) -> list[Description]:
    """What the describer answers about each picture, and the sentence made of it."""
    check(sentence, questions)
    _require_readable(questions, describer)
    _require_wide(images)
    asked = [question.text for question in questions]
    found = []
    for number, image in enumerate(images):
        colours = image[..., :3] if image.shape[-1] > 1 else image.expand(-1, -1, 3)
        picture = (cleaned(colours) * 255).round().byte().cpu().numpy()
        answers = tuple(describer.answer(picture, asked))
        found.append(Description(answers, fill(sentence, questions, answers)))
        progress(number + 1, len(images))
    return found


def told(found: Sequence[Description], questions: Sequence[Question], name: str) -> str:
    """A line of totals, then of each picture the sentence and every answer."""
    lines = [f"{counted(len(found), 'picture')} described by {name}"]
    for number, one in enumerate(found):
        lines.append(f"{number}: {one.sentence}")
        for question, answer in zip(questions, one.answers, strict=True):
            unused = " (says nothing: left out)" if is_blank(answer) else ""
            lines.append(f"   {question.text} {answer or '-'}{unused}")
    return shortened(lines)


def _require_readable(questions: Sequence[Question], describer: Describer) -> None:
    for question in questions:
        count = describer.tokens(question.text)
        if count > describer.longest_question:
            raise ValueError(
                f"question {question.number}, {question.text[:60]!r} ..., has {count} tokens, and "
                f"{describer.kind} reads {describer.longest_question}: make it shorter"
            )


def _require_wide(images: Tensor) -> None:
    height, width = images.shape[1:3]
    if min(height, width) < NARROWEST * max(height, width):
        raise ValueError(
            f"the pictures are {width} x {height} px, too narrow for a describer: crop them to at "
            f"most {1 / NARROWEST:.0f} times as long as wide"
        )
