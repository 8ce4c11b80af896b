"""Reduces wikitext to text in one pass over its marks: linear time, whatever the text.

A stack holds what is open (a template, a link, a table). A mark that closes it hands its content, inner marks resolved,
to one function, whose text takes its place. A mark without its partner stays as it is written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from stages.curated.wikipedia.languages import Words
from stages.curated.wikipedia.sections import clean_lines, without_tails
from stages.curated.wikipedia.templates import template_text

VERBATIM = ("nowiki", "pre", "math", "chem", "ce", "syntaxhighlight", "source")
"""Tags whose content is no wikitext, and stays."""
SKIPPED = ("ref", "references", "gallery", "timeline", "score", "imagemap", "templatestyles", "graph", "maplink",
           "mapframe", "hiero", "inputbox", "categorytree", "section", "indicator", "includeonly")  # fmt: skip
"""Tags whose content is no prose."""
TOKEN = re.compile(
    r"\{\{+|\}\}+|\[\[|\]\]|\{\||\|\}(?!\})"
    rf"|<(?:!--|(?P<tag>{'|'.join((*VERBATIM, *SKIPPED))})(?=[\s/>])(?P<rest>[^<>]{{0,2000}})>)",
    re.IGNORECASE,
)
"""Every alternative begins with a character that is rare in prose: the search then skips all others."""
INDENT = " \t:"
"""May stand before a table's mark at the start of a line."""
KEPT = "\x02"
"""Stands around the number of a verbatim text until the end."""
KEPT_TEXT = re.compile(rf"{KEPT}(\d+){KEPT}")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
"""With the first half of `\\r\\n`."""
MAX_DEPTH = 200
"""Open marks. MediaWiki itself expands templates to a depth of 40 to 100."""
LINK_NAMESPACE = re.compile(r"\s*:?\s*([^:\[\]|{}\n]{1,60}?)\s*:")
INTERWIKI = re.compile(r"[a-z]{2,3}(?:-[a-z-]{2,12})?|simple")
BRACKETED = re.compile(r"\[(?:https?:|ftp:|mailto:)?//?[^\s\[\]<>]{1,2000}(?:[ \t]+([^\[\]\n]{0,1000}))?\]")
CONVERTED = re.compile(r"-\{([^{}]{0,1000})\}-")
TAG = re.compile(r"</?[a-zA-Z][^<>]{0,1000}>")
BREAK = re.compile(r"</?(?:br|hr|p|div|blockquote|poem|center|li|tr)\b[^<>]{0,200}>", re.IGNORECASE)
QUOTES = re.compile(r"'{2,}")
SWITCH = re.compile(r"__[A-ZÀ-ÞА-Я]{3,30}__")
ROW = re.compile(r"^[ \t]*\|-.*$", re.MULTILINE)
CELL = re.compile(r"^[ \t]*[|!]|\|\||!!", re.MULTILINE)
ATTRIBUTES = re.compile(r"\A[^|\n\[]{0,300}?=[^|\n]{0,300}\|(?!\|)")


@dataclass(frozen=True, slots=True)
class Style:
    """How a page becomes text."""

    words: Words
    """Words of its language, with the names of namespaces from the dump's head."""
    tables: bool = False
    """Whether tables stay, a row a line."""
    tails: bool = False
    """Whether sections of references and links stay."""


@dataclass(slots=True)
class _Open:
    mark: str
    start: int
    """Pieces of text before it."""
    braces: int = 0


@dataclass(slots=True)
class _Page:
    style: Style
    pieces: list[str] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    verbatim: list[str] = field(default_factory=list)

    def keep(self, text: str) -> str:
        """Return a mark that stands for a text that no later pass may touch."""
        self.verbatim.append(text)
        return f"{KEPT}{len(self.verbatim) - 1}{KEPT}"

    def content(self, place: int) -> str:
        """Take the pieces after the open mark at this place of the stack, and close it and all marks above it."""
        start = self.stack[place].start
        text = "".join(self.pieces[start + 1 :])
        del self.pieces[start:], self.stack[place:]
        return text


def plain_text(source: str, style: Style) -> str:
    """Return the text of a page's wikitext."""
    page = _Page(style)
    _resolve(CONTROL.sub("", source) if CONTROL.search(source) else source, page)
    text = _without_marks("".join(page.pieces))
    text = clean_lines(without_tails(text, () if style.tails else style.words.tails))
    return KEPT_TEXT.sub(lambda found: page.verbatim[int(found[1])], text) if page.verbatim else text


def _resolve(source: str, page: _Page) -> None:
    """Split a source into pieces without marks. Side effect: fills `page`."""
    at = 0
    ends: dict[str, int] = {}
    find, append = TOKEN.search, page.pieces.append
    while found := find(source, at):
        start, after = found.span()
        if start > at:
            append(source[at:start])
        mark = found[0]
        if mark == "<!--":
            end = _end("-->", source, after, ends)
            after = end + 3 if end >= 0 else len(source)
        elif mark[0] == "<":
            after = _tag(found, source, ends, page)
        elif "|" in mark and not _starts_line(source, start):
            append(mark)
        else:
            _MARKS[mark[:2]](mark, page)
        at = after
    append(source[at:])


def _starts_line(source: str, at: int) -> bool:
    """Return whether nothing but indentation stands before a place in its line."""
    while at > 0 and source[at - 1] in INDENT:
        at -= 1
    return at == 0 or source[at - 1] == "\n"


