"""Settings of `tools.collect`: descriptions of APIs become APIs in APIBench's ten fields.

read (a unit a file) -> merge (one)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    ALL,
    WHOLE,
    After,
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

Format = Literal["hub", "card", "openapi", "python"]
SUFFIXES: Mapping[Format, tuple[str, ...]] = {
    "hub": (".json", ".jsonl", ".json.gz", ".jsonl.gz"),
    "card": (".md",),
    "openapi": (".json", ".yaml", ".yml"),
    "python": (".py",),
}
"""File names of each format."""


class CollectConfig(StageConfig):
    """Collects APIs."""

    stage: ClassVar[str] = "tools.collect"

    files: Annotated[Inputs, Reads(KINDS.api_files)]
    """Descriptions by the name of their source, such as `{town: /data/town/*.yaml}`."""
    read: dict[str, Format]
    """Format of the files of each name. `hub`: a listing of models, as the Hugging Face hub's API gives it. `card`:
    model cards. `openapi`: OpenAPI 3 and Swagger 2. `python`: public functions by their docstrings, never imported."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps. Raises ConfigError where a source, its format and its files do not belong together."""
        files = inputs.get("files", ())
        keys = unique_keys(file_key(file) for file in files)
        read = Step(
            name="read",
            run="stages.tools.collect.run:read",
            units=tuple(self._unit(key, file) for key, file in zip(keys, files, strict=True)),
            uses=(),
            reads=("files",),
            shape="small",
            core_seconds=2.0,
        )
        merge = Step(
            name="merge",
            run="stages.tools.collect.run:merge",
            units=WHOLE,
            uses=(),
            after=(After("read", ALL),),
            shape="small",
        )
        found = [
            Output(step="read", unit=key, kind=KINDS.synthesis, source=file.source)
            for key, file in zip(keys, files, strict=True)
        ]
        apis = Output(step="merge", unit="all", kind=KINDS.apis, source="apis")
        merged = Output(step="merge", unit="all", kind=KINDS.synthesis, source="apis")
        return StagePlan(steps=(read, merge), outputs=(apis, *found, merged))

    def _unit(self, key: str, file: InputFile) -> Unit:
        if file.source not in self.read:
            wanted = f"a mapping from names in `read`; {nearest(file.source, list(self.read))}"
            raise ConfigError("files", file.source or file.where, wanted)
        suffixes = SUFFIXES[self.read[file.source]]
        if not file.path.name.endswith(suffixes):
            raise ConfigError("files", file.where, f"files of {', '.join(suffixes)}")
        return Unit(key=key, inputs={"files": (file,)}, uses=(f"read.{file.source}",))


Config = CollectConfig
