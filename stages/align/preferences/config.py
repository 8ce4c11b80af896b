"""Settings of `align.preferences`: published comparisons become preferences, with ties.

read (a unit a file)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from stages.formats.kinds import KINDS
from stages.formats.published.files import SUFFIXES, Fields
from stages.formats.published.units import memory_mb, other_format, reading_units
from stages.shared.contract import (
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
)
from stages.shared.errors import ConfigError

Records = Literal["hh_rlhf", "shp", "stackexchange", "reddit", "wikipedia", "oasst", "ultrafeedback", "stagecoach"]
Format = Records | Literal["stackexchange_posts"]
POSTS: Format = "stackexchange_posts"
"""Format of `Posts.xml` in Stack Exchange's dump; all others are of JSON."""
XML = ".xml"

FIELDS: Mapping[Records, Fields] = {
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
        units = reading_units(files, self.read, self.files, (*SUFFIXES, XML))
        step = Step(
            name="read",
            run="stages.align.preferences.run:read",
            units=units,
            uses=(),
            reads=("files",),
            version=2,
            mem_mb=memory_mb([file for file in files if file.path.suffix != XML]),
            disk_mb=3 * max((file.mb for file in files), default=0.0),
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
            if file.path.suffix == XML or format_ == "stackexchange_posts":
                if file.path.suffix != XML:
                    raise ConfigError(f"read.{file.source}", format_, f"that of records: {file.where} is no {XML} file")
                if format_ != POSTS:
                    raise ConfigError(f"read.{file.source}", format_, f"{POSTS} for {file.where}")
            elif wanted := other_format(file.path, format_, FIELDS):
                raise ConfigError(f"read.{file.source}", format_, wanted)


Config = PreferencesConfig
