"""Settings of `tokenizer.merge`: adds the pieces of one vocabulary to another, such as Chinese ones to LLaMA's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from stages.formats.kinds import KINDS
from stages.formats.pieces import read_pieces
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError


class MergeConfig(StageConfig):
    """Appends pieces to a tokenizer, whose own ids stay as they are, for a model that goes on with more languages."""

    stage: ClassVar[str] = "tokenizer.merge"

    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """The tokenizer that is added to: that of a model which will go on training."""
    added: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """The tokenizer whose pieces are added, BPE or unigrams."""
    order: Literal["last", "first"] = "last"
    """When added pieces are merged. `last`: after all others, so that texts without new pieces keep their ids, and
    tokenizer.json gives the same ids. `first`: before all others, with score 0 each, as Chinese-LLaMA-Alpaca published;
    no tokenizer.json is equal to that, so none is written, and a release needs one."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit. Raises ConfigError unless there is one tokenizer of each."""
        for name in ("tokenizer", "added"):
            if (found := len(inputs.get(name, ()))) != 1:
                raise ConfigError(name, getattr(self, name), f"exactly one tokenizer file, found {found}")
        step = Step(
            name="",
            run="stages.tokenizer.merge.run:run",
            units=WHOLE,
            uses=("order",),
            reads=("tokenizer", "added"),
            shape="small",
            core_seconds=20.0,
            disk_mb=10.0,
        )
        output = Output(step="", unit=WHOLE[0].key, kind=KINDS.tokenizer, source="", count=_most(inputs))
        return StagePlan(steps=(step,), outputs=(output,))


def _most(inputs: Mapping[str, tuple[InputFile, ...]]) -> int:
    """Return the number of pieces: of files from outside exactly, of tokenizers that are still to be made at most."""
    files = [inputs[name][0] for name in ("tokenizer", "added")]
    if all(not file.section and file.path.is_file() for file in files):
        return len({piece for file in files for piece in read_pieces(file.path)})
    return sum(file.count for file in files) if all(file.count for file in files) else 0


Config = MergeConfig
