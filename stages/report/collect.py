"""Collects the content of the page: every part, for every section that makes files of its kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from stages.report.part import Material, Missing, Part, View, not_run
from stages.shared.contract import InputFile
from stages.shared.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Block:
    """One part of one section, as it stands on the page."""

    part: str
    """Folder of the part."""
    section: str
    title: str
    suffix: str
    """Makes the ids of this block unique on the page: empty for the first section of a part, else `-2`, `-3` ..."""
    view: View | Missing
    card: str
    """As Part.card."""
    note: str = ""
    """How complete the section is, if it is not complete."""

    @property
    def anchor(self) -> str:
        """The id of the block."""
        return self.part + self.suffix


def collect(files: Iterable[InputFile], run_dir: Path, made: float, parts: Mapping[str, Part]) -> list[Block]:
    """Return the blocks of the page in order. Files may be missing: a part shows those that exist.

    A section none of whose files exist is shown as not run yet, a damaged file by its error. A part is left out if no
    section makes files of its first kind.
    """
    offered = list(files)
    return [block for name, part in parts.items() for block in _blocks(name, part, offered, run_dir, made)]


def _blocks(name: str, part: Part, files: list[InputFile], run_dir: Path, made: float) -> list[Block]:
    kinds, beside = ({kind.name for kind in some} for some in (part.kinds, part.beside))
    sections = list(dict.fromkeys(file.section for file in files if _is_main(file, part))) if part.kinds else [""]
    blocks = []
    for number, section in enumerate(sections, start=1):
        own = [file for file in files if file.section == section and file.kind in kinds]
        others = [file for file in files if file.section != section and file.kind in beside]
        found = tuple(file for file in (*own, *others) if file.path.exists())
        material = Material(section=section, files=found, run_dir=run_dir, made=made)
        block = Block(
            part=name,
            section=section,
            title=part.title if len(sections) == 1 else f"{part.title}: {section}",
            suffix="" if number == 1 else f"-{number}",
            view=_view(part, material),
            card=part.card,
            note=_completeness([file for file in own if _is_main(file, part)], set(found)),
        )
        blocks.append(block)
    return blocks


def _is_main(file: InputFile, part: Part) -> bool:
    return file.kind == part.kinds[0].name


def _view(part: Part, material: Material) -> View | Missing:
    if part.kinds and not material.of(part.kinds[0]):
        return not_run("; ".join(filter(None, (f"section {material.section} has not finished", part.meanwhile))))
    try:
        return part.show(material)
    except DataError as error:
        return Missing(label="Damaged", reason=str(error))


def _completeness(wanted: list[InputFile], found: Set[InputFile]) -> str:
    """Return how many of the wanted files exist, if it is some of them."""
    here = sum(file in found for file in wanted)
    return f"Not complete: {here:,} of {len(wanted):,} files so far." if 0 < here < len(wanted) else ""
