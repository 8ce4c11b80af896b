"""Encodes a file of preferences or of demonstrations as compared responses. Counts what is left out, with samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.align.comparisons import HELD_OUT_IN, ComparisonStage, Ranked
from stages.chats.encoded import write_counts
from stages.chats.encoder import chat_encoder
from stages.formats.chat.chats import Message, parse_chat, transcript
from stages.formats.chat.compared import Compared, ComparedWriter
from stages.formats.chat.packed import Example
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.scored import ScoredEncoder
from stages.formats.chat.templates import Encoded
from stages.formats.heldout import is_prompt_heldout
from stages.formats.preferences import parse_preference
from stages.formats.tokenizer import Tokenizer
from stages.model.config import ModelConfig
from stages.shared.task import Task

COMPARED, HELDOUT, DEMONSTRATIONS = "compared.bin", "heldout.bin", "demonstrations.bin"
_NO_RECORD = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""Errors of a line that is no record."""


def run(task: Task[ComparisonStage]) -> dict[str, Any]:
    """Write the compared responses, the counts and samples of rejects into task.out; return the counts."""
    config = task.config
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    maker = Comparisons(config, scored_encoder(config.template, config.model, tokenizer, config.appended_tokens))
    rows = config.model.used_rows(tokenizer.vocab_size)
    with (
        ComparedWriter(task.out / COMPARED, rows) as kept,
        ComparedWriter(task.out / HELDOUT, rows) as heldout,
        ComparedWriter(task.out / DEMONSTRATIONS, rows) as demonstrations,
    ):
        for field in HELD_OUT_IN:
            for file in task.inputs.get(field, ()):
                for line, place in _lines(file.path):
                    if (made := maker.compared(line, place)) is not None:
                        is_apart = field != config.data or is_prompt_heldout(made[0], config.heldout)
                        (heldout if is_apart else kept).write_prompts([made[1]])
                    task.progress(place)
        for file in task.inputs.get("demonstrations", ()):
            for line, place in _lines(file.path):
                if (shown := maker.demonstration(line, place)) is not None:
                    demonstrations.write_prompts([shown])
                task.progress(place)
    tokens = kept.tokens + heldout.tokens + demonstrations.tokens
    write_counts(task.out, {"prompts": maker.prompts}, maker.tokens, tokens, rows, maker.rejects)
    written = {"prompts": kept.prompts, "heldout": heldout.prompts, "demonstrations": demonstrations.prompts}
    return {**written, "tokens": kept.tokens, **maker.rejects.counts}


def _lines(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the lines of a file that hold anything, with their numbers from 1."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield line, number


def scored_encoder(
    template: str, model: ModelConfig, tokenizer: Tokenizer, appended: tuple[str, ...] = ()
) -> ScoredEncoder:
    """Return what builds the inputs of a model. Raises ConfigError for a template that does not fit the tokenizer."""
    ids = tuple(model.token_id(name, tokenizer.vocab_size) for name in appended)
    return ScoredEncoder(chat_encoder(template, model, tokenizer), ids)


class Comparisons:
    """Makes compared responses of records, and counts what becomes of each."""

    def __init__(self, config: ComparisonStage, encoder: ScoredEncoder) -> None:
        self.config, self._encoder = config, encoder
        self.prompts = self.tokens = 0
        """Records, and tokens of those that could be encoded."""
        self.rejects = Rejects()

    def compared(self, line: str, number: int) -> tuple[tuple[Message, ...], Compared] | None:
        """Return the prompt of a line and its responses; None if they are left out."""
        self.prompts += 1
        try:
            preference = parse_preference(_record(line))
            if not preference.pairs():
                raise Reject("all_tied", line)
            return preference.prompt, self._encoded(preference.prompt, self.config.ranked(preference), number)
        except Reject as reject:
            self.rejects.add(reject, record=number)
        except _NO_RECORD as error:
            self.rejects.add(Reject("unreadable", f"{error!r}: {line}"), record=number)
        return None

    def demonstration(self, line: str, number: int) -> Compared | None:
        """Return the last answer of a chat, compared with nothing; None if the chat is left out."""
        self.prompts += 1
        try:
            messages = parse_chat(_record(line), number).messages
            last = max((place for place, each in enumerate(messages) if each.role == "assistant"), default=None)
            if last is None:
                raise Reject("no_answer", line)
            return self._encoded(messages[:last], [(0, messages[last].text, 1)], number)
        except Reject as reject:
            self.rejects.add(reject, record=number)
        except _NO_RECORD as error:
            self.rejects.add(Reject("unreadable", f"{error!r}: {line}"), record=number)
        return None

    def _encoded(self, prompt: tuple[Message, ...], ranked: list[Ranked], number: int) -> Compared:
        """Return responses of a prompt as tokens. Raises Reject for those that cannot be encoded or are too long."""
        shown = transcript(prompt)
        try:
            encoded = [self._encoder.encode(prompt, text) for _, text, _ in ranked]
        except ValueError as error:
            raise Reject("not_in_template", f"{error}: {shown}") from error
        total, limit = sum(len(each.ids) for each in encoded), self.config.model.seq_len
        self.tokens += total
        if total > limit:
            found = Reject("too_long" if self.config.too_long == "refuse" else "cut", f"{total} tokens: {shown}")
            if self.config.too_long == "refuse":
                raise found
            if limit // len(encoded) < 2:
                raise Reject("too_many", f"{len(encoded)} responses: {shown}")
            self.rejects.add(found, record=number)
        most = limit if total <= limit else limit // len(encoded)
        return Compared([_example(each, most) for each in encoded], [(number, rank) for number, _, rank in ranked])


def _record(line: str) -> Mapping[str, Any]:
    record: Mapping[str, Any] = json.loads(line)
    return record


def _example(encoded: Encoded, most: int) -> Example:
    """Return at most `most` tokens: the first one, and the last ones."""
    tokens = np.array(encoded.ids, dtype=np.int64)
    is_learned = np.frombuffer(encoded.is_answer, dtype=bool)
    if len(tokens) > most:
        kept = np.r_[0, len(tokens) - most + 1 : len(tokens)]
        tokens, is_learned = tokens[kept], is_learned[kept]
    return Example(tokens, is_learned)