def _end(mark: str, source: str, after: int, ends: dict[str, int]) -> int:
    """Return the next place of a closing mark, or -1. What was not found once is not looked for again."""
    if ends.get(mark, 0) >= 0:
        ends[mark] = source.find(mark, after)
    return ends[mark]


def _tag(found: re.Match[str], source: str, ends: dict[str, int], page: _Page) -> int:
    """Keep or skip the content of a tag; return the place after it."""
    name, after = found["tag"], found.end()
    if found["rest"].rstrip().endswith("/"):
        return after
    end = _end(f"</{name}", source, after, ends)
    if end < 0:
        end = _end(f"</{name.swapcase()}", source, after, ends)
    if end < 0:
        return after
    if name.lower() in VERBATIM:
        page.pieces.append(page.keep(_verbatim(name.lower(), source[after:end])))
    close = source.find(">", end)
    return close + 1 if close >= 0 else len(source)


def _verbatim(name: str, text: str) -> str:
    if name in ("math", "chem", "ce"):
        return f"${' '.join(text.split())}$"
    return html.unescape(text) if name == "nowiki" else f"\n{html.unescape(text).strip(chr(10))}\n"


def _open(mark: str, page: _Page) -> None:
    if len(page.stack) >= MAX_DEPTH:
        page.pieces.append(mark)
        return
    kind = mark[:2]
    page.stack.append(_Open(kind, len(page.pieces), len(mark) if kind == "{{" else 0))
    page.pieces.append(mark)


def _find(kind: str, page: _Page) -> int | None:
    """Return the place of the innermost open mark of a kind; a table is a wall for what is in it."""
    for place in range(len(page.stack) - 1, -1, -1):
        if page.stack[place].mark == kind:
            return place
        if page.stack[place].mark == "{|" and kind != "{|":
            return None
    return None


def _close_braces(mark: str, page: _Page) -> None:
    """Close templates and parameters: `}}}}}` may close `{{{` and `{{`."""
    count = len(mark)
    while count >= 2 and (place := _find("{{", page)) is not None:
        opened = page.stack[place].braces
        used = 3 if opened >= 3 and count >= 3 else 2
        content = page.content(place)
        left = opened - used
        count -= used
        if left == 1:
            page.pieces.append("{")
        elif left >= 2:
            page.stack.append(_Open("{{", len(page.pieces), left))
            page.pieces.append("{" * left)
        page.pieces.append(template_text(content) if used == 2 else content.partition("|")[2])
    if count:
        page.pieces.append("}" * count)


def _close_link(mark: str, page: _Page) -> None:
    place = _find("[[", page)
    page.pieces.append(_link(page.content(place), page.style.words) if place is not None else mark)


def _close_table(mark: str, page: _Page) -> None:
    place = _find("{|", page)
    if place is None:
        page.pieces.append(mark)
    else:
        table = page.content(place)
        page.pieces.append(_table(table) if page.style.tables else "\n")


_MARKS: dict[str, Callable[[str, _Page], None]] = {
    "{{": _open,
    "[[": _open,
    "{|": _open,
    "}}": _close_braces,
    "]]": _close_link,
    "|}": _close_table,
}


def _link(content: str, words: Words) -> str:
    """Return the text of `[[target|label]]`; nothing for files, categories and the same page in another language."""
    target, bar, label = content.partition("|")
    found = LINK_NAMESPACE.match(target)
    if found and not target.lstrip().startswith(":"):
        prefix = found[1].replace("_", " ").lower()
        if prefix in words.prefixes or (not bar and INTERWIKI.fullmatch(prefix)):
            return ""
    if not bar:
        return target.strip().removeprefix(":")
    if not label.strip():  # [[Berlin (Maine)|]] shows Berlin
        return re.sub(r"\s*\([^()]*\)\s*$", "", target.rpartition(":")[2]).strip()
    return label


def _table(content: str) -> str:
    """Return the cells of a table, a row a line."""
    rows = []
    for row in ROW.split(content.partition("\n")[2]):
        cells = (ATTRIBUTES.sub("", cell).strip().replace("\n", " ") for cell in CELL.split(row))
        rows.append(" | ".join(filter(None, cells)).removeprefix("+ "))
    return "\n" + "\n".join(filter(None, rows)) + "\n"


def _without_marks(text: str) -> str:
    """Return a text without the marks that need no partner: quotes, tags, bracketed links, entities."""
    if "-{" in text:
        text = CONVERTED.sub(_converted, text)
    if "//" in text:
        text = BRACKETED.sub(lambda found: found[1] or "", text)
    if "<" in text:
        text = TAG.sub("", BREAK.sub("\n", text))
    if "''" in text:
        text = QUOTES.sub("", text)
    if "__" in text:
        text = SWITCH.sub("", text)
    return html.unescape(text).replace("\xa0", " ") if "&" in text or "\xa0" in text else text


def _converted(found: re.Match[str]) -> str:
    """Return one variant of `-{zh-hans:…;zh-hant:…}-`: the first that names Hans or mainland China, else the first."""
    content = found[1].partition("|")[2] if "|" in found[1] else found[1]
    variants = [part.partition(":")[::2] for part in content.split(";") if ":" in part]
    named = [text for name, text in variants if name.strip() in ("zh-hans", "zh-cn", "sr-ec")]
    return (named or [text for _, text in variants] or [content])[0].strip()
