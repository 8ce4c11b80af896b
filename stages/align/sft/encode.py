"""Encodes a file of chats or documents as examples, held-out chats apart. Counts what is not learned, with samples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages.align.sft.config import AlignConfig
from stages.formats.chat.chats import Chat, parse_chat
from stages.formats.chat.packed import Example, PackedWriter
from stages.formats.chat.templates import ChatEncoder, load_template
from stages.formats.documents import read_documents
from stages.formats.heldout import is_prompt_heldout
from stages.formats.tokenizer import Tokenizer
from stages.shared.files import write_json
from stages.shared.task import Task

EXAMPLES, HELDOUT = "examples.bin", "heldout.bin"
COUNTS, REJECTS = "counts.json", "rejects.json"
SAMPLES = 10
"""Rejected chats that are kept of each reason."""
SHOWN_CHARS = 500


def run(task: Task[AlignConfig]) -> dict[str, Any]:
    """Write the examples, the counts and samples of rejects into task.out; return the counts."""
    config = task.config
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    template = load_template(config.template)
    controls = {name: config.model.token_id(name, tokenizer.vocab_size) for name in template.controls}
    maker = Examples(config, ChatEncoder(template, tokenizer, controls, first_id=tokenizer.eos_id))
    rows = config.model.used_rows(tokenizer.vocab_size)
    with (
        PackedWriter(task.out / EXAMPLES, rows) as kept,
        PackedWriter(task.out / HELDOUT, rows) as heldout,
    ):
        for file in task.inputs.get("documents", ()):
            for number, document in enumerate(read_documents(file.path), start=1):
                for example in maker.pieces(document["text"], tokenizer):
                    kept.write([example])
                task.progress(number)
        for file in task.inputs.get("chats", ()):
            _encode_chats(file.path, maker, kept, heldout, task.progress)
    counts = {
        "chats": maker.chats,
        "tokens_read": maker.tokens,
        "tokens_kept": kept.tokens + heldout.tokens,
        "vocab_size": rows,
        "counts": dict(sorted(maker.counts.items())),
    }
    write_json(task.out / COUNTS, counts)
    write_json(task.out / REJECTS, maker.samples)
    return {"chats": maker.chats, "examples": kept.rows, "heldout": heldout.rows, "tokens": kept.tokens, **maker.counts}


def _encode_chats(
    path: Path, maker: Examples, kept: PackedWriter, heldout: PackedWriter, progress: Callable[[int], None]
) -> None:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            chat = maker.parse(line, number)
            if chat is not None:
                writer = heldout if is_prompt_heldout(chat.messages, maker.config.heldout) else kept
                for example in maker.examples(chat, number):
                    writer.write([example])
            progress(number)


class Examples:
    """Makes examples of chats and documents, and counts what becomes of each."""

    def __init__(self, config: AlignConfig, encoder: ChatEncoder) -> None:
        self.config, self._encoder = config, encoder
        self.chats = self.tokens = 0
        """Chats or documents, and tokens of those that could be encoded."""
        self.counts: Counter[str] = Counter()
        self.samples: list[dict[str, Any]] = []

    def parse(self, line: str, number: int) -> Chat | None:
        """Return the chat of a line; None if there is none."""
        if not line.strip():
            return None
        self.chats += 1
        try:
            return parse_chat(json.loads(line), number)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self._count("unreadable", number, f"{error!r}: {line}")
            return None

    def examples(self, chat: Chat, number: int) -> Iterator[Example]:
        """Yield the examples of a chat, of at most `model.seq_len` tokens each."""
        try:
            blank = any(message.role == "assistant" and not message.text.strip() for message in chat.messages)
            encoded = self._encoder.encode(chat.messages, last_only=self.config.learn == "last_answer")
        except ValueError as error:
            self._count("not_in_template", number, f"{error}: {_shown(chat)}")
            return
        self.tokens += len(encoded.ids)
        if blank:
            self._count("blank_answer", number, _shown(chat))
            return
        whole = Example(np.array(encoded.ids, dtype=np.int64), np.frombuffer(encoded.is_answer, dtype=bool))
        for part in self._fitting(whole, number, chat):
            if part.is_learned.any():
                yield part
            else:
                self._count("nothing_learned", number, _shown(chat))

    def pieces(self, text: str, tokenizer: Tokenizer) -> Iterator[Example]:
        """Yield a document as examples of at most `model.seq_len` tokens, learned except each one's first token."""
        ids = np.array([tokenizer.eos_id, *tokenizer.encode(text), tokenizer.eos_id], dtype=np.int64)
        self.chats += 1
        self.tokens += len(ids)
        whole, limit = Example(ids, np.ones(len(ids), dtype=bool)), self.config.model.seq_len
        for start in range(0, len(ids), limit):
            yield _part(whole, start, limit)

    def _fitting(self, whole: Example, number: int, chat: Chat) -> list[Example]:
        limit, length = self.config.model.seq_len, len(whole.tokens)
        if length <= limit:
            return [_part(whole, 0, limit)]
        if self.config.too_long == "refuse":
            self._count("too_long", number, f"{length} tokens: {_shown(chat)}")
            return []
        self._count(self.config.too_long, number, f"{length} tokens: {_shown(chat)}")
        first = [length - limit] if self.config.too_long == "cut" else range(0, length, limit)
        return [_part(whole, start, limit) for start in first]

    def _count(self, reason: str, record: int, detail: str) -> None:
        self.counts[reason] += 1
        if self.counts[reason] <= SAMPLES:
            shown = detail[:SHOWN_CHARS].encode("utf-8", "replace").decode()  # JSON may hold half a surrogate pair
            self.samples.append({"reason": reason, "record": record, "detail": shown})


def _part(whole: Example, start: int, limit: int) -> Example:
    """Return at most `limit` tokens of an example. Nothing predicts the first of them: it is not learned."""
    is_learned = whole.is_learned[start : start + limit].copy()
    is_learned[:1] = False
    return Example(whole.tokens[start : start + limit], is_learned)


def _shown(chat: Chat) -> str:
    return " | ".join(f"{message.role}: {''.join(part.text for part in message.parts)}" for message in chat.messages)
