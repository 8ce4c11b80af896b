"""The tables format: pages, bytes and tokens by host and by language. This module owns it.

`tables.json` has a row `[pages read, pages kept, bytes kept, tokens kept]` for each language and for the hosts with
the most pages; the rest is summed in `other`. One file a unit; `merge` adds files up. Languages are exact. A host's row
adds up the files that list the host. In all other files together it has at most `unlisted` pages, so no host with more
pages than that is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_atomic

MAX_HOSTS = 1_000
"""Hosts listed in a file."""
MAX_COUNTED = 50 * MAX_HOSTS
"""Hosts counted at a time, about 15 MB. Beyond it, the hosts with the fewest pages go to `other`."""
UNKNOWN = ""
"""The language of pages that were dropped before language identification."""


class Row(NamedTuple):
    """The counts of one host or language."""

    pages_read: int
    pages_kept: int
    bytes_kept: int
    tokens_kept: int


class Tables:
    """Counts pages as they are read and kept, in limited memory."""

    def __init__(self) -> None:
        self._hosts: dict[str, list[int]] = {}
        self._languages: dict[str, list[int]] = {}
        self._other = [0, 0, 0, 0]
        self.unlisted = 0
        """Largest number of pages that a host may have in `other`."""

    def read(self, host: str, language: str = UNKNOWN) -> None:
        """Count a page that was read, kept or not."""
        self._hosts.setdefault(host, [0, 0, 0, 0])[0] += 1
        self._languages.setdefault(language, [0, 0, 0, 0])[0] += 1
        if len(self._hosts) > MAX_COUNTED:
            self._shrink(MAX_COUNTED // 2)

    def identified(self, language: str) -> None:
        """Give a language to one page that was read as UNKNOWN."""
        self._languages[UNKNOWN][0] -= 1
        self._languages.setdefault(language, [0, 0, 0, 0])[0] += 1

    def kept(self, host: str, language: str, num_bytes: int, tokens: int) -> None:
        """Count a page that was kept; `read` has counted it before, here or in the file that these tables come from."""
        for row in (self._hosts.get(host, self._other), self._languages.setdefault(language, [0, 0, 0, 0])):
            row[1] += 1
            row[2] += num_bytes
            row[3] += tokens

    def hosts(self) -> list[tuple[str, Row]]:
        """Return the listed hosts, most pages first, equal ones by name."""
        return _ranked(self._hosts)

    def languages(self) -> list[tuple[str, Row]]:
        """Return the languages, most pages first, equal ones by name; UNKNOWN is one of them."""
        return _ranked(self._languages)

    @property
    def other(self) -> Row:
        """The sum of all hosts that are not listed."""
        return Row(*self._other)

    def add(self, tables: Tables) -> None:
        """Add the counts of other tables."""
        for mine, theirs in ((self._hosts, tables._hosts), (self._languages, tables._languages)):
            for name, row in theirs.items():
                _add(mine.setdefault(name, [0, 0, 0, 0]), row)
        _add(self._other, tables._other)
        self.unlisted += tables.unlisted
        if len(self._hosts) > MAX_COUNTED:
            self._shrink(MAX_COUNTED // 2)

    def write(self, path: Path) -> None:
        """Write the MAX_HOSTS hosts with the most pages, the sum of the others, and the languages."""
        self._shrink(MAX_HOSTS)
        value = {
            "hosts": self._hosts,
            "languages": self._languages,
            "other": self._other,
            "unlisted": self.unlisted,
        }
        write_atomic(path, json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n")

    def _shrink(self, size: int) -> None:
        if len(self._hosts) <= size:
            return
        ranked = sorted(self._hosts.items(), key=_place)
        for _, row in ranked[size:]:
            _add(self._other, row)
        self.unlisted += ranked[size][1][0]
        self._hosts = dict(ranked[:size])


def read_tables(path: Path) -> Tables:
    """Return the tables of one file. Raises DataError if it holds none."""
    tables = Tables()
    try:
        value = read_json(path)
        tables._hosts = {name: _checked(row) for name, row in value["hosts"].items()}
        tables._languages = {name: _checked(row) for name, row in value["languages"].items()}
        tables._other = _checked(value["other"])
        tables.unlisted = _checked([value["unlisted"], 0, 0, 0])[0]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "Run the unit that wrote it again"
        raise DataError(path, f"not tables of hosts and languages ({error!r})", remedy) from error
    return tables


def merge(tables: Iterable[Tables]) -> Tables:
    """Return the sum of several tables."""
    total = Tables()
    for one in tables:
        total.add(one)
    return total


def _checked(row: Any) -> list[int]:
    if len(row) != len(Row._fields) or not all(type(count) is int and count >= 0 for count in row):
        raise ValueError(f"{row} is not a row of four whole numbers >= 0")
    return list(row)


def _add(into: list[int], row: Iterable[int]) -> None:
    for place, count in enumerate(row):
        into[place] += count


def _place(item: tuple[str, list[int]]) -> tuple[int, str]:
    return -item[1][0], item[0]


def _ranked(rows: dict[str, list[int]]) -> list[tuple[str, Row]]:
    return [(name, Row(*row)) for name, row in sorted(rows.items(), key=_place)]
