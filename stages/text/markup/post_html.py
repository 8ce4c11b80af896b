"""Text of the HTML that Stack Exchange stores: a small, clean subset, so that one walk over its tags suffices.

Paragraphs, list items, rows and code stand on lines of their own; code keeps its spaces. Any HTML gives a text, in
linear time; unknown tags are left out, and so is what stands in `script` and `style`.
"""

from __future__ import annotations

import html
import re

TAG = re.compile(r"<(?:!--|(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>)")
SPACE = re.compile(r"[ \t\r\n\f]+")
BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
BLOCKS = frozenset(
    [
        "p",
        "div",
        "blockquote",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "table",
        "pre",
        "hr",
        "dl",
        "section",
        "article",
        "details",
        "summary",
    ]
)
"""Tags with an empty line around them."""
LINES = frozenset(["br", "tr", "dt", "dd", "li"])
"""Tags that begin a line."""
HIDDEN = frozenset(["script", "style", "noscript"])
MAX_DEPTH = 50
"""Nested lists that are indented."""


INLINE = re.compile(r"</?(?:a|code|strong|em|b|i|img|kbd|sub|sup|span|s|del|strike)(?:\s[^<>]*)?>")
"""Tags that change nothing. Stack Exchange lets no attribute hold `<` or `>`."""
BREAKS = re.compile(r" ?</?(?:p|div|blockquote|h[1-6]|hr)(?: [^<>]*)?/?> ?")
LINE_BREAKS = re.compile(r" ?<br ?/?> ?")
PRE = re.compile(r"<pre(?: [^<>]*)?>([^<]*)</pre>")


def post_text(body: str) -> str:
    """Return the text of a post's HTML.

    Nine of ten posts have paragraphs and code alone: a few passes over the whole text do for them what the walk does.
    """
    parts = PRE.split(INLINE.sub("", body))
    for place, part in enumerate(parts):
        if place % 2:
            parts[place] = f"\n\n{html.unescape(part)}\n\n"
            continue
        text = LINE_BREAKS.sub("\n", BREAKS.sub("\n\n", " ".join(part.split())))
        if "<" in text:
            return walked_text(body)
        parts[place] = html.unescape(text) if "&" in text else text
    return _joined(parts)


def walked_text(body: str) -> str:
    """Return the text of any HTML by a walk over its tags."""
    writer = _Writer()
    at = 0
    ends: dict[str, int] = {}
    while found := TAG.search(body, at):
        if found.start() > at:
            writer.text(body[at : found.start()])
        at = found.end()
        name = (found[2] or "!--").lower()
        if name == "!--" or (name in HIDDEN and not found[1]):
            at = _end("-->" if name == "!--" else f"</{name}", body, at, ends)
        elif found[1]:
            writer.close(name)
        else:
            writer.open(name)
    writer.text(body[at:])
    return _joined(writer.pieces)


def _joined(pieces: list[str]) -> str:
    return BLANK_LINES.sub("\n\n", "".join(pieces).replace("\xa0", " ")).strip()


def _end(mark: str, body: str, at: int, ends: dict[str, int]) -> int:
    """Return the place of a mark, after one of a comment; `at` if there is none.

    What was not found once is not looked for again.
    """
    if ends.get(mark, 0) >= 0:
        ends[mark] = body.find(mark, at)
    end = ends[mark]
    return at if end < 0 else end + len(mark) if mark == "-->" else end


class _Writer:
    """Pieces of text, with the breaks between them."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._pre = 0
        self._lists: list[int] = []
        """Of each open list: the number of its next item, or -1 for bullets."""
        self._at_start = True

    def text(self, raw: str) -> None:
        if self._pre:
            self.pieces.append(html.unescape(raw) if "&" in raw else raw)
            self._at_start = False
            return
        text = SPACE.sub(" ", raw)
        if self._at_start or (self.pieces and self.pieces[-1].endswith(" ")):
            text = text.removeprefix(" ")
        if text:
            self.pieces.append(html.unescape(text) if "&" in text else text)
            self._at_start = False

    def open(self, name: str) -> None:
        if name in BLOCKS:
            self._block(name)
        elif name == "li":
            self._item()
        elif name in LINES:
            self._break("\n")
        elif name in ("td", "th") and not self._at_start:
            self.pieces.append(" | ")
            self._at_start = True

    def _block(self, name: str) -> None:
        is_in_item = bool(self._lists) and self._at_start
        if not is_in_item:
            self._break("\n" if self._lists else "\n\n")
        if name == "pre":
            self._pre += 1
        elif name in ("ul", "ol"):
            self._lists.append(1 if name == "ol" else -1)

    def _item(self) -> None:
        self._break("\n")
        number = self._lists[-1] if self._lists else -1
        mark = "- " if number < 0 else f"{number}. "
        if number >= 0:
            self._lists[-1] += 1
        self.pieces.append("  " * (min(len(self._lists), MAX_DEPTH) - 1) + mark)
        self._at_start = True

    def close(self, name: str) -> None:
        if name == "pre":
            self._pre = max(0, self._pre - 1)
        elif name in ("ul", "ol") and self._lists:
            self._lists.pop()
        if name in BLOCKS:
            self._break("\n" if self._lists else "\n\n")

    def _break(self, mark: str) -> None:
        if self._pre:
            return
        if self.pieces and self.pieces[-1].endswith(" "):
            self.pieces[-1] = self.pieces[-1].rstrip(" ")
        self.pieces.append(mark)
        self._at_start = True
