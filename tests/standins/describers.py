"""Writes describers: folders as transformers saves BLIP and ViLT, tiny, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch

BLIP, VILT = "blip-vqa-base", "vilt-b32-finetuned-vqa"
SIGNS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPOKEN = """
what is are the a of in on person doing light like colour kind expression face hair look wearing
background man woman standing sitting smiling warm cold soft hard bright dark red brown long short
shirt coat tree wall house sky sea ? , .
"""
WORDS = SPOKEN.split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = (*SIGNS, *WORDS, *LETTERS[1:], *(f"##{letter}" for letter in LETTERS))
ANSWERS = ("yes", "no", "standing", "brown", "warm", "red shirt", "", "trees", "sky", "2")
SIDE, PATCH = 384, 32  # pixels, of the pictures and of what the network takes for one sign


def write_blip(folder: Path, seed: int = 0) -> Path:
    """BlipForQuestionAnswering; as with the real one, an answer's first token is no word."""
    import transformers

    text = {
        "vocab_size": len(VOCABULARY) + 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "bos_token_id": len(VOCABULARY),
        "eos_token_id": SIGNS.index("[SEP]"),
        "sep_token_id": SIGNS.index("[SEP]"),
        "pad_token_id": SIGNS.index("[PAD]"),
        "initializer_range": 0.4,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": PATCH,
        "initializer_range": 0.4,
    }
    config = transformers.BlipConfig(
        text_config=text, vision_config=vision, initializer_range=0.4, image_text_hidden_size=16
    )
    images = {
        "image_processor_type": "BlipImageProcessor",
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "BlipProcessor",
    }
    return _write(folder, transformers.BlipForQuestionAnswering, config, images, seed)


def write_vilt(folder: Path, seed: int = 0) -> Path:
    """ViltForQuestionAnswering."""
    import transformers

    config = transformers.ViltConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=40,
        image_size=SIDE,
        patch_size=PATCH,
        initializer_range=0.4,
        id2label=dict(enumerate(ANSWERS)),
        label2id={answer: number for number, answer in enumerate(ANSWERS)},
    )
    images = {
        "image_processor_type": "ViltImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": SIDE},
        "size_divisor": 32,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_pad": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "ViltProcessor",
    }
    return _write(folder, transformers.ViltForQuestionAnswering, config, images, seed)


def _write(folder: Path, network: type, config: object, images: dict, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        made = network(config).eval()
        (_even_out if hasattr(made, "classifier") else _of_words)(made)
        made.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(images, indent=1), "utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", "utf-8")
    tokens = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 64}
    tokens["processor_class"] = images["processor_class"]
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens), "utf-8")
    return folder


def _of_words(network: torch.nn.Module) -> None:
    """What BLIP answers are words, mostly a few of them."""
    bias = network.text_decoder.cls.predictions.bias
    bias[:] = -100
    bias[len(SIGNS) : len(SIGNS) + len(WORDS)] = 0
    bias[SIGNS.index("[SEP]")] = 4


def _even_out(network: torch.nn.Module) -> None:
    """No answer of ViLT is ahead of the others on the average: several are given."""
    shades = torch.linspace(-1, 1, 8)[:, None, None, None]
    pictures = shades + torch.randn(8, 3, SIDE, SIDE) * shades.flip(0)
    words = torch.randint(len(SIGNS), len(SIGNS) + len(WORDS), (8, 10))
    answered = network(input_ids=words, pixel_values=pictures).logits
    network.classifier[-1].bias -= answered.mean(0)
