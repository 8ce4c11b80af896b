"""Encodes a file of chats or documents as examples, held-out chats apart. Counts what is not learned, with samples.

A picture or sound takes its positions by the plan, before any encoder runs. Chats with one that no collection has are
rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.chats.config import ChatStage
from stages.chats.encoded import write_counts, writer_of
from stages.chats.encoder import chat_encoder
from stages.chats.sensing import SensingStage
from stages.formats.chat.chats import parse_chat, transcript
from stages.formats.chat.packed import Example, PackedWriter, Placed
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.templates import ChatEncoder, PositionsOf, Span
from stages.formats.documents import read_documents
from stages.formats.heldout import is_prompt_heldout
from stages.formats.tokenizer import Tokenizer
from stages.pictures.album import Album
from stages.pictures.sounds import SoundShelf
from stages.shared.errors import DataError
from stages.shared.task import Task

EXAMPLES, HELDOUT = "examples.bin", "heldout.bin"
MISSING = ("no_picture", "no_sound")
"""Reasons for which a chat is rejected whose picture or sound no collection has."""
SHOWN = 3
"""Missing pictures or sounds that an error names."""
TOGETHER = 256
"""Lines whose texts the tokenizer takes in one call, which costs as much as a short text."""


def run(task: Task[ChatStage]) -> dict[str, Any]:
    """Write the examples, the counts and samples of rejects into task.out; return the counts."""
    config = task.config
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    encoder = chat_encoder(config.template, config.model, tokenizer, _planner(task))
    maker = Examples(config, encoder, tokenizer.encode_batch)
    rows = config.model.used_rows(tokenizer.vocab_size)
    with (
        writer_of(config.model)(task.out / EXAMPLES, rows) as kept,
        writer_of(config.model)(task.out / HELDOUT, rows) as heldout,
    ):
        for file in task.inputs.get("documents", ()):
            for number, document in enumerate(read_documents(file.path), start=1):
                kept.write_apart(maker.pieces(document["text"], tokenizer))
                task.progress(number)
        for file in task.inputs.get("chats", ()):
            _encode_chats(file.path, maker, kept, heldout, task.progress)
            if isinstance(config, SensingStage):
                _require_found(file.path, maker, config)
    write_counts(task.out, {"chats": maker.chats}, maker.tokens, kept.tokens + heldout.tokens, rows, maker.rejects)
    written = {"chats": maker.chats, "examples": kept.rows, "heldout": heldout.rows, "tokens": kept.tokens}
    return {**written, **maker.rejects.counts}


def _planner(task: Task[ChatStage]) -> PositionsOf | None:
    """Return the positions of the pictures or sounds of the task's collections; None: the model reads text alone."""
    model = task.config.model
    if model.eyes:
        album, eyes = Album([file.path for file in task.inputs["pictures"]]), model.eyes
        return partial(_positions, "no_picture", lambda key: eyes.positions(album.size(key)))
    if model.ears:
        shelf, ears = SoundShelf([file.path for file in task.inputs["sounds"]]), model.ears
        return partial(_positions, "no_sound", lambda key: ears.positions(shelf.size(key)))
    return None


def _positions(reason: str, planned: PositionsOf, key: str) -> int:
    """Return the positions of what a key names. Raises Reject if there is none, or if it has no position."""
    try:
        found = planned(key)
    except KeyError as error:
        raise Reject(reason, key) from error
    if not found:
        raise Reject("no_positions", key)
    return found


def _require_found(path: Path, maker: Examples, config: SensingStage) -> None:
    """Raise DataError if too many chats name a picture or sound that no collection has."""
    missing = sum(maker.rejects.counts[reason] for reason in MISSING)
    if missing > config.max_missing * maker.chats:
        (field,) = config.looked_up
        samples = [each for each in maker.rejects.samples if each["reason"] in MISSING][:SHOWN]
        shown = "; ".join(f"line {each['record']}: {each['detail'].splitlines()[0]}" for each in samples)
        raise DataError(
            path,
            f"{missing} of {maker.chats} chats name {field} that no collection has ({shown})",
            f"Add their collections to `{field}`, or raise `max_missing` = {config.max_missing}",
        )


def _encode_chats(
    path: Path, maker: Examples, kept: PackedWriter, heldout: PackedWriter, progress: Callable[[int], None]
) -> None:
    with path.open(encoding="utf-8", errors="replace") as lines:
        numbered = enumerate(lines, start=1)
        while block := [*islice(numbered, TOGETHER)]:
            for writer, examples in zip((kept, heldout), maker.examples(block), strict=True):
                writer.write_apart(examples)
            progress(block[-1][0])


