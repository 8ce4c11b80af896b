"""The labels of all labellers: the next item of each, and a file each to which every kept label is appended.

A label of an item that has one already replaces it: files only grow, and the last line of an item counts.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stages.align.label.pictures import read_picture
from stages.formats.chat.chats import Message, Part
from stages.formats.preferences import Candidates, Preference, read_preferences, to_line

NAME = re.compile(r"\w[\w .-]{0,39}")
"""A labeller's name."""


class Desk:
    """Candidates, and the folder of labels."""

    def __init__(
        self,
        candidates: Sequence[Candidates],
        folder: Path,
        reasons: Sequence[str],
        seed: int,
        collected: Path | None = None,
    ) -> None:
        """`collected` is the folder in which copies of the pictures are; None: there are none."""
        self.items: Mapping[str, Candidates] = {each.key: each for each in candidates}
        self._folder, self._reasons, self._seed = folder, reasons, seed
        self._collected = collected
        self._skipped: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def view(self, labeller: str, key: str | None = None) -> dict[str, Any]:
        """Return what the page shows: progress, and the item of a key, else the next one without a label.

        Raises ValueError for a name that is none.
        """
        kept = self._kept(labeller)
        key = key or self._next(labeller, kept)
        return {
            "done": len(kept),
            "total": len(self.items),
            "reasons": list(self._reasons),
            "before": self._before(kept, key),
            "item": None if key is None else self._item(labeller, key, kept.get(key)),
        }

    def keep(self, labeller: str, key: str, ranks: Sequence[int], reasons: Sequence[str]) -> None:
        """Append a label. `ranks` are those of the responses as this labeller saw them. On disk when it returns.

        Raises ValueError for a label that does not fit its item.
        """
        path, item = self._path(labeller), self._candidates(key)
        if len(ranks) != len(item.responses) or any(type(rank) is not int or rank < 1 for rank in ranks):
            raise ValueError(f"ranks {list(ranks)}: must be a whole number from 1 for each response")
        if unknown := [reason for reason in reasons if reason not in self._reasons]:
            raise ValueError(f"reasons {unknown}: must be of {list(self._reasons)}")
        by_place = dict(zip(self._order(labeller, item), ranks, strict=True))
        label = Preference(
            prompt=item.prompt,
            responses=item.responses,
            source=item.source,
            ranks=tuple(by_place[place] for place in range(len(ranks))),
            ranked_by=labeller,
            reasons=tuple(reasons),
        )
        with self._lock:
            append(path, to_line(label).encode("utf-8", "replace"))

    def skip(self, labeller: str, key: str) -> None:
        """Show an item again after all others without a label. Raises ValueError for a key that is none."""
        self._candidates(key)
        self._path(labeller)
        with self._lock:
            skipped = self._skipped.setdefault(labeller, [])
            skipped[:] = [*(each for each in skipped if each != key), key]

    def _kept(self, labeller: str) -> dict[str, Preference]:
        """Return the labels of a labeller by key, in the order in which each was last kept."""
        path, kept = self._path(labeller), dict[str, Preference]()
        with self._lock:
            if path.exists():
                mend(path)
                for label in read_preferences(path):
                    kept.pop(label.key, None)
                    if label.key in self.items:
                        kept[label.key] = label
        return kept

    def _next(self, labeller: str, kept: Mapping[str, Preference]) -> str | None:
        skipped = self._skipped.get(labeller, [])
        fresh = (key for key in self.items if key not in kept and key not in skipped)
        return next(fresh, next((key for key in skipped if key not in kept), None))

    def _before(self, kept: Mapping[str, Preference], key: str | None) -> str | None:
        """Return the key of the label that was kept before that of `key`; before the last one if it has none."""
        keys = list(kept)
        place = keys.index(key) if key is not None and key in kept else len(keys)
        return keys[place - 1] if place else None

    def _item(self, labeller: str, key: str, label: Preference | None) -> dict[str, Any]:
        item = self._candidates(key)
        order = self._order(labeller, item)
        return {
            "key": key,
            "prompt": [{"role": message.role, "parts": self._parts(message)} for message in item.prompt],
            "responses": [item.responses[place].text for place in order],
            "ranks": [label.ranks[place] for place in order] if label else None,
            "given": list(label.reasons) if label else [],
        }

    def _parts(self, message: Message) -> list[dict[str, str]]:
        """Return the parts of a message: texts, and pictures with their names."""
        return [self._part(part) for part in message.parts]

    def _part(self, part: Part) -> dict[str, str]:
        url = ""
        if part.type == "picture" and self._collected is not None:
            url = read_picture(self._collected, part.key)
        return {"picture": url, "text": part.key} if url else {"text": part.shown}

    def _candidates(self, key: str) -> Candidates:
        if key not in self.items:
            raise ValueError(f"key {key!r}: must be that of an item")
        return self.items[key]

    def _order(self, labeller: str, item: Candidates) -> list[int]:
        """Return the places of the responses in the order in which a labeller sees them."""
        digest = hashlib.sha256(f"{self._seed}\0{labeller}\0{item.key}".encode()).digest()
        draw = random.Random(int.from_bytes(digest[:8], "big"))
        keys = [draw.random() for _ in item.responses]
        return sorted(range(len(keys)), key=keys.__getitem__)

    def _path(self, labeller: str) -> Path:
        if not NAME.fullmatch(labeller):
            raise ValueError(f"name {labeller!r}: must have up to 40 letters, digits, spaces, dots or hyphens")
        return self._folder / f"{quote(labeller, safe='')}.jsonl"


def append(path: Path, line: bytes) -> None:
    """Append a line and wait until it is on disk. The line of a killed process, which has no end, is cut first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another server of the same run
        _cut(path, file.fileno())
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def mend(path: Path) -> None:
    """Cut a last line that has no end."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _cut(path, file.fileno())


def _cut(path: Path, descriptor: int) -> None:
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        os.ftruncate(descriptor, content.rfind(b"\n") + 1)
