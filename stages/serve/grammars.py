"""Grammars that answers follow: tool calls and JSON Schemas, over a model's own tokens (llguidance).

A grammar is compiled before its request waits for the engine, so a schema that cannot be used is the caller's error at
once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from stages.formats.calls.tool_calls import OPEN
from stages.formats.chat.templates import Codec
from stages.formats.pieces import SPACE
from stages.serve.asked import ChatAsked, Function, NamedTool
from stages.serve.problems import Problem
from stages.serve.tools import TAIL, head_of

NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
MAX_SCHEMA_CHARS = 200_000
_CONTROL = b"\xff"
"""Begins the names of control tokens, as llguidance has it."""
_COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""Form of JSON: a model that repeats itself cannot fill its answer with spaces."""


class Vocabulary:
    """A model's tokens as bytes."""

    def __init__(self, codec: Codec, controls: Sequence[str], ends: Sequence[int]) -> None:
        """`controls` follow the codec's pieces; `ends` are tokens that end an answer."""
        tokens = [*map(_bytes_of, codec.pieces()), *(_CONTROL + name.encode() for name in controls)]
        self.eos_id, self.ends = codec.eos_id, tuple(ends)
        self.size = len(tokens)
        self._tokens = tokens
        specials = [place for place, token in enumerate(tokens) if token.startswith(_CONTROL)]
        self.tokenizer = LLTokenizer(TokenizerWrapper(_Plain(tokens, specials, codec)))

    def text_of(self, token: int) -> tuple[str, bytes]:
        """Return a token's text and bytes; bytes that are no text are U+FFFD. A control token has its name."""
        data = self._tokens[token].removeprefix(_CONTROL)
        return data.decode(errors="replace"), data


class _Plain:
    """What llguidance asks of a tokenizer."""

    def __init__(self, tokens: list[bytes], specials: list[int], codec: Codec) -> None:
        self.tokens, self.special_token_ids = tokens, specials
        self.eos_token_id, self.bos_token_id = codec.eos_id, None
        self._encode, self._lead = codec.encode, len(codec.encode("\n"))

    def __call__(self, text: bytes) -> list[int]:
        """Return the tokens of a text within another one: it decides how what must come is cut.

        Tokenizers put a space before a text. A line break takes it, and is skipped with it.
        """
        return self._encode(f"\n{text.decode()}")[self._lead :]


def _bytes_of(piece: str) -> bytes:
    if len(piece) == 6 and piece.startswith("<0x"):
        return bytes([int(piece[3:5], 16)])
    if piece.startswith("<") and piece.endswith(">") and len(piece) > 2:
        return _CONTROL + piece.encode()
    return piece.replace(SPACE, " ").encode()


class Mask:
    """The tokens that may come next in one answer: `Request.allowed`."""

    def __init__(self, vocabulary: Vocabulary, grammar: str, param: str) -> None:
        """Raises Problem for a grammar that is none."""
        self._vocabulary = vocabulary
        self._matcher = LLMatcher(vocabulary.tokenizer, grammar, log_level=0)
        if self._matcher.is_error():
            reason = self._matcher.get_error().strip().splitlines()[0][:200]
            raise Problem(f"{param}: this schema cannot be followed ({reason})", param=param)
        self._bits = allocate_token_bitmask(1, vocabulary.size)
        self._read = -1
        self._allowed: Sequence[int] = ()

    def __call__(self, tokens: Sequence[int]) -> Sequence[int]:
        """Return the tokens that may follow `tokens`; []: the answer is complete."""
        if len(tokens) == self._read:
            return self._allowed
        start = max(0, self._read)
        self._matcher.consume_tokens(list(tokens[start:]))
        self._read = len(tokens)
        self._allowed = self._next()
        return self._allowed

    def _next(self) -> Sequence[int]:
        if self._matcher.is_error():
            raise RuntimeError("the grammar's parser failed")
        if self._matcher.is_stopped():
            return []
        fill_next_token_bitmask(self._matcher, self._bits)
        bits = np.unpackbits(self._bits.view(np.uint8), bitorder="little")[: self._vocabulary.size]
        found = np.flatnonzero(bits)
        may_end = bool(bits[self._vocabulary.eos_id])
        return [*found.tolist(), *(self._vocabulary.ends if may_end else ())]


def grammar_of(asked: ChatAsked) -> tuple[str, str] | None:
    """Return the grammar of an answer, and the parameter that it comes from; None: free text.

    Raises Problem for a schema that is too long.
    """
    form = asked.response_format
    if asked.tools and asked.tool_choice != "none":
        return _of_tools([tool.function for tool in asked.tools], asked), "tools"
    if form is None or form.type == "text":
        return None
    schema = form.json_schema.schema_ if form.json_schema else None
    return f'start: SPACE? value\nSPACE: " "\nvalue: {_json(schema or {"type": "object"}, "response_format")}\n', (
        "response_format"
    )


def _of_tools(functions: Sequence[Function], asked: ChatAsked) -> str:
    """Return a grammar in which each call follows its schema. With `auto` any text may stand before and between."""
    choice = asked.tool_choice
    if isinstance(choice, NamedTool):
        functions = [each for each in functions if each.name == choice.function.name]
    calls = " | ".join(f"call_{place}" for place in range(len(functions)))
    is_free = choice in (None, "auto")
    lines = [f"call: {calls}", 'SPACE: " "', r"REST: /(.|\n)*/"]
    opening = "opening" if is_free else ""
    lines.append(f"opening[lazy]: REST {json.dumps(OPEN)}" if is_free else "")
    for place, each in enumerate(functions):
        head = head_of(each.name)
        head = head.removeprefix(OPEN) if is_free else head
        schema = _json({**(each.parameters or NO_ARGUMENTS)}, f"tools[{place}].function.parameters")
        lines.append(f"call_{place}: {opening} {json.dumps(head)} arguments_{place} {json.dumps(TAIL)}")
        lines.append(f"arguments_{place}: {schema}")
    is_one = isinstance(choice, NamedTool) or asked.parallel_tool_calls is False
    count = {True: "?" if is_one else "*", False: "" if is_one else "+"}[is_free]
    lines.append(f"start: call{count} REST" if is_free else f"start: SPACE? call{count}")
    return "%llguidance {}\n" + "\n".join(lines) + "\n"


def _json(schema: Mapping[str, Any], param: str) -> str:
    text = json.dumps({**schema, "x-guidance": _COMPACT})
    if len(text) > MAX_SCHEMA_CHARS:
        raise Problem(f"{param}: a schema of {len(text)} characters, at most {MAX_SCHEMA_CHARS}", param=param)
    return f"%json {text}"
