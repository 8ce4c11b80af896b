"""Settings of `instruct`: tasks become instructions by templates, and a mixture of them becomes chats.

render (a unit a task file) -> draw (once) -> mix (a unit a share of the chats)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

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
    parts,
    unique_keys,
)
from stages.shared.errors import ConfigError, nearest

FOLDER = Path(__file__).resolve().parents[2] / "templates" / "flan"
"""The shipped templates, and `options.yaml`: the formats of answer options."""
OPTION_FORMATS = FOLDER / "options.yaml"
START_SECONDS, SECONDS_PER_MB = 3.0, 5.0
"""CPU time of rendering, measured on FLAN's chains of thought in ten styles."""
SUFFIXES = (".jsonl", ".tsv", ".parquet")

Form = Literal["plain", "options", "cot", "options_cot", "inverted"]
"""With or without answer options, with or without chain of thought; or inverted: the answer is given."""
Style = Literal[
    "zero_plain", "zero_options", "zero_cot", "zero_options_cot", "zero_inverted",
    "few_plain", "few_options", "few_cot", "few_options_cot", "few_inverted",
]  # fmt: skip
STYLES: tuple[Style, ...] = get_args(Style)
INVERTED_WEIGHT = 0.3
"""Weight of an inverted style beside 1 of the others (google-research/FLAN, flan/v2/mixtures.py)."""


class TaskSettings(Section):
    """A task: the columns of its rows, and the templates that word them."""

    mixture: str
    """The mixture that the task belongs to."""
    cluster: str = ""
    """The cluster of tasks that it belongs to, for `held_out`."""
    templates: tuple[str, ...] = ()
    """Shipped templates by file name in `templates/flan`: `cot`, `question_answer`, `question_answer_zh`."""
    only: tuple[str, ...] = ()
    """Names of the templates to use, of those in `templates` and `prompts`; empty: all."""
    columns: tuple[str, ...] = ()
    """Names of the columns of TSV files; empty: the first line has them. A literal `\\n` in a cell is a line break."""
    inline_options: str = ""
    """Column that ends with a block `Options:` of `- item` lines, which becomes the row's `options`."""


