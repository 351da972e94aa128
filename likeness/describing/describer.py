"""Networks that answer a question about a picture, of the two kinds that transformers has.

BLIP (Li et al., 2022) writes its answer, ViLT (Kim et al., 2021) picks it from a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LONGEST_ANSWER = 20  # tokens
BATCH = 16  # questions at once
WORKING = 1_500_000_000  # bytes that a network works in
NARROWEST = 1 / 16  # of the long side; ViLT works in patches of 32 pixels, of 640 at most
SEED = 0


class Describer(nn.Module):
    """A network and the processor that turns pictures and questions into its numbers."""

    def __init__(self, name: str, network: nn.Module, processor: Any) -> None:
        super().__init__()
        self.name = name
        self.network = network
        self.processor = processor
        self.writes = hasattr(network, "text_decoder")  # BLIP does

    @property
    def kind(self) -> str:
        return "BLIP" if self.writes else "ViLT"

    @property
    def longest_question(self) -> int:
        """In tokens, as `tokens` counts them."""
        config = self.network.config
        return (config.text_config if self.writes else config).max_position_embeddings

    def tokens(self, question: str) -> int:
        return len(self.processor.tokenizer(question)["input_ids"])

    @torch.no_grad()
    def answer(self, picture: np.ndarray, questions: Sequence[str]) -> list[str]:
        """The answer to each question about the picture, (H, W, 3) uint8; always the same ones."""
        from PIL import Image

        weight = next(self.network.parameters())
        seen = self.processor.image_processor(Image.fromarray(picture), return_tensors="pt")
        seen = {name: value.to(weight.device) for name, value in seen.items()}
        seen["pixel_values"] = seen["pixel_values"].to(weight.dtype)
        if self.writes:  # what it sees is the same for all questions
            seen = {"states": self.network.vision_model(seen["pixel_values"])[0]}
        answers = [""] * len(questions)
        for group in self._alike(questions):
            asked = [questions[number] for number in group]
            tokens = self.processor.tokenizer(asked, return_tensors="pt")
            tokens = {name: value.to(weight.device) for name, value in tokens.items()}
            here = {name: each.expand(len(group), *each.shape[1:]) for name, each in seen.items()}
            found = self._written(tokens, **here) if self.writes else self._picked(tokens, here)
            for number, answer in zip(group, found, strict=True):
                answers[number] = " ".join(answer.split())
        return answers

    def _alike(self, questions: Sequence[str]) -> list[list[int]]:
        """The numbers of questions that have as many tokens, to be asked at once.

        Shorter ones would need filling up, and BLIP's decoder listens to that, whatever its masks.
        """
        counts = [self.tokens(question) for question in questions]
        same = [[at for at, each in enumerate(counts) if each == count] for count in {*counts}]
        return [each[at : at + BATCH] for each in same for at in range(0, len(each), BATCH)]

    def _written(self, tokens: dict[str, Tensor], states: Tensor) -> list[str]:
        """As BlipForQuestionAnswering.generate does it, which would look anew for each question."""
        network, config = self.network, self.network.config.text_config
        asked = network.text_encoder(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            encoder_hidden_states=states,
            encoder_attention_mask=states.new_ones(states.shape[:-1], dtype=torch.long),
            return_dict=False,
        )[0]
        first = torch.full((len(asked), 1), config.bos_token_id, device=asked.device)
        ids = network.text_decoder.generate(
            input_ids=first,
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
            encoder_hidden_states=asked,
            encoder_attention_mask=asked.new_ones(asked.shape[:-1], dtype=torch.long),
            do_sample=False,
            num_beams=1,
            max_new_tokens=LONGEST_ANSWER,
        )
        return self.processor.tokenizer.batch_decode(ids, skip_special_tokens=True)

    def _picked(self, tokens: dict[str, Tensor], seen: dict[str, Tensor]) -> list[str]:
        with torch.random.fork_rng(devices=[]):  # it takes the patches in the order of a lottery
            torch.default_generator.manual_seed(SEED)  # and no GPU's: that would stay so
            best = self.network(**tokens, **seen).logits.argmax(-1).tolist()
        return [str(self.network.config.id2label[number]) for number in best]
