"""Cells of an evaluation: what one checkpoint is asked. A task with its shots, seed, limit, variant and repeats.

Light: the login node plans with it. A cell's name is made of its own settings alone, and is part of the identity of its
unit: another task, or another setting elsewhere, changes no other cell.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, model_validator

from stages.formats.benchmarks.index import FEWSHOT_SEED, read_index
from stages.shared.contract import Section
from stages.shared.errors import ConfigError, nearest

PERPLEXITY = "perplexity"
FACTS = "facts"
GENERATE = "generate"
OURS = (PERPLEXITY, FACTS, GENERATE)
"""Our own tasks. Other task names are lm-eval's, or those of own definitions."""
SUITE = "suite:"
"""Prefix of a task that stands for all tasks of a shipped suite: `suite:llama`."""
SUITES = Path(__file__).parent / "suites"


Natural = Annotated[int, Field(ge=0)]
Shown = Literal["shown", "shuffled", "none"]
"""Pictures or sounds of a task: its own, each that of another question, or none. The last two are blind controls."""
SHOWN: tuple[Shown, ...] = get_args(Shown)
ToolUse = Literal["used", "withheld"]
"""Tools in generated answers: the model may call them, or it may begin no call, whatever it learned: the control."""


class ChatForm(Section):
    """Questions as conversations, by a model's chat template. `true` stands for the defaults."""

    models: tuple[str, ...] | None = None
    """Names of the checkpoints and endpoints that are asked so; null: all."""
    multiturn: bool = True
    """Each solved example is a question and an answer of the conversation; false: all stand in one message."""
    system: str = ""
    """System message; a task's own description follows it."""
    template: str = "stagecoach"
    """Template of checkpoints of ours: a name in templates/chat, or the path of a file. Folders of Hugging Face and
    endpoints have theirs."""

    @property
    def name(self) -> str:
        """The form in the name of a cell: `chat`, `chat-one-turn`, `chat-vicuna`, `chat-system-1a2b3c4d`."""
        template = "" if self.template == "stagecoach" else Path(self.template).stem
        parts = ("chat", "" if self.multiturn else "one-turn", template)
        system = f"system-{hashlib.sha256(self.system.encode()).hexdigest()[:8]}" if self.system else ""
        return "-".join(filter(None, (*parts, system)))

    def of(self, model: str) -> ChatForm | None:
        """Return the form in which a model is asked; None: as plain text."""
        is_asked = self.models is None or model in self.models
        return self.model_copy(update={"models": None}) if is_asked else None


Chat = Annotated[ChatForm | Literal[False] | None, BeforeValidator(lambda value: {} if value is True else value)]


class TaskSettings(Section):
    """A task, or a sweep over one: each of its shots x seeds x variants is a cell."""

    task: str
    """`perplexity`, `facts`, `generate`, any task or group of lm-eval, a task of `definitions`, or `suite:<name>`."""
    num_fewshot: Natural | tuple[Natural, ...] | None = None
    """Solved examples before each question; None: the section's, else the task's own number."""
    seed: Natural | tuple[Natural, ...] = FEWSHOT_SEED
    """Seed for the choice of the solved examples."""
    limit: int | None = Field(default=None, ge=1)
    """Questions, the first ones; None: the section's."""
    variant: str | tuple[str, ...] = ""
    """A variant of the task, such as `llama`: a file `<task>@<variant>.yaml`; empty: lm-eval's own protocol."""
    repeats: int | None = Field(default=None, ge=1)
    """Texts generated for each question; None: the task's own number."""
    parts: int | None = Field(default=None, ge=1, le=1000)
    """Units that share the requests of the task; null: as many as its cost asks for (`resources.evaluate.element_min`),
    one for endpoints and for our own tasks. The scores are those of one unit."""
    chat: Chat = None
    """Ask through the model's chat template; null: the section's, false: as plain text."""
    pictures: Shown | tuple[Shown, ...] | None = None
    """Pictures that questions show, a cell each: `shown`, `shuffled` among the questions, `none`. null: all three for
    tasks of `definitions` where the section has `pictures`, so that each score has its blind controls."""
    sounds: Shown | tuple[Shown, ...] | None = None
    """Sounds that questions have, a cell each, as `pictures`."""

    tools: ToolUse | tuple[ToolUse, ...] | None = None
    """Tools of the section in generated answers, a cell each: `used`, or `withheld` from a model that learned them.
    null: the model writes as it likes, and nothing is run."""

    def given(self) -> dict[str, Any]:
        """Return the settings that are not the defaults. A job reads its settings back with all of them set."""
        plain = TaskSettings(task=self.task)
        return {name: value for name, value in self if value != getattr(plain, name)}

    @model_validator(mode="before")
    @classmethod
    def _from_a_name(cls, value: Any) -> Any:
        return {"task": value} if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One task with all its settings."""

    task: str
    num_fewshot: int | None = None
    """None: the task's own number."""
    seed: int = FEWSHOT_SEED
    limit: int | None = None
    variant: str = ""
    repeats: int | None = None
    parts: int | None = None
    chat: ChatForm | None = None
    """None: as plain text."""
    pictures: Shown = "shown"
    sounds: Shown = "shown"
    tools: ToolUse | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it is one of our own tasks, which take no settings."""
        return self.task in OURS

    @property
    def name(self) -> str:
        """The task and the settings that are not its own: `arc_easy@25-shot,seed7`. Parts change no answer."""
        settings = (
            "" if self.num_fewshot is None else f"{self.num_fewshot}-shot",
            "" if self.seed == FEWSHOT_SEED else f"seed{self.seed}",
            "" if self.limit is None else f"first{self.limit}",
            self.variant,
            "" if self.repeats is None else f"{self.repeats}-times",
            self.chat.name if self.chat else "",
            self.blind,
            self.calling,
        )
        return "@".join(filter(None, (self.task, ",".join(filter(None, settings)))))

    @property
    def blind(self) -> str:
        """Name of a blind control; empty: it is none."""
        controls = {"pictures": self.pictures, "sounds": self.sounds}
        return ",".join(f"{field}-{shown}" for field, shown in controls.items() if shown != "shown")

    @property
    def calling(self) -> str:
        """Name of the use of tools; empty: the task has none."""
        return {None: "", "used": "tools", "withheld": "tools-withheld"}[self.tools]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Settings for tasks that name none, and the model that is asked."""

    num_fewshot: int | None = None
    limit: int | None = None
    chat: ChatForm | Literal[False] | None = None
    model: str = ""
    needs_chat: bool = False
    """Whether the model takes conversations alone, as the chat API of an endpoint does."""
    has_pictures: bool = False
    """Whether the section has pictures, which tasks of its own definitions show."""
    has_sounds: bool = False
    """Whether it has sounds."""


