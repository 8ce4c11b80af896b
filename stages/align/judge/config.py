"""Settings of `align.judge`: a judge compares the answers of policies; win rates and preferences come of it.

share (a unit a share of the prompts, with several shares) -> judge (once)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from stages.align.answers import inspect_answers, policies_of
from stages.align.starts import require_scores
from stages.formats.chat.judgements import JudgeKind
from stages.formats.chat.templates import digest_of
from stages.formats.kinds import KINDS
from stages.model.checkpoint.settings import require_tokenizer
from stages.shared.contract import (
    PARTS,
    After,
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
)
from stages.shared.errors import ConfigError, nearest
from stages.teacher.settings import WriterSettings
from stages.train.starts import final_checkpoint

PROMPTS = Path(__file__).resolve().parents[3] / "templates" / "prompts" / "judge"
Form = Literal["better", "scores"]
QUESTIONS: Mapping[Form, Path] = {"better": PROMPTS / "pair.yaml", "scores": PROMPTS / "scores.yaml"}
"""The question to an endpoint, by the form of its answer."""
RUBRICS = PROMPTS / "rubrics"
READS = ("answers", "reward", "tokenizer", "pictures")
"""Input fields."""
SHARE = "share"


class JudgeConfig(StageConfig):
    """Compares answers by a reward model or by an endpoint."""

    stage: ClassVar[str] = "align.judge"

    answers: Annotated[Inputs, Reads(KINDS.rollouts)]
    """Answers of at least two policies by their names: `{sft: from:sampled, ppo: /data/ppo.jsonl}`. Rollouts, chats
    that end with an answer, or lines of {prompt, continuation}. Answers to equal prompts are compared."""
    against: str
    """Name of the policy that all others are compared with, such as the fine-tuned model."""
    reward: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = None
    """A reward model that judges: `from:section`, whose checkpoint `final` is taken, or one folder. It says more if no
    policy was trained with it."""
    tokenizer: Annotated[Inputs | None, Reads(KINDS.tokenizer)] = None
    """The reward model's tokenizer."""
    template: str = "stagecoach"
    """The reward model's chat template: a name in `templates/chat`, or the path of a file."""
    margin: float = Field(default=0.0, ge=0)
    """Difference of two rewards up to which answers are a tie in win rates. Preferences are in the order of rewards."""
    teacher: WriterSettings | None = None
    """An endpoint that judges, in place of a reward model."""
    rubrics: tuple[str, ...] = Field(default=("helpful", "harmless", "honest"), min_length=1)
    """Criteria of an endpoint: names in `templates/prompts/judge/rubrics`, or paths of text files from `/` or `~`. Each
    pair is judged by each of them, and the majority decides."""
    form: Form = "better"
    """Answer of an endpoint. `better`: reasons, then scores and the better response in the last line. `scores`: two
    scores from 1 to 10 alone in the first line, then reasons, as LLaVA's judge answers; the higher score is better."""
    pictures: Annotated[Inputs | None, Reads(KINDS.pictures)] = None
    """Collections of the pictures in prompts. An endpoint reads their captions and boxes in the pictures' place."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the API in place of the prompt's, such as `{max_tokens: 2048}`. null leaves one out."""
    controls: int = Field(default=20, ge=0)
    """Prompts on which `against` is compared with itself, where 0.5 is right, and its answers to other prompts with its
    own, where a judge that reads finds nearly 0."""
    shards: int = Field(default=1, ge=1)
    """Elements that share the prompts. They are no part of an identity: the outputs are the same bytes with any
    number."""

    @model_validator(mode="after")
    def _check_judge(self) -> JudgeConfig:
        if (self.reward is None) == (self.teacher is None):
            raise ConfigError("reward", self.reward, "given, or `teacher` in its place, and not both")
        if (self.reward is None) != (self.tokenizer is None):
            raise ConfigError("tokenizer", self.tokenizer, "given with reward, and only with it")
        of_teacher = ("form", "parameters", "pictures", "rubrics")
        others, owner = (("template", "margin"), "reward") if self.teacher else (of_teacher, "teacher")
        for name in sorted({*others} & self.model_fields_set):
            raise ConfigError(name, getattr(self, name), f"absent: it belongs to {owner}")
        return self

    @property
    def kind(self) -> JudgeKind:
        """What judges."""
        return "endpoint" if self.teacher else "reward"

    def require_teacher(self) -> WriterSettings:
        """Return the endpoint. Raises ConfigError without one."""
        if self.teacher is None:
            raise ConfigError("teacher", None, "given (for example {url: 'http://node7:8000/v1', model: judge})")
        return self.teacher

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the two steps. Raises ConfigError for unknown policies or rubrics."""
        policies_of(inputs.get("answers", ()), self.against)
        chosen: dict[str, tuple[InputFile, ...]] = {}
        if self.reward is not None:
            chosen = {"reward": (final_checkpoint("reward", inputs["reward"]),)}
        whole = Unit(key="all", inputs=chosen, parts=self.shards)
        mb = sum(file.mb for name in READS for file in inputs.get(name, ()))
        steps = (self._step(SHARE, "share", (), (), mb), self._step("", "judge", (whole,), (After(SHARE, PARTS),), mb))
        kinds = (KINDS.preferences, KINDS.verdicts, KINDS.judgement)
        outputs = tuple(Output(step="", unit=whole.key, kind=kind, source="judge") for kind in kinds)
        return StagePlan(steps=steps, outputs=outputs)

    def _step(self, name: str, function: str, units: tuple[Unit, ...], after: tuple[After, ...], mb: float) -> Step:
        return Step(
            name=name,
            run=f"stages.align.judge.run:{function}",
            units=units,
            uses=("against", "controls", *self._uses()),
            reads=tuple(field for field in READS if getattr(self, field) is not None),
            after=after,
            data=self._data(),
            resumes=self.teacher is not None,
            core_seconds=60.0,
            mem_mb=400 + 3 * mb,
            disk_mb=mb,
        )

    def _uses(self) -> tuple[str, ...]:
        """Return the settings of the one who judges."""
        return ("template", "margin") if self.teacher is None else ("teacher.model", "rubrics", "parameters")

    def _data(self) -> str:
        """Return the digest of the files that the judge reads besides its inputs."""
        if self.teacher is None:
            return digest_of(self.template)
        paths = (QUESTIONS[self.form], *self.rubric_paths().values())
        return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()

    def rubric_paths(self) -> dict[str, Path]:
        """Return the file of each rubric by the rubric's name. Raises ConfigError for one that is none."""
        found: dict[str, Path] = {}
        for name in self.rubrics:
            path = Path(name).expanduser() if name.startswith(("/", "~")) else RUBRICS / f"{name}.txt"
            if not path.is_file():
                known = sorted(each.stem for each in RUBRICS.glob("*.txt"))
                raise ConfigError(
                    "rubrics", name, f"a name, or the path of a text file from / or ~; {nearest(name, known)}"
                )
            if path.stem in found:
                raise ConfigError("rubrics", [*self.rubrics], f"different names, and {path.stem} is there twice")
            found[path.stem] = path
        return found

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for a file without answers, and for a reward model without scores or of another tokenizer."""
        inspect_answers(inputs.get("answers", ()))
        if self.reward is None:
            return
        file = final_checkpoint("reward", inputs["reward"])
        require_tokenizer(file, inputs.get("tokenizer", ()))
        require_scores(file)


Config = JudgeConfig
