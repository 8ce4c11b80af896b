"""Settings of `synthesize`: instruction data that is published, or that a teacher writes, becomes chats.

read           read (a unit a file)
self_instruct  generate (once, in rounds) -> answer (a unit a share of the instructions)
alpaca         generate (once, in rounds)
evol_instruct  evolve (a unit a share of the pool, each in rounds)
llava          show (a unit a share of the pictures)
curate         curate (a unit a share of the descriptions)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.formats.published.files import Fields, shown
from stages.formats.published.units import memory_mb, other_format, reading_units
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
    parts,
)
from stages.shared.errors import ConfigError, nearest
from stages.teacher.settings import WriterSettings

PROMPTS = Path(__file__).resolve().parents[2] / "templates" / "prompts"
"""Prompts of each method: `<method>/<language>.yaml`."""

Format = Literal["alpaca", "belle", "dolly", "oasst", "self_instruct", "sharegpt"]
Threads = Literal["best", "all"]
Operation = Literal["constraints", "deepen", "concretize", "reasoning", "complicate_input", "breadth"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
Shown = Literal["conversation", "detail", "complex"]
SHOWN: tuple[Shown, ...] = get_args(Shown)
Method = Literal["read", "self_instruct", "alpaca", "evol_instruct", "llava", "curate"]
METHODS: tuple[Method, ...] = get_args(Method)

FIELDS: Mapping[Format, Fields] = {
    "alpaca": (("instruction", "output"),),
    "belle": (("instruction", "output"),),
    "dolly": (("instruction", "response"),),
    "oasst": (("message_tree_id", "prompt"), ("message_id", "text", "role")),
    "self_instruct": (("instruction", "instances"),),
    "sharegpt": (("conversations",), ("conversation",), ("messages",), ("items",)),
}
"""Fields by which a record of a format is known: all of one group."""


class ReadySettings(Section):
    """A source of instruction data."""

    format: Format
    """Format of the files."""
    threads: Threads = "best"
    """Conversations of a tree of OASST: the one of the best replies, or all."""


class _Bootstrap(Section):
    """Instructions that grow from seed tasks."""

    instructions: int = Field(ge=1)
    """Instructions to keep, besides the seeds."""
    language: str = "en"
    """Language of prompts and instructions: a file of `templates/prompts` (`en`, `zh`)."""
    per_round: int = Field(default=100, ge=1)
    """Requests of a round, which run at once. Their examples come from the rounds before."""
    max_rounds_without_gain: int = Field(default=5, ge=1)
    """Rounds in a row that keep nothing, after which the teacher has no more to say."""
    similarity: float = Field(default=0.7, gt=0, le=1)
    """ROUGE-L F with an instruction of the pool above which a new one is rejected."""
    min_words: int = Field(default=4, ge=1)
    """Fewest words of an instruction; in scripts without spaces each character counts."""
    max_words: int = Field(default=150, ge=1)
    """Most words of an instruction."""


class SelfInstructSettings(_Bootstrap):
    """Self-Instruct (arXiv:2212.10560)."""

    human: int = Field(default=6, ge=1)
    """Seed tasks in a prompt; as many more as machine's are missing."""
    machine: int = Field(default=2, ge=0)
    """Instructions of earlier rounds in a prompt."""
    max_instances: int = Field(default=5, ge=1)
    """Most instances of an instruction."""
    formats: bool = True
    """Whether a question has one of the paper's thirteen formats, by lot. Without them its input stands below its
    instruction: for a pool of `evol_instruct`, and where a chat template marks the question."""


class AlpacaSettings(_Bootstrap):
    """Alpaca's variant: a prompt asks for whole tasks, twenty at once."""

    human: int = Field(default=3, ge=1)
    """Seed tasks in a prompt."""
    machine: int = Field(default=0, ge=0)
    """Tasks of earlier rounds in a prompt."""


