"""Papers out of arXiv's files: bulk tars with a member for each paper, single papers as tar or as one file, gzipped.

The main file of a paper is the one with a document class; files that it includes are put in their places, each once.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from stages.curated.arxiv.latex import DOCUMENT, INPUT, without_comments
from stages.curated.items import Damaged, Dropped
from stages.curated.reading.archives import Member, members, tar_members
from stages.curated.reading.decode import decode
from stages.curated.reading.streams import read_all

TEX = (".tex", ".ltx", ".latex", ".txt", "")
"""Suffixes of files that may hold LaTeX; old papers have none."""
SKIPPED = re.compile(r"\.(?:sty|cls|bst|bib|bbl|clo|def|cfg|fd|aux|log|toc|eps|ps|pdf|png|jpe?g|gif)$", re.IGNORECASE)
GZIP = b"\x1f\x8b"
MAX_DEPTH = 5
"""Files within files that are included."""
IDENTIFIER = re.compile(r"(?:^|/)((?:[a-z-]+(?:\.[A-Z]{2})?)?\d{4}\.?\d{3,5}(?:v\d+)?)(?:\.[a-z.]+)?$")
CHUNK = 1 << 20


class Paper(NamedTuple):
    """The LaTeX files of a paper."""

    name: str
    files: Mapping[str, str]


def papers(path: Path, limit: int, on_damage: Callable[[Damaged], None]) -> Iterator[Paper | Dropped]:
    """Yield the papers of a file; `limit` is in bytes of a paper."""
    name = path.name
    if name.endswith(".tar"):
        for found in members(path, 4 * limit, on_damage):
            if isinstance(found, Dropped):
                yield found
            elif found.name.endswith(".pdf"):
                yield Dropped(reason="no_source", id=found.name)
            else:
                yield _paper(found.name, found.data, limit)
        return
    data = read_all(path, 4 * limit, on_damage) if not name.endswith(".gz") else path.read_bytes()
    yield Dropped(reason="too_large", id=name) if data is None else _paper(name, data, limit)


def _paper(name: str, data: bytes, limit: int) -> Paper | Dropped:
    if data.startswith(GZIP):
        inflated = _inflated(data, 4 * limit)
        if isinstance(inflated, str):
            return Dropped(reason=inflated, id=name)
        data = inflated
    if data[:4] in (b"%PDF", b"%!PS"):
        return Dropped(reason="no_source", id=name)
    files: dict[str, str] = {}
    if data[257:262] == b"ustar":
        problems: list[Damaged] = []
        for found in tar_members(iter([data]), limit, problems.append, lambda each: not SKIPPED.search(each)):
            if isinstance(found, Member) and (text := _latex(found)) is not None:
                files[normpath(found.name)] = text
        if not files:
            return Dropped(reason="damaged_member" if problems else "no_source", id=name)
    elif (text := decode(data)) is not None:
        files[name] = text
    else:
        return Dropped(reason="not_text", id=name)
    return Paper(name, files)


def _latex(member: Member) -> str | None:
    text = decode(member.data)
    return text if text is not None and ("\\" in text or member.name.endswith(".tex")) else None


def _inflated(data: bytes, limit: int) -> bytes | str:
    """Return the content of a gzip file, or the reason why there is none."""
    try:
        with gzip.open(io.BytesIO(data)) as file:
            found = file.read(limit + 1)
    except (OSError, EOFError, zlib.error):
        return "damaged_member"
    return found if len(found) <= limit else "too_large"


def whole_text(paper: Paper, limit: int) -> str | None:
    """Return a paper's LaTeX without comments, included files in their places; None if it is no LaTeX."""
    clean = {name: without_comments(text) for name, text in paper.files.items()}
    mains = [name for name in sorted(clean) if DOCUMENT.search(clean[name])]
    if not mains:
        mains = [name for name in sorted(clean) if "\\section" in clean[name] or "\\begin{document}" in clean[name]]
    if not mains:
        return None
    main = max(mains, key=lambda name: ("\\begin{document}" in clean[name], len(clean[name])))
    text = _included(main, clean, {main}, 0)
    return text if len(text) <= limit else None


def _included(name: str, files: Mapping[str, str], seen: set[str], depth: int) -> str:
    folder = name.rpartition("/")[0]

    def replace(found: re.Match[str]) -> str:
        wanted = found[1] or found[2]
        for base in (folder, ""):
            for suffix in TEX:
                path = normpath(f"{base}/{wanted}{suffix}" if base else f"{wanted}{suffix}")
                if path in files and path not in seen and depth < MAX_DEPTH:
                    seen.add(path)
                    return _included(path, files, seen, depth + 1)
        return ""

    return INPUT.sub(replace, files[name])


def identifier_of(name: str) -> str:
    """Return the identifier in a name, such as `2401.00001` or `hep-th/9901001`; empty if there is none."""
    found = IDENTIFIER.search(name)
    if not found:
        return ""
    old = re.fullmatch(r"([a-z-]+(?:\.[A-Z]{2})?)(\d{7})", found[1])
    return f"{old[1]}/{old[2]}" if old else found[1]
