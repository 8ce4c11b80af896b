"""RefinedWeb's line-wise correction (arXiv:2306.01116, G.2): cuts counters, shouts and navigation out of a page.

The phrases are those of the paper as DCLM reproduces them, widened to the singular ("1 like", "3likes"), and their
Chinese counterparts, which are ours. A row of a table is no line without letters. A line of Chinese characters has as
many words as characters.

Compiled code judges every line. Python sees only the lines that are short or start with a digit.
"""

from __future__ import annotations

import re

import numpy as np
from datatrove.data import Document

from stages.text.blocks.gate import NOTE, Gate, set_text
from stages.text.blocks.rejects import Rejects
from stages.text.compiled.arrays import I32, U8, U32
from stages.text.compiled.kernels import kernel
from stages.text.settings import LineSettings
from stages.text.words.characters import LETTER, SPACE, UPPER, WORD, character_table
from stages.text.words.tokens import KIND_SYMBOL, code_points, count_tokens, count_words, flags_of, split

COUNTED = "like|share|comment|retweet|repost|quote|bookmark|upvote|downvote|download|view|follower"
COUNTED_ZH = "点赞|赞|分享|转发|评论|留言|收藏|下载|浏览|阅读|播放|关注|粉丝|點讚|讚|轉發|評論|下載|瀏覽|閱讀|關注|粉絲"
COUNTER = re.compile(
    rf"\W*\d[\d,.]*(?:\s*(?:k|m|b|mio|million))?\s*(?:{COUNTED})s?\W*"
    rf"|\W*\d[\d,.]*\s*[万亿萬億]?\s*[次人条個个條]?\s*(?:{COUNTED_ZH})[量数數]?\W*"
    rf"|\W*(?:{COUNTED_ZH})[量数數]?\W*\d[\d,.]*\s*[万亿萬億]?\s*[次人条個个條]?\W*",
    re.IGNORECASE,
)
EDITS = (
    re.compile(r"^\W*sign[ -]?in\b\W*", re.IGNORECASE),
    re.compile(r"\bread more\W*$", re.IGNORECASE),
    re.compile(r"\bitems in cart\b", re.IGNORECASE),
    re.compile(r"(?:阅读|查看|展开|閱讀|展開)(?:更多|全文)\W*$"),
)
HINTS = ("sign", "read more", "items in cart")
"""Parts of the phrases; a line of ASCII without any of them, in lower case, has no phrase."""
COUNTER_CHARS = 100
"""Longest line that can be a counter."""
NEWLINE, TAB, BAR = 0x0A, 0x09, 0x7C
DROPPED, MAY_COUNT, MAY_HOLD_PHRASE = 1, 2, 4
"""Bits of a line's fate; 0 is prose, or an empty line."""


class LineCorrection(Gate):
    """Deletes and edits single lines; drops a page that loses too many of its words."""

    name = "lines"

    def __init__(self, settings: LineSettings, rejects: Rejects | None = None) -> None:
        super().__init__(rejects)
        self.settings = settings

    def reason(self, doc: Document) -> str | None:
        """Correct the page's text; return `too_many_words_removed` if it loses too many words."""
        lines = doc.text.split("\n")
        fates, num_words = self._judge(doc.text)
        corrected: list[str | None] = [*lines]
        for place in fates.nonzero()[0].tolist():
            corrected[place] = self._edit(lines[place], fates[place])
        changed = [place for place, line in enumerate(lines) if corrected[place] is not line]
        text = "\n".join(line for line in corrected if line is not None).lstrip("\n").rstrip()
        removed = sum(int(num_words[place]) - count_words(corrected[place] or "") for place in changed)
        if not text or removed > self.settings.max_removed_words * num_words.sum():
            return "too_many_words_removed"
        if changed:
            self.stat_update(f"{NOTE}lines_changed", value=len(changed))
            self.stat_update(f"{NOTE}pages_changed")
        if text != doc.text:
            set_text(doc, text, count_tokens(text))
        return None

    def correct(self, line: str) -> str | None:
        """Return an edited line, or None if it is deleted. Empty lines stay: they separate paragraphs."""
        return self._edit(line, self._judge(line)[0][0])

    def _judge(self, text: str) -> tuple[U8, I32]:
        found = split(text)
        limits = (self.settings.max_uppercase, self.settings.max_edit_words, COUNTER_CHARS)
        return _judge_lines(code_points(text), found.starts, found.kinds, character_table(), limits)

    @staticmethod
    def _edit(line: str, fate: int) -> str | None:
        if fate == DROPPED or (fate & MAY_COUNT and COUNTER.fullmatch(line)):
            return None
        if not fate & MAY_HOLD_PHRASE or (line.isascii() and not any(map(line.lower().__contains__, HINTS))):
            return line
        edited = line
        for phrase in EDITS:
            edited = phrase.sub("", edited)
        if edited == line:
            return line
        return edited.strip() if count_words(edited) > 1 else None


@kernel
def _judge_lines(codes: U32, starts: I32, kinds: U8, characters: U32, limits: tuple[float, int, int]) -> tuple[U8, I32]:
    """Return the fate of each line (uint8) and its number of words (int32)."""
    num_lines = 1
    for code in codes:
        num_lines += code == NEWLINE
    fates = np.zeros(num_lines, dtype=np.uint8)
    num_words = np.zeros(num_lines, dtype=np.int32)
    line, start, token = 0, 0, 0
    for place in range(len(codes) + 1):
        if place < len(codes) and codes[place] != NEWLINE:
            continue
        while token < len(starts) and starts[token] < place:
            num_words[line] += kinds[token] != KIND_SYMBOL
            token += 1
        fates[line] = _line_fate(codes[start:place], characters, num_words[line], limits)
        line, start = line + 1, place + 1
    return fates, num_words


@kernel
def _line_fate(codes: U32, characters: U32, num_words: int, limits: tuple[float, int, int]) -> int:
    max_uppercase, max_edit_words, counter_chars = limits
    visible, letters, uppers, digits = np.int64(0), 0, np.int64(0), 0
    for code in codes:
        flags = flags_of(code, characters)
        visible += flags & SPACE == 0
        if flags & LETTER:
            letters += 1
            uppers += flags & UPPER > 0
        elif flags & WORD:
            digits += 1
    if not visible:
        return 0
    is_dropped = num_words <= 1 or letters == 0 or uppers > max_uppercase * letters
    if is_dropped and not _is_row(codes, characters):
        return DROPPED
    may_count = digits > 0 and len(codes) <= counter_chars
    return MAY_COUNT * may_count + MAY_HOLD_PHRASE * (num_words <= max_edit_words)


@kernel
def _is_row(codes: U32, characters: U32) -> bool:
    """Return whether a line is a row of a table: `| 1000 | 0.01 |`, or cells that tabs divide."""
    bars, first, tab = 0, -1, -1
    for place in range(len(codes)):
        if codes[place] == BAR:
            bars += 1
        if codes[place] == TAB:
            tab = place
        elif flags_of(codes[place], characters) & SPACE == 0:
            if first >= 0 and tab > first:
                return True
            if first < 0:
                first = place
    return first >= 0 and codes[first] == BAR and bars > 2