class MixtureSettings(Section):
    """Tasks that share a part of the draws."""

    share: float = Field(gt=0)
    """Weight among the mixtures."""
    cap: int | None = Field(default=None, ge=1)
    """Most examples of a task that count: its rate is min(cap, examples)."""
    styles: dict[Style, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Weights of styles; one that is not listed has 1, an inverted one 0.3."""

    def weight(self, style: Style) -> float:
        """Return the weight of a style among those of the mixture."""
        return self.styles.get(style, INVERTED_WEIGHT if style.endswith("inverted") else 1.0)


class FewShot(Section):
    """Solved examples before the question."""

    shots: int = Field(default=5, ge=1)
    """Most solved examples; each prompt has 1 to `shots` of them, from the same file and in the same wording."""
    max_prompt: int = Field(default=1920, ge=1)
    """Most tokens of a prompt with solved examples; the last ones are left out until it fits."""
    delimiters: tuple[str, ...] = Field(default=("\n\n\n", "\n\n", "\n"), min_length=1)
    """Texts between examples; each prompt takes one of them."""


class InstructConfig(StageConfig):
    """Renders tasks as instructions and draws a mixture of them."""

    stage: ClassVar[str] = "instruct"

    files: Annotated[Inputs, Reads(KINDS.task_files)]
    """Rows by task: JSONL, TSV or Parquet. A mapping, such as `{gsm8k: /data/cot/gsm8k_train.tsv}`."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """Tokenizer that measures lengths."""
    prompts: Annotated[Inputs | None, Reads(KINDS.prompts)] = None
    """Templates of promptsource by task. A mapping, such as `{ag_news: /data/ag_news/templates.yaml}`."""
    evaluations: Annotated[Inputs | None, Reads(KINDS.facts)] = None
    """Items of evaluations, in any format of `files` (TSV with names in the first line). An example that holds one is
    rejected."""
    tasks: dict[str, TaskSettings] = Field(min_length=1)
    """Tasks by name."""
    mixtures: dict[str, MixtureSettings] = Field(min_length=1)
    """Mixtures by name."""
    held_out: tuple[str, ...] = ()
    """Clusters whose tasks are never rendered, for evaluation on tasks that no training has seen."""
    few_shot: FewShot = FewShot()
    max_prompt: int = Field(default=2048, ge=1)
    """Most tokens of a prompt; a longer one is rejected."""
    max_target: int = Field(default=512, ge=1)
    """Most tokens of a target; a longer one is rejected."""
    draws: int = Field(ge=1)
    """Chats in all. A task with fewer examples than draws repeats them, each time in another order."""
    shares: int = Field(default=1, ge=1)
    """Files that the chats are written to, in order: their bytes one after another do not depend on it."""
    seed: int = Field(default=0, ge=0)
    """Seed of templates, option formats, solved examples and draws."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the three steps. Raises ConfigError for a task without files, templates or mixture."""
        files, prompts = inputs.get("files", ()), inputs.get("prompts", ())
        self._check(files, prompts)
        _check_suffixes("files", files)
        _check_suffixes("evaluations", inputs.get("evaluations", ()))
        render = Step(
            name="render",
            run="stages.instruct.run:render",
            units=self._units(files, prompts),
            uses=("seed", "max_prompt", "max_target", "few_shot"),
            reads=("files", "prompts", "evaluations", "tokenizer"),
            data=_digest([OPTION_FORMATS]),
        )
        draw = Step(
            name="draw",
            run="stages.instruct.run:draw",
            units=WHOLE,
            uses=("tasks", "mixtures", "held_out", "draws", "seed"),
            after=(After("render", ALL),),
        )
        mix = Step(
            name="mix",
            run="stages.instruct.run:mix",
            units=parts(self.shares),
            uses=("seed",),
            after=(After("render", ALL), After("draw", ALL)),
            core_seconds=30.0,
        )
        chats = (Output(step="mix", unit=unit.key, kind=KINDS.chats, source="instruct") for unit in mix.units)
        table = Output(step="draw", unit="all", kind=KINDS.mixture, source="instruct")
        return StagePlan(steps=(render, draw, mix), outputs=(*chats, table))

    def is_held_out(self, task: str) -> bool:
        """Return whether a task's cluster is held out."""
        return self.tasks[task].cluster in self.held_out

    def _units(self, files: tuple[InputFile, ...], prompts: tuple[InputFile, ...]) -> tuple[Unit, ...]:
        used = [file for file in files if not self.is_held_out(file.source)]
        return tuple(
            Unit(
                key=key,
                inputs={"files": (file,), "prompts": tuple(each for each in prompts if each.source == file.source)},
                core_seconds=START_SECONDS + SECONDS_PER_MB * file.mb,
                uses=(f"tasks.{file.source}",),
                data=_digest(shipped(name) for name in self.tasks[file.source].templates),
            )
            for key, file in zip(unique_keys(map(file_key, used)), used, strict=True)
        )

    def _check(self, files: tuple[InputFile, ...], prompts: tuple[InputFile, ...]) -> None:
        for field, given in (("files", files), ("prompts", prompts)):
            for file in given:
                if file.source not in self.tasks:
                    wanted = f"a mapping from names in `tasks`; {nearest(file.source, list(self.tasks))}"
                    raise ConfigError(field, file.source or file.where, wanted)
        for name, task in self.tasks.items():
            self._check_task(name, task, files, prompts)
        clusters = {task.cluster for task in self.tasks.values() if task.cluster}
        for cluster in self.held_out:
            if cluster not in clusters:
                raise ConfigError("held_out", cluster, f"the cluster of a task; {nearest(cluster, list(clusters))}")
        if all(map(self.is_held_out, self.tasks)):
            raise ConfigError("held_out", list(self.held_out), "clusters that leave a task to train on")

    def _check_task(
        self, name: str, task: TaskSettings, files: tuple[InputFile, ...], prompts: tuple[InputFile, ...]
    ) -> None:
        where = f"tasks.{name}"
        if task.mixture not in self.mixtures:
            wanted = f"a name in `mixtures`; {nearest(task.mixture, list(self.mixtures))}"
            raise ConfigError(f"{where}.mixture", task.mixture, wanted)
        if name not in {file.source for file in files}:
            raise ConfigError(
                "files", self.files, f"a mapping with files of {name!r} (for example {{{name}: /data/*.tsv}})"
            )
        names = sorted(path.stem for path in FOLDER.glob("*.yaml") if path != OPTION_FORMATS)
        for template in task.templates:
            if template not in names:
                raise ConfigError(
                    f"{where}.templates", template, f"a file of templates/flan; {nearest(template, names)}"
                )
        if not task.templates and name not in {file.source for file in prompts}:
            raise ConfigError(
                f"{where}.templates", [], "templates (for example [question_answer]), or files in `prompts`"
            )


def shipped(name: str) -> Path:
    """Return the file of shipped templates."""
    return FOLDER / f"{name}.yaml"


def _check_suffixes(field: str, files: tuple[InputFile, ...]) -> None:
    for file in files:
        if not file.path.name.endswith(SUFFIXES):
            raise ConfigError(field, file.where, f"files of {', '.join(SUFFIXES)}")


def _digest(paths: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


Config = InstructConfig
