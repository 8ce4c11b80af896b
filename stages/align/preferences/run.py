"""The step of `align.preferences`: the comparisons of one published file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.align.preferences.config import POSTS, Format, PreferencesConfig
from stages.align.preferences.formats import Comparison, checked, comparisons
from stages.align.preferences.posts import read_posts
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.syntheses import synthesis_of_reading, write_synthesis
from stages.formats.kinds import KINDS
from stages.formats.preferences import Preference, write_preferences
from stages.formats.published.files import read_records
from stages.formats.published.trees import trees
from stages.shared.errors import DataError
from stages.shared.task import Task


def read(task: Task[PreferencesConfig]) -> dict[str, Any]:
    """Write the preferences of a file. Raises DataError for a file that gives none."""
    (file,) = task.inputs["files"]
    found = File(file.path, file.source, task.config.read[file.source], task.work)
    write_preferences(task.out / KINDS.preferences.file, found.preferences())
    if not found.records:
        raise DataError(file.path, "no records", "Name a file that has some, or leave the source out")
    if not found.kept:
        raise DataError(
            file.path,
            f"none of {found.records} records gives a preference ({dict(found.rejects.counts)})",
            f"Set `read.{file.source}` to the file's format",
        )
    synthesis = synthesis_of_reading("comparison", found.kept, found.rejects, found.mended)
    write_synthesis(task.out / KINDS.synthesis.file, synthesis)
    return {"kept": found.kept, "rejected": synthesis.rejected}


class File:
    """One file, and the counts of what was read from it."""

    def __init__(self, path: Path, source: str, format_: Format, work: Path) -> None:
        self._path, self._source, self._format, self._work = path, source, format_, work
        self.records = self.kept = 0
        self.rejects = Rejects()
        self.mended: Counter[str] = Counter()

    def preferences(self) -> Iterator[Preference]:
        """Yield the preferences in order of their records, and count the others."""
        records = self._counted()
        for number, record in trees(records) if self._format == "oasst" else records:
            try:
                if isinstance(record, Reject):
                    raise record
                for found in comparisons(record, self._format, self.mended):
                    try:
                        yield self._preference(found)
                    except Reject as reject:
                        self.rejects.add(reject, record=number)
            except Reject as reject:
                self.rejects.add(reject, record=number)

    def _preference(self, found: Comparison) -> Preference:
        prompt = checked(found)
        self.kept += 1
        self.mended["blank_responses"] += sum(not each.text.strip() for each in found.responses)
        return Preference(
            prompt=prompt,
            responses=tuple(found.responses),
            ranks=tuple(found.ranks),
            ranked_by=found.ranked_by,
            source=self._source,
            reasons=found.reasons,
        )

    def _counted(self) -> Iterator[tuple[int, Any]]:
        is_dump = self._format == POSTS
        for number, record in read_posts(self._path, self._work) if is_dump else read_records(self._path):
            self.records += 1
            yield number, record
