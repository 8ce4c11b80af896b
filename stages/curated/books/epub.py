"""EPUB 2 and 3: the text of the chapters in reading order, and what the package says of the book.

An EPUB is a zip with an XML package. ebooklib reads a book whole into memory, parses with expansion of entities, and is
under the AGPL; here members are read within a limit, and the package by its marks.
"""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import NamedTuple
from urllib.parse import unquote

from resiliparse.extract.html2text import extract_plain_text

from stages.curated.reading.archives import Member, zip_member
from stages.curated.reading.decode import decode

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
ROOT_FILE = re.compile(r"<(?:\w+:)?rootfile\b[^<>]*?\bfull-path\s*=\s*[\"']([^\"']+)[\"']")
ITEM = re.compile(r"<(?:\w+:)?item\b([^<>]*)>")
REFERENCE = re.compile(r"<(?:\w+:)?itemref\b([^<>]*)>")
ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)')")
METADATA = re.compile(r"<dc:(title|language|rights|creator|date)\b[^<>]*>([^<]{1,2000})<", re.IGNORECASE)
CIPHERED = re.compile(r"<(?:\w+:)?CipherReference\b[^<>]*?\bURI\s*=\s*[\"']([^\"']+)[\"']")
CHAPTERS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
MAX_CHAPTERS = 20_000
DOTS = re.compile(r"^([ \t]*)• ", re.MULTILINE)


class BookError(Exception):
    """A file is no readable book. `reason` is that of an item that is dropped."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Book(NamedTuple):
    """A book, its chapters in reading order."""

    text: str
    metadata: dict[str, str]
    """title, language, rights, creator and date as the package names them."""


def read_epub(path: Path, limit: int) -> Book:
    """Return a book's text. `limit` is in bytes of all chapters. Raises BookError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _book(archive, limit)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BookError("unreadable_file", f"no readable zip ({error})") from error


def _book(archive: zipfile.ZipFile, limit: int) -> Book:
    root = ROOT_FILE.search(_text(archive, CONTAINER, limit) or "")
    package = _text(archive, html.unescape(root[1]), limit) if root else None
    if root is None or package is None:
        raise BookError("no_package", "the archive has no package of a book")
    names = _chapters(package, dirname(html.unescape(root[1])))
    secret = {normpath(unquote(name)) for name in CIPHERED.findall(_text(archive, ENCRYPTION, limit) or "")}
    if secret.intersection(names):
        raise BookError("encrypted", "its chapters are encrypted")
    parts: list[str] = []
    left = limit
    for name in names[:MAX_CHAPTERS]:
        chapter = _text(archive, name, left)
        if chapter is None:
            continue
        left -= len(chapter)
        parts.append(html_text(chapter))
    metadata = {name.lower(): html.unescape(value).strip() for name, value in reversed(METADATA.findall(package))}
    return Book("\n\n".join(filter(None, parts)), metadata)


def _chapters(package: str, folder: str) -> list[str]:
    """Return the names of the chapters: those of the spine that are text, without the table of contents."""
    items = {}
    for raw in ITEM.findall(package):
        values = _attributes(raw)
        is_chapter = values.get("media-type") in CHAPTERS and "nav" not in values.get("properties", "").split()
        if is_chapter and "id" in values and "href" in values:
            items[values["id"]] = normpath(join(folder, unquote(values["href"])))
    references = [_attributes(raw) for raw in REFERENCE.findall(package)]
    found = [items[each["idref"]] for each in references if each.get("idref") in items and each.get("linear") != "no"]
    return list(dict.fromkeys(found))


def _attributes(raw: str) -> dict[str, str]:
    return {name: html.unescape(double or single) for name, double, single in ATTRIBUTE.findall(raw)}


def _text(archive: zipfile.ZipFile, name: str, limit: int) -> str | None:
    """Return the text of a member; None if there is none. Raises BookError for one that is too large."""
    try:
        found = zip_member(archive, archive.getinfo(name), limit)
    except KeyError:
        return None
    if isinstance(found, Member):
        return decode(found.data)
    if found.reason == "too_large":
        raise BookError("too_large", f"{name} is too large")
    return None


def html_text(markup: str) -> str:
    """Return the text of a chapter, lists with the marks that all curated sources have."""
    text: str = extract_plain_text(markup, preserve_formatting=True, main_content=False)
    return DOTS.sub(r"\1- ", text).strip()