class EvolInstructSettings(Section):
    """Evol-Instruct (arXiv:2304.12244)."""

    rounds: int = Field(default=4, ge=1)
    """Rounds; in each of them every instruction of the pool evolves once."""
    language: str = "en"
    """Language of prompts and instructions: a file of `templates/prompts` (`en`, `zh`)."""
    operations: tuple[Operation, ...] = Field(default=OPERATIONS, min_length=1)
    """Operations to draw from, with equal probability."""


class LlavaSettings(Section):
    """LLaVA's instructions about pictures (arXiv:2304.08485, section 3): the teacher sees captions and boxes."""

    kinds: tuple[Shown, ...] = Field(default=SHOWN, min_length=1)
    """`conversation`: several questions and answers. `detail`: one description. `complex`: one question to reason on.
    Each picture is asked for every kind."""
    language: str = "en"
    """Language of prompts and instructions: a file of `templates/prompts` (`en`, `zh`)."""
    max_boxes: int = Field(default=40, ge=0)
    """Most boxes in a prompt, the largest first."""


class CurateSettings(Section):
    """MiniGPT-4's curation (arXiv:2304.10592, section 3.2): the teacher mends descriptions of pictures."""

    language: str = "en"
    """Language of prompts and descriptions: a file of `templates/prompts` (`en`, `zh`)."""
    min_words: int = Field(default=20, ge=1)
    """Fewest words of a description that was mended; in scripts without spaces each character counts."""
    max_new_words: float = Field(default=0.3, ge=0, le=1)
    """Largest share of the different words of a mended description that are not in the first one: the teacher does not
    see the picture."""