class _Line(NamedTuple):
    """A line of a file of chats. It holds no chat: that many objects cost more time than the tokenizer."""

    number: int
    text: str
    spans: Sequence[Span] = ()
    """The chat, cut by its template."""
    is_heldout: bool = False
    reason: str = ""
    """Reason for which nothing of it is learned; empty: none so far."""
    detail: str = ""

    def shown(self) -> str:
        """Return the chat, for people to read."""
        return transcript(parse_chat(json.loads(self.text), self.number).messages)


class Examples:
    """Makes examples of chats and documents, and counts what becomes of each."""

    def __init__(
        self, config: ChatStage, encoder: ChatEncoder, encode_texts: Callable[[list[str]], Iterable[list[int]]]
    ) -> None:
        """`encode_texts` returns the ids of many texts, as the encoder's tokenizer makes them of each."""
        self.config, self._encoder, self._encode_texts = config, encoder, encode_texts
        self.chats = self.tokens = 0
        """Chats or documents, and tokens of those that could be encoded."""
        self.rejects = Rejects()

    def examples(self, lines: Iterable[tuple[int, str]]) -> tuple[list[Example], list[Example]]:
        """Return the examples of numbered lines, of at most `model.seq_len` tokens each: to train on, and held out."""
        kept: list[Example] = []
        heldout: list[Example] = []
        found = [self._read(number, text) for number, text in lines if text.strip()]
        encoded = self._encoder.encode_all([line.spans for line in found], self._encode_texts)
        self.chats += len(found)
        self.tokens += len(encoded.ids)
        tokens, is_answer = np.fromiter(encoded.ids, np.int32), encoded.is_answer
        is_learned = np.frombuffer(is_answer, dtype=bool)
        limit, end = self.config.model.seq_len, 0
        for line, length in zip(found, encoded.lengths, strict=True):
            start, end = end, end + length
            if line.reason:
                self._count(line.reason, line.number, line.detail)
                continue
            for first in (start,) if length <= limit else self._starts(line, start, end):
                last = min(first + limit, end)
                if is_answer.find(1, first + 1, last) < 0:
                    self._count("nothing_learned", line.number, line.shown())
                else:
                    is_answer[first] = 0  # nothing predicts the first token
                    pictures = self._pictures(line.spans, tokens[first:last])
                    example = Example(tokens[first:last], is_learned[first:last], pictures)
                    (heldout if line.is_heldout else kept).append(example)
        return kept, heldout

    def _read(self, number: int, text: str) -> _Line:
        try:
            chat = parse_chat(json.loads(text), number)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return _Line(number, text, reason="unreadable", detail=f"{error!r}: {text}")
        try:
            blank = [each for each in chat.messages if each.role == "assistant" and not each.text.strip()]
            spans = self._encoder.cut(chat.messages, last_only=self.config.learn == "last_answer")
        except ValueError as error:
            return _Line(number, text, reason="not_in_template", detail=f"{error}: {transcript(chat.messages)}")
        except Reject as reject:
            return _Line(number, text, reason=reject.reason, detail=f"{reject.detail}: {transcript(chat.messages)}")
        if blank:
            return _Line(number, text, spans, reason="blank_answer", detail=transcript(chat.messages))
        return _Line(number, text, spans, is_prompt_heldout(chat.messages, self.config.heldout))

    def _pictures(self, spans: Sequence[Span], tokens: NDArray[np.integer]) -> Sequence[Placed]:
        """Return the pictures and sounds of a whole chat."""
        ids = [*self._encoder.perceived.values()]
        if not ids:
            return ()
        shown = [span for span in spans if span.control in ids]
        starts = np.flatnonzero(np.isin(tokens, ids))
        before = accumulate((span.times for span in shown), initial=0)
        return [Placed(int(starts[first]), span.times, span.text) for first, span in zip(before, shown, strict=False)]

    def pieces(self, text: str, tokenizer: Tokenizer) -> list[Example]:
        """Return a document as examples of at most `model.seq_len` tokens, learned except each one's first token."""
        ids = np.array([tokenizer.eos_id, *tokenizer.encode(text), tokenizer.eos_id], dtype=np.int64)
        self.chats += 1
        self.tokens += len(ids)
        is_learned, limit = np.ones(len(ids), dtype=bool), self.config.model.seq_len
        is_learned[::limit] = False
        places = [slice(start, start + limit) for start in range(0, len(ids), limit)]
        return [Example(ids[place], is_learned[place]) for place in places]

    def _starts(self, line: _Line, start: int, end: int) -> Sequence[int]:
        """Return the first token of each example of a chat that is too long."""
        limit, too_long = self.config.model.seq_len, self.config.too_long
        reason = "too_long" if too_long == "refuse" else too_long
        self._count(reason, line.number, f"{end - start} tokens: {line.shown()}")
        return {"refuse": (), "cut": (end - limit,), "split": range(start, end, limit)}[too_long]

    def _count(self, reason: str, record: int, detail: str) -> None:
        self.rejects.add(Reject(reason, detail), record=record)