def cells_of(tasks: Sequence[TaskSettings], asked: Asked) -> tuple[Cell, ...]:
    """Return the cells of tasks in order.

    Raises ConfigError for settings that a task cannot have, and for two equal cells.
    """
    cells = tuple(cell for task in _expanded(tasks) for cell in _sweep(task, asked))
    names = [cell.name for cell in cells]
    if not names or len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ConfigError("tasks", twice, "one or more different tasks or settings (for example [perplexity])")
    return cells


def _sweep(task: TaskSettings, asked: Asked) -> Iterator[Cell]:
    if task.task in OURS:
        if task.given():
            raise ConfigError("tasks", task.task, "a task of lm-eval or of `definitions`: ours have sections instead")
        yield Cell(task=task.task)
        return
    own = {leaf.shape.shots or 0 for leaf in read_index().leaves(task.task)}
    fixed = {leaf.shape.shots for leaf in read_index().leaves(task.task)} == {0}
    of_section = None if fixed else asked.num_fewshot  # as lm-eval does: a task with a fixed zero keeps it
    shots = _several(of_section if task.num_fewshot is None else task.num_fewshot)
    is_own = task.task not in read_index()
    shows = is_own and (asked.has_pictures or asked.has_sounds)
    pictures = task.pictures or (SHOWN if is_own and asked.has_pictures else "shown")
    sounds = task.sounds or (SHOWN if is_own and asked.has_sounds else "shown")
    sweeps = (shots, *map(_several, (task.seed, task.variant, pictures, sounds, task.tools)))
    for number, seed, variant, seen, heard, tools in product(*sweeps):
        yield Cell(
            task=task.task,
            num_fewshot=None if own == {number} and not variant else number,  # the same measurement as unasked
            seed=seed,
            limit=asked.limit if task.limit is None else task.limit,
            variant=variant,
            repeats=task.repeats,
            parts=task.parts,
            chat=_form(asked.chat if task.chat is None else task.chat, asked, shows=shows),
            pictures=seen,
            sounds=heard,
            tools=tools,
        )


def _form(chat: ChatForm | Literal[False] | None, asked: Asked, *, shows: bool) -> ChatForm | None:
    """Return the form of a task; one with pictures or sounds is a conversation unless the recipe says otherwise."""
    form = chat.of(asked.model) if chat else None
    return form or (ChatForm() if asked.needs_chat or (shows and chat is None) else None)


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _expanded(tasks: Sequence[TaskSettings]) -> Iterator[TaskSettings]:
    """Yield the tasks, those of a suite in its place. Settings beside a suite are for all its tasks."""
    for task in tasks:
        if not task.task.startswith(SUITE):
            yield task
            continue
        given = task.given()
        for member in read_suite(task.task.removeprefix(SUITE)).tasks:
            yield member if member.task in OURS else member.model_copy(update=given)


class Suite(Section):
    """Tasks that are published together."""

    about: str
    """The suite and its source, in one sentence."""
    tasks: tuple[TaskSettings, ...]


@functools.cache
def read_suite(name: str) -> Suite:
    """Return a shipped suite. Raises ConfigError for a name that is none."""
    path = SUITES / f"{name}.yaml"
    if path not in SUITES.iterdir():
        known = [each.stem for each in SUITES.iterdir()]
        raise ConfigError("tasks", f"{SUITE}{name}", f"a shipped suite; {nearest(name, known)}")
    return Suite.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