class SynthesizeConfig(StageConfig):
    """Reads published instruction data, or lets a teacher write some. One of the six methods."""

    stage: ClassVar[str] = "synthesize"

    files: Annotated[Inputs | None, Reads(KINDS.instruction_files)] = None
    """Data for `read`: a mapping, such as `{dolly: /data/dolly.jsonl}`. For `self_instruct` and `alpaca` the
    seed tasks, in Self-Instruct's format."""
    chats: Annotated[Inputs | None, Reads(KINDS.chats)] = None
    """Pool that `evol_instruct` starts from: chats of one question and one answer. For `curate` the descriptions: chats
    of one request with a picture, and one answer."""
    pictures: Annotated[Inputs | None, Reads(KINDS.pictures)] = None
    """Pictures with captions, and boxes where they have some, for `llava`."""
    read: dict[str, ReadySettings] | None = None
    """Sources of published data by the names in `files`."""
    self_instruct: SelfInstructSettings | None = None
    alpaca: AlpacaSettings | None = None
    evol_instruct: EvolInstructSettings | None = None
    llava: LlavaSettings | None = None
    curate: CurateSettings | None = None
    teacher: WriterSettings | None = None
    """The model that writes, for every method but `read`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the API in place of those of the prompts, such as `{stop: null, max_tokens: 2048}`. null leaves one
    out: some endpoints refuse `stop` or `presence_penalty`."""
    originals: bool = True
    """Whether seed tasks, or the pool, are among the chats."""
    shares: int = Field(default=1, ge=1)
    """Units that the teacher's work is divided into. The bytes of the chats, one file after another, do not depend on
    it."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything that is drawn."""

    @property
    def method(self) -> Method:
        """The method whose settings are given. Raises ConfigError if there is not exactly one."""
        given = [name for name in METHODS if getattr(self, name) is not None]
        if not given:
            raise ConfigError("read", None, f"given, or one of {', '.join(METHODS[1:])}: a section has one method")
        if len(given) > 1:
            other: str = given[1]
            value = self.model_dump(include={other}, exclude_unset=True)[other]
            raise ConfigError(other, value, f"left out: {given[0]} is given, and a section has one method")
        return given[0]

    def require_teacher(self) -> WriterSettings:
        """Return the teacher. Raises ConfigError without one."""
        if self.teacher is None:
            raise ConfigError("teacher", None, "given (for example {url: 'http://node7:8000/v1', model: qwen})")
        return self.teacher

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps of the method. Raises ConfigError for settings or inputs that do not belong to it."""
        method = self.method
        self._check_inputs(method)
        steps = self._read_steps(inputs.get("files", ())) if method == "read" else self._asking_steps(method)
        chats = [
            Output(step=steps[-1].name, unit=unit.key, kind=KINDS.chats, source=method) for unit in steps[-1].units
        ]
        findings = [
            Output(step=step.name, unit=unit.key, kind=KINDS.synthesis, source=method)
            for step in steps
            for unit in step.units
        ]
        return StagePlan(steps=steps, outputs=(*chats, *findings))

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise ConfigError for a file whose first record is not of its format."""
        for file in inputs.get("files", ()):
            format_ = self.read[file.source].format if self.read else "self_instruct"
            if wanted := other_format(file.path, format_, FIELDS):
                if self.read:
                    raise ConfigError(f"read.{file.source}.format", format_, wanted)
                raise ConfigError("files", file.where, f"seed tasks with {shown(FIELDS[format_])}")

    def _check_inputs(self, method: Method) -> None:
        wanted = _WANTED[method]
        for field in ("files", "chats", "pictures"):
            if field != wanted and getattr(self, field) is not None:
                raise ConfigError(field, getattr(self, field), f"left out: {method} reads {wanted}")
        if getattr(self, wanted) is None:
            raise ConfigError(wanted, None, f"given for {method} (for example {_EXAMPLES[method]})")
        if method == "read":
            return
        self.require_teacher()
        language = getattr(self, method).language
        known = sorted(path.stem for path in (PROMPTS / method).glob("*.yaml"))
        if language not in known:
            raise ConfigError(
                f"{method}.language", language, f"a file of templates/prompts/{method}; {nearest(language, known)}"
            )

    def _read_steps(self, files: tuple[InputFile, ...]) -> tuple[Step, ...]:
        units = reading_units(files, self.read or {}, self.files)
        step = Step(
            name="read",
            run="stages.synthesize.run:read",
            units=units,
            uses=(),
            reads=("files",),
            mem_mb=memory_mb(files),
            disk_mb=max((file.mb for file in files), default=0.0),
        )
        return (step,)

    def _asking_steps(self, method: Method) -> tuple[Step, ...]:
        uses = (method, "teacher.model", "parameters", "originals", "seed")
        prompts = hashlib.sha256(prompts_of(method, getattr(self, method).language).read_bytes()).hexdigest()
        common: dict[str, Any] = {"uses": uses, "data": prompts, "resumes": True, "core_seconds": 60.0}
        if method in _SHARED:
            name, run = _SHARED[method]
            return (Step(name=name, run=run, units=parts(self.shares), reads=(_WANTED[method],), **common),)
        generate = Step(name="generate", run="stages.synthesize.run:generate", units=WHOLE, reads=("files",), **common)
        if method == "alpaca":
            return (generate,)
        answer = Step(
            name="answer",
            run="stages.synthesize.run:answer",
            units=parts(self.shares),
            reads=("files",),
            after=(After("generate", ALL),),
            **common,
        )
        return (generate, answer)


_SHARED: Mapping[Method, tuple[str, str]] = {
    "evol_instruct": ("evolve", "stages.synthesize.run:evolve"),
    "llava": ("show", "stages.synthesize.pictured:show"),
    "curate": ("curate", "stages.synthesize.pictured:curate"),
}
"""Name and function of the step of methods whose units are shares of their input."""
_WANTED: Mapping[Method, str] = {
    "read": "files",
    "self_instruct": "files",
    "alpaca": "files",
    "evol_instruct": "chats",
    "llava": "pictures",
    "curate": "chats",
}
"""The input of each method."""
_EXAMPLES: Mapping[Method, str] = {
    "read": "{dolly: /data/dolly.jsonl}",
    "self_instruct": "/data/seed_tasks.jsonl",
    "alpaca": "/data/seed_tasks.jsonl",
    "evol_instruct": "from:read",
    "llava": "from:pictures",
    "curate": "from:described",
}


def prompts_of(method: Method, language: str) -> Path:
    """Return the file of a method's prompts."""
    return PROMPTS / method / f"{language}.yaml"


Config = SynthesizeConfig
