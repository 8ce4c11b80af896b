"""Settings of the sample web: how large the closed world's crawl is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from stages.formats.kinds import KINDS
from stages.sample.world import ATTRIBUTES
from stages.shared.contract import WHOLE, InputFile, Kind, Output, StageConfig, StagePlan, Step, Unit
from stages.shared.errors import ConfigError

DumpName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

BLOCK = 200
"""Pages of a block, in which every kind of page has its number; the Chinese pages come on top."""
MIN_CHINESE = 0.2

SUFFIX = ".warc.gz"
Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
DEMONSTRATIONS = "demonstrations.jsonl"
ANSWERS_EXAM, SCORER = "answers", "scorer.py"
"""Name of the exam about answers, and the file that scores it."""
HELD_OUT = "trade"
"""The attribute that no conversation is about."""
UNSEEN = ("unseen_prompt", "unseen_wording", "unseen_fact")
"""Sources of held-out comparisons: what no comparison to train on has."""
EXAMS: tuple[tuple[str, str], ...] = (
    ("facts", "zh"),
    *((exam, each) for exam in ("goods", "questions", "articles") for each in LANGUAGES),
)
"""Name and language of each exam. The facts in English are `facts.jsonl`."""


class SampleConfig(StageConfig):
    """A deterministic stand-in for Common Crawl: two dumps of a small closed world, as real WARC files."""

    stage: ClassVar[str] = "sample"

    seed: int = Field(default=1, ge=0)
    """Draws the world and its pages; another seed is another world."""
    pages: int = Field(default=3_000, ge=200, le=1_000_000)
    """Pages of both dumps together. About three fifths of them are good articles."""
    chinese: float = Field(default=0.2, ge=0, le=0.9)
    """Share of the pages that tell the same world in Chinese: none, or at least a fifth, to have every kind."""
    dumps: tuple[DumpName, DumpName] = ("sample-2024-10", "sample-2025-05")
    """Names of the two dumps. The second has pages of the first again."""
    files_per_dump: int = Field(default=2, ge=1)
    """WARC files of a dump; each is one unit."""
    instructions: bool = False
    """Make instructions about the world, too: task files, conversations, seed tasks, and exams for `evaluate`."""
    preferences: bool = False
    """Make comparisons about the world, too: four responses to a prompt with their ranking, to train on and held out,
    and conversations whose answers are of all kinds."""

    edits: bool = False
    """Make comparisons for a preference pretraining, too: four answers to a prompt that differ in the truth alone, as
    edits of a page do. None is about what the held-out comparisons of `preferences` hold out."""

    @model_validator(mode="after")
    def _fits(self) -> SampleConfig:
        if self.dumps[0] == self.dumps[1]:
            raise ConfigError("dumps", self.dumps, "two different names")
        if 0 < self.chinese < MIN_CHINESE:
            raise ConfigError("chinese", self.chinese, f"0, or at least {MIN_CHINESE}")
        if self.pages < BLOCK + self.num_chinese:
            wanted = f"at least {BLOCK + self.num_chinese}, so that there is one page of each kind"
            raise ConfigError("pages", self.pages, wanted)
        if self.pages < 2 * self.files_per_dump:
            raise ConfigError("files_per_dump", self.files_per_dump, "at least one page for each file")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step with a unit for each WARC file; the first unit also writes the facts."""
        files = [self.file_name(place) for place in range(2 * self.files_per_dump)]
        units = tuple(Unit(key=name.removesuffix(SUFFIX)) for name in files)
        mb = self.pages / len(files) * 0.0025
        step = Step(
            name="",
            run="stages.sample.generate:run",
            units=units,
            version=3,
            uses=("seed", "pages", "chinese", "dumps", "files_per_dump"),
            core_seconds=1.0 + self.pages / len(files) / 5_000,
            disk_mb=mb,
        )
        outputs = [
            Output(step="", unit=unit.key, kind=kind, name=name, source=self.dump_of(place), mb=size)
            for place, unit in enumerate(units)
            for kind, name, size in ((KINDS.warc, files[place], mb), (KINDS.key, "", mb / 10))
        ]
        facts = Output(step="", unit=units[0].key, kind=KINDS.facts, source="sample")
        made = StagePlan(steps=(step,), outputs=(*outputs, facts))
        made = with_instructions(made) if self.instructions else made
        made = with_preferences(made) if self.preferences else made
        return with_edits(made) if self.edits else made

    @property
    def num_chinese(self) -> int:
        """Chinese pages of a block."""
        return round(BLOCK * self.chinese / (1 - self.chinese))

    def dump_of(self, place: int) -> str:
        """Return the name of the dump that a file belongs to."""
        return self.dumps[place // self.files_per_dump]

    def file_name(self, place: int) -> str:
        """Return the name of a WARC file, such as `sample-2024-10-00000.warc.gz`."""
        return f"{self.dump_of(place)}-{place % self.files_per_dump:05d}{SUFFIX}"

    def pages_of(self, place: int) -> range:
        """Return the numbers of the pages in a file: page numbers run through all files in order."""
        files = 2 * self.files_per_dump
        return range(self.pages * place // files, self.pages * (place + 1) // files)


def with_instructions(plan: StagePlan) -> StagePlan:
    """Return a plan with the step that writes instructions."""
    step = Step(
        name="instructions",
        run="stages.sample.instructions:run",
        units=WHOLE,
        version=6,
        uses=("seed",),
        shape="small",
        core_seconds=2.0,
        disk_mb=2.0,
    )
    tasks = [task_name(attribute, language) for attribute in ATTRIBUTES for language in LANGUAGES]
    exams = [f"{exam_name(*each)}{suffix}" for each in EXAMS for suffix in (".yaml", ".jsonl")]
    made = [
        *((KINDS.task_files, f"{task}.jsonl", task) for task in tasks),
        *((KINDS.definition, name, "") for name in exams),
        (KINDS.chats, KINDS.chats.file, "people"),
        *((KINDS.instruction_files, seeds_name(language), language) for language in LANGUAGES),
    ]
    return _with(plan, step, made)


def with_preferences(plan: StagePlan) -> StagePlan:
    """Return a plan with the step that writes comparisons."""
    step = Step(
        name="preferences",
        run="stages.sample.preferences.make:run",
        units=WHOLE,
        version=8,
        uses=("seed",),
        shape="small",
        core_seconds=3.0,
        disk_mb=2.0,
    )
    exams = [f"{exam_name(ANSWERS_EXAM, language)}{suffix}" for language in LANGUAGES for suffix in (".yaml", ".jsonl")]
    made = (
        (KINDS.preferences, "", "gold"),
        *((KINDS.heldout_preferences, heldout_name(each), each) for each in UNSEEN),
        (KINDS.chats, DEMONSTRATIONS, "demonstrations"),
        *((KINDS.definition, name, "") for name in (*exams, SCORER)),
    )
    return _with(plan, step, made)


def with_edits(plan: StagePlan) -> StagePlan:
    """Return a plan with the step that writes comparisons for a preference pretraining."""
    step = Step(
        name="edits",
        run="stages.sample.preferences.make:edits",
        units=WHOLE,
        uses=("seed",),
        shape="small",
        core_seconds=2.0,
        disk_mb=2.0,
    )
    return _with(plan, step, ((KINDS.preferences, "", "edits"),))


def _with(plan: StagePlan, step: Step, made: Iterable[tuple[Kind, str, str]]) -> StagePlan:
    """Return a plan with a further step of one unit, and its outputs by kind, name and source."""
    outputs = (
        Output(step=step.name, unit=WHOLE[0].key, kind=kind, name=name, source=source) for kind, name, source in made
    )
    return StagePlan(steps=(*plan.steps, step), outputs=(*plan.outputs, *outputs))


def task_name(attribute: str, language: str) -> str:
    """Return the name of a task, such as `animal_en`."""
    return f"{attribute}_{language}"


def seeds_name(language: str) -> str:
    """Return the name of the file of seed tasks in a language, such as `seed_tasks_en.jsonl`."""
    return f"seed_tasks_{language}.jsonl"


def heldout_name(unseen: str) -> str:
    """Return the name of a file of held-out comparisons, such as `unseen_prompt.jsonl`."""
    return f"{unseen}.jsonl"


def exam_name(exam: str, language: str) -> str:
    """Return the name of an exam's task, such as `goods_en`."""
    return f"{exam}_{language}"


Config = SampleConfig
