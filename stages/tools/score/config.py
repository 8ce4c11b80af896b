"""Settings of `tools.score`: answers to questions about APIs are scored by the calls in them.

A unit is a file of answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.formats.calls.scores import Hub
from stages.formats.kinds import KINDS
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


class ScoreConfig(StageConfig):
    """Scores calls of APIs."""

    stage: ClassVar[str] = "tools.score"

    answers: Annotated[Inputs, Reads(KINDS.rollouts)]
    """Answers by the name of their APIs, such as `{torchhub: /data/responses/*.jsonl}`, or `align.rollout`'s."""
    apis: Annotated[Inputs, Reads(KINDS.apis)]
    """One file of APIs for each of these names. Its order counts: the published mode takes the first that matches."""
    questions: Annotated[Inputs, Reads(KINDS.api_questions)]
    """One file of questions for each of these names."""
    hubs: dict[str, Hub]
    """Required arguments of each name's calls, as the hub's scorer has them. `torchhub`: repo_or_dir and model.
    `tensorflow`: model and positional ones. `huggingface`: all. `functions`: those of each question's own call; an
    argument whose value is its name (`place='place'`) stands for any value."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step. Raises ConfigError where names and files do not belong together."""
        answers = inputs.get("answers", ())
        keys = unique_keys(file_key(file) for file in answers)
        step = Step(
            name="",
            run="stages.tools.score.run:score",
            version=2,
            units=tuple(self._unit(key, file, inputs) for key, file in zip(keys, answers, strict=True)),
            uses=(),
            reads=("answers", "apis", "questions"),
            shape="small",
            core_seconds=10.0,
        )
        outputs = [
            Output(step="", unit=key, kind=KINDS.call_scores, source=file.source)
            for key, file in zip(keys, answers, strict=True)
        ]
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def _unit(self, key: str, file: InputFile, inputs: Mapping[str, tuple[InputFile, ...]]) -> Unit:
        if file.source not in self.hubs:
            wanted = f"a mapping from names in `hubs`; {nearest(file.source, list(self.hubs))}"
            raise ConfigError("answers", file.source or file.where, wanted)
        own: dict[str, tuple[InputFile, ...]] = {"answers": (file,)}
        for field in ("apis", "questions"):
            own[field] = tuple(each for each in inputs.get(field, ()) if each.source == file.source)
            if len(own[field]) != 1:
                wanted = f"a mapping with one file of {file.source!r}, and it has {len(own[field])}"
                raise ConfigError(field, getattr(self, field), wanted)
        return Unit(key=key, inputs=own, uses=(f"hubs.{file.source}",))


Config = ScoreConfig
