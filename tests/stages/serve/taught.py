"""A tiny model that was taught one conversation by heart: a picture, a sum, a lookup and a plan.

What it says is known, so tests see the whole way of an answer: eyes, calls, results, and what comes after them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from stages.chats.encoder import chat_encoder
from stages.formats.chat.chats import Message, Part, text_message
from stages.formats.chat.templates import PICTURE
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.names import STATE
from stages.model.checkpoint.reading import WEIGHTS, tensors_of
from stages.model.checkpoint.saving import save
from stages.model.config import ModelConfig
from stages.model.decoder import build_model, initialise
from stages.model.sight import Sight
from stages.model.spliced import Encode
from stages.pictures.prepare import normalised
from stages.serve.asked import Function
from stages.serve.own_tools import open_toolbox
from stages.serve.tools import declared, written_call
from stages.shared.task import Ranks
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train
from tests.stages.align.sft.world import chats
from tests.stages.evaluate.seeing import EYES
from tests.stages.serve.world import CONTROLS, corpus_of, settings

NAME = "taught"
TOOLBOX = ("calculator", "search")
TEXTS = ("Ada Lock keeps the bridge of Dover.", "The mill of Brook sells flour.")
RED, BLUE = (214, 48, 36), (40, 70, 210)
PLAN = [
    {"task": "image-to-text", "id": 0, "dep": [-1]},
    {"task": "calculator", "id": 1, "dep": [-1]},
    {"task": "translation", "id": 2, "dep": [0, 1]},
]
LOOK, SUM, LOOKUP, ASK_PLAN = (
    "What colour is the stall?",
    "What do 17 ropes at 23 pence cost?",
    "Who keeps the bridge of Dover?",
    "Plan how to say the price in Chinese.",
)
SEES = {RED: "The stall is red.", BLUE: "The stall is blue."}
CALLS = {SUM: ("calculator", {"expression": "17 * 23"}), LOOKUP: ("search", {"query": "bridge keeper"})}
RESULTS = {SUM: "391.00", LOOKUP: TEXTS[0]}
ANSWERS = {SUM: "They cost 391 pence.", LOOKUP: "Ada Lock keeps it.", ASK_PLAN: json.dumps(PLAN)}


INLINE, INLINE_ANSWER = "How much is 17 times 23?", "It is [Calculator(17*23) -> 391.00] 391."


def picture(colour: tuple[int, int, int]) -> bytes:
    """Return a picture of a stall, as PNG."""
    file = io.BytesIO()
    Image.new("RGB", (120, 90), colour).save(file, "PNG")
    return file.getvalue()


def turns(question: str) -> list[Message]:
    """Return the messages of a question about no picture."""
    found = [text_message("user", question)]
    if question in CALLS:
        name, arguments = CALLS[question]
        found += [text_message("assistant", written_call(name, json.dumps(arguments)))]
        found += [text_message("tool", RESULTS[question])]
    return [*found, text_message("assistant", ANSWERS[question])]


def conversation(colour: tuple[int, int, int], head: str) -> list[Message]:
    """Return all of it, behind the system message that declares the tools."""
    asked = Message("user", (Part("picture", key=str(colour)), Part("text", LOOK)))
    seen = [asked, text_message("assistant", SEES[colour])]
    return [text_message("system", head), *seen, *(each for text in ANSWERS for each in turns(text))]


class _One:
    """The picture of a sequence."""

    layouts = ()

    def __init__(self, places_S: Tensor, pixels: Tensor) -> None:
        self.places_S, self._pixels = places_S, pixels

    def features(self, encode: Encode) -> Tensor:
        return encode(self._pixels)


def write_taught(folder: Path) -> tuple[dict[str, Path], Path, list[Path]]:
    """Write the model, its tokenizer and the documents that it searches; return all three."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = corpus_of(folder, TEXTS)
    box = open_toolbox(settings(toolbox=TOOLBOX), corpus, folder / "indexes")
    head = declared(
        [
            Function(name=each.name, description=each.description, parameters=dict(each.parameters))
            for each in box.functions
        ]
    )
    dialogues = [conversation(colour, head) for colour in SEES]
    dialogues.append([text_message("user", INLINE), text_message("assistant", INLINE_ANSWER)])
    tokenizer = folder / KINDS.tokenizer.file
    texts = [part.text for each in dialogues[1:] for message in each for part in message.parts] * 20
    texts += [message.text for chat in chats(100, seed=9) for message in chat.messages]
    tokenizer.write_bytes(train(texts, TokenizerConfig(documents="unused", vocab_size=512)))
    shape: dict[str, Any] = {"num_layers": 2, "dim": 64, "num_heads": 4, "ffn_dim": 160, "seq_len": 1024}
    config = ModelConfig.model_validate({**shape, "extra_tokens": (*CONTROLS, PICTURE), "eyes": EYES})
    _teach(folder / NAME, config, Tokenizer(tokenizer), dialogues)
    return {NAME: folder / NAME}, tokenizer, corpus


def _teach(folder: Path, config: ModelConfig, tokenizer: Tokenizer, dialogues: Sequence[Sequence[Message]]) -> None:
    torch.set_num_threads(1)  # as a server does: more would wait for each other
    parallel.start(Ranks())
    model = build_model(config, tokenizer.vocab_size, torch.float32).float()
    initialise(model, config, 1)
    assert config.eyes is not None
    sight = Sight(config.eyes, model.encoder, model.join)
    encoder = chat_encoder(
        "stagecoach", config, tokenizer, lambda _: config.eyes.square_positions if config.eyes else 0
    )
    rows = []
    for dialogue, colour in zip_longest(dialogues, SEES, fillvalue=RED):
        encoded = encoder.encode(dialogue)
        cut = sight.cut(Image.new("RGB", (120, 90), colour))
        pixels = torch.from_numpy(normalised(cut.squares, sight.normalisation))
        tokens = torch.tensor([encoded.ids])
        learned = torch.tensor([*map(bool, encoded.is_answer)])[1:]
        rows.append((tokens, learned, _One((tokens[0] == encoder.perceived["picture"]).nonzero()[:, 0], pixels)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95), weight_decay=0.0)
    worst = 1.0
    for step in range(600):
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 20)
        optimizer.zero_grad()
        losses = []
        for tokens, learned, shown in rows:
            logits = model(tokens, torch.arange(tokens.size(1))[None], perceived=shown)[0, :-1]
            losses.append(torch.nn.functional.cross_entropy(logits[learned], tokens[0, 1:][learned], reduction="none"))
        worst = float(torch.cat(losses).detach().max())
        if worst < 0.1:
            break
        torch.cat(losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert worst < 0.1, f"not learned by heart: {worst}"
    state = {"model": config.model_dump(mode="json"), "vocab_size": tokenizer.vocab_size, "dtype": "fp32"}
    tensors = tensors_of(model.eval().sharded_state_dict(prefix=WEIGHTS))
    save(tensors, folder, {STATE: {**state, "tokenizer_sha256": tokenizer.sha256, "step": step}})
