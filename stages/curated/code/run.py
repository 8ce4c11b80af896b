"""The step of `curated.code`: the files of one repository, archive or table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.curated.code.config import CodeConfig
from stages.curated.code.containers import File, files_in
from stages.curated.code.languages import language_of
from stages.curated.code.licences import (
    FILES,
    PACKAGE_FILES,
    is_allowed,
    known,
    licence_of_header,
    licence_of_package,
    licence_of_text,
)
from stages.curated.code.rules import path_reason, text_reason, without_header
from stages.curated.distinct.keys import read_with_keys
from stages.curated.items import Damaged, Dropped, Found, Item
from stages.curated.reading.decode import decode
from stages.curated.reading.unit import damage_of
from stages.shared.task import Task

MAX_LICENCE = 200_000
"""Bytes of a file that may hold a licence."""
DEPTH = 3
"""Folders above a licence that holds for the whole: an archive may put its files into a folder or two."""


def read(task: Task[CodeConfig]) -> dict[str, Any]:
    """Write the files of one input and the keys by which they are compared."""
    return read_with_keys(task, code(task))


def code(task: Task[CodeConfig]) -> Iterator[Found]:
    """Yield the files that are code and what is none. Reads archives twice: a licence may stand behind the files."""
    (file,) = task.inputs["files"]
    config, path = task.config, file.path
    damages: list[Damaged] = []
    whole = repository_licences(path) if path.suffix != ".parquet" else []
    maker = _Files(config, file.source, whole)
    for found in files_in(path, int(config.max_file_mb * 1e6), damages.append, maker.is_wanted):
        yield maker.item(found) if isinstance(found, File) else found
    if maker.others:
        yield Dropped(reason="not_code", id="files of other kinds", count=maker.others)
    for damage in damages:
        yield damage_of(damage, path)


def repository_licences(path: Path) -> list[str]:
    """Return the licences that the files of a repository name for all of it, the strictest rule: all of them hold."""
    found: list[str] = []

    def is_licence(name: str) -> bool:
        return name.count("/") <= DEPTH and bool(FILES.search(name) or PACKAGE_FILES.search(name))

    for file in files_in(path, MAX_LICENCE, lambda damage: None, is_licence):
        if isinstance(file, File) and (text := decode(file.data)):
            read_licence = licence_of_package if PACKAGE_FILES.search(file.path) else licence_of_text
            if name := read_licence(text):
                found.append(name)
    return list(dict.fromkeys(found))


class _Files:
    """Makes items of files."""

    def __init__(self, config: CodeConfig, source: str, licences: list[str]) -> None:
        self._config, self._source = config, source
        self._whole = " AND ".join(licences)
        self._allowed = None if config.licences is None else frozenset(config.licences)
        self._languages = None if config.languages is None else frozenset(config.languages)
        self.others = 0

    def is_wanted(self, path: str) -> bool:
        """Return whether a path is one of code; counts the others."""
        language = language_of(path)
        is_wanted = bool(language) and (self._languages is None or language in self._languages)
        self.others += not is_wanted
        return is_wanted

    def item(self, file: File) -> Found:
        """Return a file's text, or the reason why it gives none."""
        name = "/".join(filter(None, (self._source, file.repository, file.path)))
        rules = self._config.rules
        reason = path_reason(file.path, rules)
        text = None if reason else decode(file.data)
        if reason is None and text is None:
            reason = "not_text"
        licence = ""
        if text is not None:
            licence = self._licence(file, text)
            reason = self._licence_reason(licence) or text_reason(text, rules)
        if reason or text is None:
            return Dropped(reason=reason or "not_text", id=name, text=text or "")
        url = f"https://github.com/{file.repository}" if "/" in file.repository else ""
        clean = without_header(text) if rules.strip_header else text
        return Item(id=name, url=url, text=clean, language=language_of(file.path), licence=licence)

    def _licence(self, file: File, text: str) -> str:
        if file.licences:
            return " OR ".join(known(each) or each for each in file.licences)
        return licence_of_header(text) or self._whole

    def _licence_reason(self, licence: str) -> str | None:
        if self._allowed is None:
            return None
        if not licence:
            return "no_licence"
        return None if is_allowed([licence], self._allowed) else "other_licence"
