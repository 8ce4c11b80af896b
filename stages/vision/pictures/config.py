"""Settings of `vision.pictures`: published pictures with texts become a collection of pictures, and chats.

read (a unit a file, or a share of a source) -> merge (one)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    ALL,
    WHOLE,
    After,
    InputFile,
    Inputs,
    Output,
    Reads,
    Section,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError, nearest

Format = Literal["llava", "coco", "tsv", "webdataset", "parquet"]
SUFFIXES: Mapping[Format, tuple[str, ...]] = {
    "llava": (".json", ".jsonl", ".json.gz", ".jsonl.gz"),
    "coco": (".json",),
    "tsv": (".tsv",),
    "webdataset": (".tar",),
    "parquet": (".parquet",),
}
"""File names of each format."""
LISTS = ("llava", "coco", "tsv")
"""Formats whose files name pictures that lie in a folder."""


class SourceSettings(Section):
    """How one source is read."""

    format: Format
    """`llava`: LLaVA's JSON. `coco`: captions and boxes. `tsv`: lines of a caption, a tab and a name or URL (Conceptual
    Captions). `webdataset`: tars, also of img2dataset. `parquet`: a column of pictures and one of captions."""
    folder: str = ""
    """Where the pictures of `llava`, `coco` and `tsv` lie."""
    shares: Annotated[int, Ge(1)] = 1
    """Units among which the pictures of `llava`, `coco` and `tsv` are divided, by name."""


class PicturesConfig(StageConfig):
    """Reads published pictures."""

    stage: ClassVar[str] = "vision.pictures"

    files: Annotated[Inputs, Reads(KINDS.picture_files)]
    """Published data: a mapping, such as `{cc3m: /data/cc3m/*.tar}`."""
    read: dict[str, SourceSettings]
    """Format of the files of each name in `files`, such as `{cc3m: {format: webdataset}}`."""
    heldout: Annotated[Inputs | None, Reads(KINDS.pictures)] = None
    """Collections of evaluation pictures, such as `from:exam_pictures`: near copies of them are left out."""
    max_bytes: Annotated[int, Ge(1)] = 64 << 20
    """Most bytes of a picture's file."""
    max_pixels: Annotated[int, Ge(1)] = 64 << 20
    """Most pixels of a picture; above 89 million Pillow warns."""
    max_per_caption: Annotated[int, Ge(0)] = 1
    """Pictures that may have the same caption, whatever its case, width and white space; 0: any number."""
    needs_text: bool = True
    """Whether a picture without caption and conversation is left out. Evaluation pictures need none."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps. Raises ConfigError where a source, its format and its files do not belong together."""
        files = inputs.get("files", ())
        units = self._units(files)
        read = Step(
            name="read",
            run="stages.vision.pictures.run:read",
            units=units,
            uses=("max_bytes", "max_pixels", "needs_text"),
            reads=("files", "heldout"),
            mem_mb=1500 + 8 * max((file.mb for file in files if self.read[file.source].format in LISTS), default=0.0),
            disk_mb=1.1 * max((file.mb for file in files), default=0.0),
        )
        merge = Step(
            name="merge",
            run="stages.vision.pictures.run:merge",
            units=WHOLE,
            uses=("max_per_caption",),
            after=(After("read", ALL),),
            shape="small",
        )
        chats = [unit for unit in units if self.read[unit.inputs["files"][0].source].format == "llava"]
        outputs = [
            Output(step="merge", unit="all", kind=KINDS.pictures, source="pictures"),
            *(
                Output(step="read", unit=unit.key, kind=kind, source=unit.inputs["files"][0].source)
                for kind, offered in ((KINDS.chats, chats), (KINDS.synthesis, units))
                for unit in offered
            ),
            Output(step="merge", unit="all", kind=KINDS.synthesis, source="pictures"),
        ]
        return StagePlan(steps=(read, merge), outputs=tuple(outputs))

    def _units(self, files: Sequence[InputFile]) -> tuple[Unit, ...]:
        for file in files:
            self._check_file(file)
        units: list[tuple[str, Unit]] = []
        for name, settings in self.read.items():
            own = tuple(file for file in files if file.source == name)
            self._check_source(name, settings, own)
            mb = sum(file.mb for file in own)
            if settings.format in LISTS:
                keys = [f"{name}/{share}-of-{settings.shares}" for share in range(settings.shares)]
                units += [(key, _unit(key, own, name, mb / settings.shares)) for key in keys]
            else:
                units += [(file_key(file), _unit("", (file,), name, file.mb)) for file in own]
        keys = unique_keys(key for key, _ in units)
        return tuple(
            Unit(key=key, inputs=unit.inputs, uses=unit.uses, core_seconds=unit.core_seconds)
            for key, (_, unit) in zip(keys, units, strict=True)
        )

    def _check_file(self, file: InputFile) -> None:
        if file.source not in self.read:
            wanted = f"a mapping from names in `read`; {nearest(file.source, list(self.read))}"
            raise ConfigError("files", file.source or file.where, wanted)
        suffixes = SUFFIXES[self.read[file.source].format]
        if not file.path.name.endswith(suffixes):
            raise ConfigError("files", file.where, f"files of {', '.join(suffixes)}")

    def _check_source(self, name: str, settings: SourceSettings, own: Sequence[InputFile]) -> None:
        if not own:
            raise ConfigError("files", self.files, f"a mapping with files of {name!r}")
        has_list = settings.format in LISTS
        if has_list != bool(settings.folder):
            wanted = "the folder of the pictures" if has_list else f"left out: {settings.format} holds the pictures"
            raise ConfigError(f"read.{name}.folder", settings.folder, wanted)
        if not has_list and settings.shares != 1:
            raise ConfigError(f"read.{name}.shares", settings.shares, "1: each file is a unit")

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise ConfigError for a folder of pictures that does not exist."""
        for name, settings in self.read.items():
            if settings.folder and not Path(settings.folder).is_dir():
                raise ConfigError(f"read.{name}.folder", settings.folder, "a folder that exists")


def _unit(key: str, files: tuple[InputFile, ...], source: str, mb: float) -> Unit:
    return Unit(key=key, inputs={"files": files}, uses=(f"read.{source}",), core_seconds=5.0 + mb)


Config = PicturesConfig
