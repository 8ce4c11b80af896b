"""Text of a growing row: decodes what is new, and finds stop texts over the borders of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_CONTEXT = 4
"""Tokens before the new ones that are decoded with them: a piece's text depends on whether another one precedes it."""
_PARTIAL = "\ufffd"
"""Ends a decoded text whose last character lacks bytes."""


class Codec(Protocol):
    """Encodes texts as token ids and decodes them."""

    eos_id: int
    """The token that ends a document."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; special tokens give no text."""


class RowText:
    """The text after a prompt, a token at a time.

    With stop texts each token costs a few tokens' decoding, however long the text is; without them only who asks for
    the text has it decoded.
    """

    def __init__(self, codec: Codec, prompt: Sequence[int], until: Sequence[str]) -> None:
        self._codec = codec
        self._until = [stop for stop in until if stop]
        self._overlap = max((len(stop) for stop in self._until), default=1) - 1
        self._window = [token for token in prompt[-_CONTEXT:] if token >= 0]  # a picture has no text
        self._read = len(self._window)
        self._text = ""
        self.is_stopped = False

    @property
    def text(self) -> str:
        """The text so far, without bytes that make no character yet."""
        if not self.is_stopped:
            self._take(is_end=False)
        return self._text

    def add(self, token: int) -> None:
        """Take a token. Sets `is_stopped`, and cuts the text, where a stop text is complete."""
        self._window.append(token)
        if self._until:
            self._take(is_end=False)

    def finish(self) -> str:
        """Return the whole text. Bytes that no character came of are U+FFFD."""
        if not self.is_stopped:
            self._take(is_end=True)
        return self._text

    def _take(self, *, is_end: bool) -> None:
        if len(self._window) == self._read:
            return
        before = self._codec.decode(self._window[: self._read])
        whole = self._codec.decode(self._window)
        if len(whole) <= len(before) or (whole.endswith(_PARTIAL) and not is_end):
            return
        start = max(0, len(self._text) - self._overlap)
        self._text += whole[len(before) :]
        self._window = self._window[-_CONTEXT:]
        self._read = len(self._window)
        ends = [at for at in (self._text.find(stop, start) for stop in self._until) if at >= 0]
        if ends:
            self._text = self._text[: min(ends)]
            self.is_stopped = True
