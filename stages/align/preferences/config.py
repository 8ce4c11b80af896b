"""Settings of `align.preferences`: published comparisons become preferences, with ties.

read (a unit a file)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from stages.formats.kinds import KINDS
from stages.formats.published.files import SUFFIXES, Fields, first_record, is_of, shown
from stages.shared.contract import (
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError, nearest

Format = Literal["hh_rlhf", "shp", "stackexchange", "reddit", "wikipedia", "oasst", "ultrafeedback", "stagecoach"]

FIELDS: Mapping[Format, Fields] = {
    "hh_rlhf": (("chosen", "rejected"),),
    "shp": (("history", "human_ref_A", "human_ref_B", "labels"),),
    "stackexchange": (("question", "answers"),),
    "reddit": (("title", "comments"),),
    "wikipedia": (("prompt", "kept", "reverted"),),
    "oasst": (("message_tree_id", "prompt"), ("message_id", "text", "role")),
    "ultrafeedback": (("instruction", "completions"),),
    "stagecoach": (("prompt", "responses", "ranks"),),
}
"""Fields by which a record of a format is known: all of one group."""


class PreferencesConfig(StageConfig):
    """Reads published comparisons."""

    stage: ClassVar[str] = "align.preferences"

    files: Annotated[Inputs, Reads(KINDS.preference_files)]
    """Published data: a mapping, such as `{hh: /data/harmless-base.jsonl.gz}`."""
    read: dict[str, Format]
    """Format of the files of each name in `files`, such as `{hh: hh_rlhf}`."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step. Raises ConfigError for a source without a format, and for a format without files."""
        files = inputs.get("files", ())
        for file in files:
            if file.source not in self.read:
                wanted = f"a mapping from names in `read`; {nearest(file.source, list(self.read))}"
                raise ConfigError("files", file.source or file.where, wanted)
            if not file.path.name.endswith(SUFFIXES):
                raise ConfigError("files", file.where, f"files of {', '.join(SUFFIXES)}")
        for name in self.read:
            if name not in {file.source for file in files}:
                wanted = f"a mapping with files of {name!r} (for example {{{name}: /data/*.jsonl}})"
                raise ConfigError("files", self.files, wanted)
        units = tuple(
            Unit(key=key, inputs={"files": (file,)}, uses=(f"read.{file.source}",), core_seconds=1.0 + 0.2 * file.mb)
            for key, file in zip(unique_keys(map(file_key, files)), files, strict=True)
        )
        largest = max((file.mb for file in files), default=0.0)
        step = Step(
            name="read",
            run="stages.align.preferences.run:read",
            units=units,
            uses=(),
            reads=("files",),
            mem_mb=200 + _MEMORY * largest,
            disk_mb=2 * largest,
        )
        outputs = [
            Output(step=step.name, unit=unit.key, kind=kind, source=unit.inputs["files"][0].source)
            for kind in (KINDS.preferences, KINDS.synthesis)
            for unit in units
        ]
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise ConfigError for a file whose first record is not of its format."""
        for file in inputs.get("files", ()):
            format_ = self.read[file.source]
            record = first_record(file.path)
            if record is not None and not is_of(record, FIELDS[format_]):
                likely = [name for name in FIELDS if is_of(record, FIELDS[name])]
                example = f" (for example {likely[0]})" if likely else f": {shown(FIELDS[format_])}"
                raise ConfigError(f"read.{file.source}", format_, f"the format of {file.path}{example}")


_MEMORY = 8
"""MB of memory for a MB of a JSON array."""

Config = PreferencesConfig
