"""Settings of `evaluate`: tasks and checkpoints. A unit is a checkpoint and a cell, a task with its settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stages.evaluate.backends.settings import EndpointSettings, VllmSettings, lacks_vllm, no_scores
from stages.evaluate.catalog.checks import check_cell, check_data, check_jail, needed_datasets, needs_scores
from stages.evaluate.catalog.definitions import check_definitions, defined, is_read, shipped_variants, with_variant
from stages.evaluate.cells import FACTS, GENERATE, PERPLEXITY, Asked, Cell, Chat, TaskSettings, cells_of
from stages.evaluate.cost import (
    CHOICES,
    DOCUMENT_TOKENS,
    FACT_TOKENS,
    START_SECONDS,
    TOKEN_BYTES,
    Requests,
    core_seconds,
    endpoint_seconds,
    requests_of,
)
from stages.evaluate.forecast import CORE_SECONDS, forecast, with_index
from stages.formats.benchmarks.index import read_index
from stages.formats.chat.templates import digest_of
from stages.formats.kinds import KINDS
from stages.formats.results import UNTRAINED, Base, about_base
from stages.generate.layout import EngineLayout
from stages.model.checkpoint.names import COMPLETE
from stages.model.checkpoint.settings import PlannedModel, name_of, require_tokenizer
from stages.model.known import KnownModel, known_model
from stages.shared.contract import (
    PARTS,
    After,
    Cost,
    Forecast,
    InputFile,
    Inputs,
    Kind,
    Output,
    Reads,
    Section,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    parts_of,
    unique_keys,
)
from stages.shared.errors import ConfigError, StagecoachError, nearest
from stages.shared.machine import Machine
from stages.toolbox.memory import making_mb

NEEDS = {PERPLEXITY: "heldout", FACTS: "facts", "realtoxicityprompts@words": "toxicity"}
"""Input that one of our own tasks, or a shipped variant, needs."""
SETTINGS = {PERPLEXITY: ("perplexity",), GENERATE: ("generate",)}
"""Settings that change the results of one of our own tasks. Those of other tasks are in the name of the cell."""
MEDIA = ("pictures", "sounds")
"""Inputs that tasks of `definitions` show, or have heard."""
ANSWERS = "answers"
"""The step whose units answer a part of a cell's requests."""


ToolName = Literal["calculator", "calendar", "search"]


class PerplexityConfig(Section):
    """Perplexity of held-out documents: every token is predicted once, with as much context as the model takes."""

    documents: int = Field(default=200, ge=1)
    """Documents measured, at most: one of each held-out file in turn."""


class GenerateConfig(Section):
    """Continuations for people to read."""

    prompts: tuple[str, ...] = ("The capital of", "In the old town there is", "The animal called")
    """Texts to continue."""
    max_tokens: int = Field(default=60, ge=1)
    """Longest continuation, in tokens."""
    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    """Softmax temperature; 0 selects the likeliest token."""
    top_k: int = Field(default=0, ge=0)
    """Number of likeliest tokens to sample from; 0: all."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampling; each prompt has its own random stream."""


class AlarmConfig(Section):
    """An alarm on tasks that become worse from checkpoint to checkpoint; stages/evaluate/alarm.py has the rule."""

    tolerance: float = Field(default=0.005, ge=0.0, lt=1.0)
    """Loss of a task's score that is no loss: checkpoints of a healthy training differ by about as much."""
    level: float = Field(default=0.05, gt=0.0, lt=0.5)
    """Probability of an alarm on a night without a loss, over all tasks together."""


class EvaluateConfig(StageConfig):
    """Evaluates checkpoints with lm-eval on local files, without a network."""

    stage: ClassVar[str] = "evaluate"

    checkpoints: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = "from:pretrain"
    """Checkpoint folders, and folders of Hugging Face. The source names each in tables (`final`, `untrained`). null:
    none, where endpoints are evaluated alone."""
    tokenizer: Annotated[Inputs | None, Reads(KINDS.tokenizer)] = "from:tokenizer"
    """The tokenizer of the checkpoints' training; null where there are none."""
    endpoints: dict[str, EndpointSettings] = Field(default_factory=dict)
    """Models behind OpenAI-compatible endpoints, by the names that tables show."""
    tokenizers: Annotated[Inputs | None, Reads(KINDS.release)] = None
    """Folders of Hugging Face with the tokenizers of endpoints' models, by the endpoint's name:
    `{mine: /data/hf/llama-3}`."""
    vllm: VllmSettings | None = None
    """Answer for folders of Hugging Face with vLLM, which must be installed beside us; null: with our own engine."""
    heldout: Annotated[Inputs | None, Reads(KINDS.heldout)] = None
    """Documents that training did not read, for the task `perplexity`."""
    facts: Annotated[Inputs | None, Reads(KINDS.facts)] = None
    """JSONL of {id, question, choices, answer}, for the task `facts`."""
    toxicity: Annotated[Inputs | None, Reads(KINDS.toxicity)] = None
    """The scorer of `realtoxicityprompts@words`: a line is `word`, `word<TAB>weight` in log-odds, or `*<TAB>bias`."""
    datasets: Annotated[Inputs | None, Reads(KINDS.datasets)] = None
    """Folders of prepared data of lm-eval's tasks: `HOME/datasets/*/*/*/*` of a Hugging Face home. Nothing is
    downloaded."""
    definitions: Annotated[Inputs | None, Reads(KINDS.definition)] = None
    """Own tasks in lm-eval's format (`mine.yaml`), variants (`piqa@mine.yaml`), and the files that these name."""
    pictures: Annotated[Inputs | None, Reads(KINDS.pictures)] = None
    """Collections of the pictures that tasks of `definitions` show, by the keys that `doc_to_image` names."""
    sounds: Annotated[Inputs | None, Reads(KINDS.sounds)] = None
    """Collections of the sounds that tasks of `definitions` have, by the keys that `doc_to_audio` names. A section has
    pictures or sounds."""
    toolbox: tuple[ToolName, ...] = ()
    """Tools that checkpoints may call in generated answers, in Toolformer's notation, for tasks that say `tools: used`.
    The calendar tells the `date` of a task's row, as 2026-11-27."""
    corpus: Annotated[Inputs | None, Reads(KINDS.documents)] = None
    """Documents that the tool `search` searches."""
    passage_words: int = Field(default=100, ge=1)
    """Words of a passage that `search` returns."""
    tasks: tuple[TaskSettings, ...] = (TaskSettings(task=PERPLEXITY),)
    """Names of tasks, or mappings {task, num_fewshot, seed, limit, variant, repeats, parts, chat, pictures, sounds,
    tools}; a list of shots, seeds, variants, pictures, sounds or tools makes several. A task is `perplexity`, `facts`,
    `generate`, a name of lm-eval or of `definitions`, or a shipped suite: `suite:llama`."""
    num_fewshot: int | None = Field(default=None, ge=0)
    """Solved examples before each question, for tasks that name no number; None: each task's own. Ours have none."""
    limit: int | None = Field(default=None, ge=1)
    """Questions of each task, the first ones, for tasks that name no number; None: all. Ours have no limit."""
    chat: Chat = None
    """Ask tasks through the models' chat templates, for tasks that say nothing. Ours are asked as plain text."""
    perplexity: PerplexityConfig = PerplexityConfig()
    generate: GenerateConfig = GenerateConfig()
    base: str | None = None
    """Name of the checkpoint or endpoint with which the report compares all others; null: the newest checkpoint with
    the one before it, and a fine-tuned one with the weights that it started from."""
    alarm: AlarmConfig | None = None
    """Alarm on tasks that become worse, over the checkpoints in the order of training; None: none."""
    layout: EngineLayout = EngineLayout()
    """Processes that hold a unit's model together. Log-likelihoods depend on it in the last bits only: it is no part of
    a result's identity."""
    batch_tokens: int = Field(default=4096, ge=1)
    """Tokens of a forward pass, at most: no padding is among them. Log-likelihoods depend on it in the last bits only:
    it is no part of a result's identity."""
    cache_mb: int | None = Field(default=None, ge=1)
    """Memory for the keys and values of texts that are generated together, on each rank; None: as much as the weights
    take there, and at least 64 MB. More memory, more texts at a time. It is no part of a result's identity."""

    def cells(self, model: str = "") -> tuple[Cell, ...]:
        """Return what a model is asked, in order. Raises ConfigError."""
        needs_chat = model in self.endpoints and self.endpoints[model].api == "chat"
        section = Asked(
            num_fewshot=self.num_fewshot,
            limit=self.limit,
            chat=self.chat,
            model=model,
            needs_chat=needs_chat,
            has_pictures=self.pictures is not None,
            has_sounds=self.sounds is not None,
        )
        return cells_of(self.tasks, section)

    def asked(self, checkpoints: Sequence[InputFile]) -> list[tuple[str, Cell]]:
        """Return the name of the model and the cell of each unit, in order: checkpoints, then endpoints."""
        return [(name, cell) for name in (*names_of(checkpoints), *self.endpoints) for cell in self.cells(name)]

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return a step over the parts of cells that have several, and the step over models x cells.

        Raises ConfigError for a cell that cannot work: its name, its data, its shots, or its model.
        """
        checkpoints = inputs.get("checkpoints", ())
        asked = self.asked(checkpoints)
        self._check(asked, inputs)
        sources = {
            **{name: each.source for name, each in zip(names_of(checkpoints), checkpoints, strict=True)},
            **{name: name for name in self.endpoints},
        }
        bases = self._bases(checkpoints)
        read = {cell: {**read_by(cell, inputs), **self._searched(cell, inputs)} for _, cell in asked}
        models = self._models(inputs)
        planned = [
            (self._unit(name, cell, {**models[name], **read[cell]}), cell, sources[name]) for name, cell in asked
        ]
        outputs = [
            Output(step="", unit=unit.key, kind=kind, source=source, about=about_base(bases.get(name)))
            for (unit, cell, source), (name, _) in zip(planned, asked, strict=True)
            for kind in offers(cell, read[cell])
        ]
        steps = [
            _step(ANSWERS, "answer", (), self.layout),
            _step("", "run", tuple(unit for unit, _, _ in planned), self.layout, (After(ANSWERS, PARTS),)),
        ]
        if self.alarm is not None:
            steps.append(_ALARM)
            outputs.append(Output(step=_ALARM.name, unit="all", kind=KINDS.alarm, source=""))
        return StagePlan(steps=tuple(steps), outputs=tuple(outputs))

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return the memory of a unit of the largest model; None for the alarm, for vLLM, and while no model is known.

        Raises ConfigError if a GPU has too little memory for it.
        """
        pieces = next((file.count for file in inputs.get("tokenizer", ())), 0)
        known = {str(name_of(file)): known_model(file, pieces) for file in inputs.get("checkpoints", ())}
        models = {name: model for name, model in known.items() if model is not None}
        if step == _ALARM.name or self.vllm is not None or not models:
            return None
        found = forecast(models, self.layout, self.batch_tokens, self.cache_mb, machine)
        return with_index(found, making_mb(inputs.get("corpus", ())), self.layout)

    def costs(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, parts: Mapping[str, int]
    ) -> Mapping[str, Cost]:
        """Return the costs of units; that of the alarm is as planned."""
        if step == _ALARM.name:
            return {}
        pieces = next((file.count for file in inputs.get("tokenizer", ())), 0)
        checkpoints = inputs.get("checkpoints", ())
        models = {name: _known(file, pieces) for name, file in zip(names_of(checkpoints), checkpoints, strict=True)}
        asked = self.asked(checkpoints)
        requests = {cell: self._requests(cell, inputs) for cell in dict.fromkeys(cell for _, cell in asked)}
        engine = f"{'vllm' if self.vllm else 'own'} on {machine.gpu.type if machine.gpu else 'cores'}"
        costs = dict[str, Cost]()
        for name, cell in asked:
            key = f"{name}/{cell.name}"
            count, endpoint = parts.get(key, 1), self.endpoints.get(name)
            kind = endpoint.identity if endpoint else engine
            if step != ANSWERS and count > 1:
                costs[key] = Cost(core_seconds=START_SECONDS, kind=f"{kind}, merging", like=cell.name)
                continue
            if endpoint:
                seconds = endpoint_seconds(requests[cell], endpoint, count)
            else:
                seconds = core_seconds(requests[cell], models[name], machine, self.layout.ranks, count)
            keys = [part.key for part in parts_of(Unit(key=key), count)] if step == ANSWERS else [key]
            costs.update(dict.fromkeys(keys, Cost(core_seconds=seconds, kind=kind, like=cell.name)))
        return costs

    def _requests(self, cell: Cell, inputs: Mapping[str, tuple[InputFile, ...]]) -> tuple[Requests, ...]:
        """Return the requests of a cell, as far as settings, sizes and headers tell."""
        if cell.task == PERPLEXITY:
            return (Requests(self.perplexity.documents, DOCUMENT_TOKENS),)
        if cell.task == GENERATE:
            return (Requests(len(self.generate.prompts), 0, self.generate.max_tokens),)
        if cell.task == FACTS:
            tokens = 1e6 * sum(file.mb for file in inputs.get("facts", ())) / TOKEN_BYTES
            return (Requests(round(tokens / FACT_TOKENS), FACT_TOKENS, asked=CHOICES),)
        return requests_of(cell, [file.path for file in inputs.get("datasets", ())])

    def _models(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> dict[str, dict[str, tuple[InputFile, ...]]]:
        """Return the files of each model by input field."""
        checkpoints = inputs.get("checkpoints", ())
        found: dict[str, dict[str, tuple[InputFile, ...]]] = {
            name: {"checkpoints": (each,), "tokenizers": ()}
            for name, each in zip(names_of(checkpoints), checkpoints, strict=True)
        }
        for name in self.endpoints:
            files = tuple(file for file in inputs.get("tokenizers", ()) if _owner(file) == name)
            found[name] = {"checkpoints": (), "tokenizer": (), "tokenizers": files[:1]}
        return found

    def _unit(self, model: str, cell: Cell, read: Mapping[str, tuple[InputFile, ...]]) -> Unit:
        """Return the unit of a model and a cell. It reads no data and uses no settings of other cells."""
        variant = shipped_variants().get(with_variant(cell.task, cell.variant)) if cell.variant else None
        parts = [variant.read_bytes()] if variant else []
        parts += [digest_of(cell.chat.template).encode()] if cell.chat else []
        parts += [self.endpoints[model].digest.encode()] if model in self.endpoints else []
        parts += [f"vllm {self.vllm.dtype}".encode()] if self.vllm and model not in self.endpoints else []
        return Unit(
            key=f"{model}/{cell.name}",
            inputs=read,
            uses=("toolbox", "passage_words") if cell.tools == "used" else SETTINGS.get(cell.task, ()),
            parts=self._parts(model, cell),
            data=hashlib.sha256(b"\n".join(parts)).hexdigest() if parts else "",
        )

    def _bases(self, checkpoints: Sequence[InputFile]) -> dict[str, Base]:
        """Return the base of each model that has one. Raises ConfigError for a base that is no model."""
        if self.base is None:
            return {name: Base(base, False) for name, base in bases_of(checkpoints).items()}
        names = [*names_of(checkpoints), *self.endpoints]
        if self.base not in names:
            wanted = f"the name of a checkpoint or an endpoint; {nearest(self.base, names)}"
            raise ConfigError("base", self.base, wanted)
        return {name: Base(self.base, True) for name in names if name != self.base}

    def _parts(self, model: str, cell: Cell) -> int | None:
        """Return the parts of a cell; None: as its cost asks for.

        Parts make no endpoint faster. A perplexity of parts would differ in its last bits: our own tasks stay whole.
        Tasks with tools do, too: their calls are written beside the scores.
        """
        if cell.tools or (cell.parts is None and (model in self.endpoints or cell.is_ours)):
            return 1
        return cell.parts

    def _check_media(self) -> None:
        for field in MEDIA:
            if (given := getattr(self, field)) is not None and (self.endpoints or self.vllm):
                wanted = "null with endpoints and vllm, which are asked in a section of text alone"
                raise ConfigError(field, given, wanted)
        if self.pictures is not None and self.sounds is not None:
            raise ConfigError("sounds", self.sounds, "null with pictures: a model sees or hears")

    def _check(self, asked: Sequence[tuple[str, Cell]], inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        checkpoints = inputs.get("checkpoints", ())
        if not checkpoints and not self.endpoints:
            raise ConfigError("checkpoints", self.checkpoints, "at least one checkpoint folder")
        if checkpoints and (found := len(inputs.get("tokenizer", ()))) != 1:
            raise ConfigError("tokenizer", self.tokenizer, f"exactly one tokenizer file, found {found}")
        self._check_media()
        self._check_tools(asked, inputs)
        self._check_endpoints(asked, inputs)
        self._check_chat([*names_of(checkpoints), *self.endpoints])
        cells = tuple(dict.fromkeys(cell for _, cell in asked))
        tasks = {with_variant(cell.task, cell.variant) for cell in cells}
        for task, field in NEEDS.items():
            if task in tasks and not inputs.get(field):
                wanted = f"a file, because `tasks` has {task!r}; set it or remove {task!r}"
                raise ConfigError(field, getattr(self, field), wanted)
        if GENERATE in tasks and not self.generate.prompts:
            raise ConfigError("generate.prompts", [], "at least one prompt for the task 'generate'")
        datasets, definitions = ([file.path for file in inputs.get(field, ())] for field in ("datasets", "definitions"))
        if definitions and not defined(definitions):
            raise ConfigError("definitions", self.definitions, "files with a *.yaml among them (for example mine/*)")
        for cell in cells:
            check_cell(cell, datasets, definitions)

    def _searched(self, cell: Cell, inputs: Mapping[str, tuple[InputFile, ...]]) -> dict[str, tuple[InputFile, ...]]:
        return {"corpus": inputs.get("corpus", ()) if cell.tools == "used" else ()}

    def _check_tools(self, asked: Sequence[tuple[str, Cell]], inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise ConfigError for tools that no checkpoint can call, and a search without documents."""
        cells = [cell for _, cell in asked if cell.tools]
        if cells and not self.toolbox:
            raise ConfigError("toolbox", [], f"names of tools for {cells[0].name!r} (for example [calculator])")
        if cells and (self.endpoints or self.vllm):
            raise ConfigError("toolbox", self.toolbox, "empty with endpoints and vllm: they run no tool of ours")
        if ("search" in self.toolbox) != bool(inputs.get("corpus")):
            wanted = "documents to search" if "search" in self.toolbox else "null: `toolbox` has no search"
            raise ConfigError("corpus", self.corpus, wanted)

    def _check_chat(self, names: list[str]) -> None:
        """Raise ConfigError for a conversation with a model that is not here."""
        forms = [("chat", self.chat), *((f"tasks.{at}.chat", task.chat) for at, task in enumerate(self.tasks))]
        for setting, form in forms:
            for name in (form.models or ()) if form else ():
                if name not in names:
                    wanted = f"the name of a checkpoint or an endpoint; {nearest(name, names)}"
                    raise ConfigError(f"{setting}.models", name, wanted)

    def _check_endpoints(self, asked: Sequence[tuple[str, Cell]], inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise ConfigError for an endpoint that cannot be asked what it is asked, as far as settings tell."""
        names = names_of(inputs.get("checkpoints", ()))
        for name in self.endpoints:
            if name in names or "/" in name or not name:
                raise ConfigError("endpoints", name, "a name without `/` that no checkpoint has (for example mine)")
        owners = [_owner(file) for file in inputs.get("tokenizers", ())]
        for owner in owners:
            if owner not in self.endpoints:
                raise ConfigError("tokenizers", owner, f"the name of an endpoint; {nearest(owner, [*self.endpoints])}")
        for name, cell in asked:
            settings = self.endpoints.get(name)
            if settings is None:
                continue
            if needs_scores(cell) and (settings.api == "chat" or name not in owners):
                raise no_scores(name, settings, cell.name)
            if cell.chat and settings.api == "completions" and name not in owners:
                wanted = "the folder of this model's tokenizer and chat template, or `api: chat`"
                raise ConfigError("tokenizers", None, f"{{{name}: {wanted}}} for {cell.name!r}")

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Look into definitions and into the headers of prepared data: splits, and the number of solved examples.

        Also looks at the tokenizers of checkpoints, at models that the layout cannot split, and for what a jail needs
        if a task runs the model's code.
        """
        for checkpoint in inputs.get("checkpoints", ()):
            if known := known_model(checkpoint):
                self.layout.require(known.config, str(name_of(checkpoint)))
            is_ours = bool(checkpoint.section) or (checkpoint.path / COMPLETE).is_file()
            if is_ours:
                require_tokenizer(checkpoint, inputs.get("tokenizer", ()))
            if self.vllm and is_ours:
                wanted = "null for checkpoints of ours: vLLM loads folders of Hugging Face, which `release` writes"
                raise ConfigError("vllm", self.vllm.model_dump(), wanted)
        if self.vllm and (lack := lacks_vllm()):
            raise ConfigError("vllm", self.vllm.model_dump(), f"null: {lack}")
        outside = {field: [file.path for file in files if not file.section] for field, files in inputs.items()}
        check_definitions(outside.get("definitions", ()))
        for cell in self.cells():
            check_jail(cell)
            check_data(cell, outside.get("datasets", ()))


def _step(
    name: str, function: str, units: tuple[Unit, ...], layout: EngineLayout, after: tuple[After, ...] = ()
) -> Step:
    return Step(
        name=name,
        run=f"stages.evaluate.run:{function}",
        units=units,
        uses=(),
        reads=(
            *("checkpoints", "tokenizer", "tokenizers", "datasets", "definitions", *MEDIA, "corpus"),
            *NEEDS.values(),
        ),
        after=after,
        ranks=layout.ranks,
        resumes=True,
        shape="small" if layout.ranks == 1 else "generate",
        core_seconds=CORE_SECONDS,
        version=6,
        data=f"lm-eval {read_index().harness}",
    )


_ALARM = Step(
    name="alarm",
    run="stages.evaluate.run:alarm",
    units=(Unit(key="all"),),
    uses=("alarm", "tasks", "num_fewshot", "limit", "chat"),
    reads=("checkpoints",),
    after=(After(""),),
    shape="small",
    core_seconds=2.0,
    version=2,
)


def names_of(checkpoints: Sequence[InputFile]) -> list[str]:
    """Return the checkpoints' names, in which the keys of their units begin: the source, or the folder's name."""
    return [*unique_keys(checkpoint.source or checkpoint.path.name for checkpoint in checkpoints)]


def _known(checkpoint: InputFile, pieces: int) -> KnownModel | None:
    """Return the model of a checkpoint; None also for a damaged one, since an estimate refuses nothing."""
    try:
        return known_model(checkpoint, pieces)
    except StagecoachError:
        return None


def bases_of(checkpoints: Sequence[InputFile]) -> dict[str, str]:
    """Return, by name of each fine-tuned checkpoint, the name of the checkpoint with the weights that it started from.

    That is the evaluated file of the start itself, else the training's own `untrained`.
    """
    names = names_of(checkpoints)
    by_place = {file.where: name for name, file in zip(names, checkpoints, strict=True)}
    untrained = {file.section: name for name, file in zip(names, checkpoints, strict=True) if _is_untrained(file)}
    found = {}
    for name, file in zip(names, checkpoints, strict=True):
        planned = PlannedModel.of(file)
        if planned is not None and planned.start and not _is_untrained(file):
            found[name] = by_place.get(planned.start, untrained.get(file.section, ""))
    return {name: base for name, base in found.items() if base}


def _is_untrained(checkpoint: InputFile) -> bool:
    return bool(checkpoint.section) and checkpoint.path.name == UNTRAINED


def _owner(tokenizer: InputFile) -> str:
    """Return the name of the endpoint whose tokenizer a folder has: a release has its own name behind it."""
    return tokenizer.source.partition("/")[0]


def read_by(cell: Cell, inputs: Mapping[str, tuple[InputFile, ...]]) -> dict[str, tuple[InputFile, ...]]:
    """Return the files that a cell reads besides its checkpoint, by input field."""
    datasets, definitions = inputs.get("datasets", ()), inputs.get("definitions", ())
    names = defined(file.path for file in definitions)
    folders = set(needed_datasets(cell, [file.path for file in datasets]))
    return {
        **{
            field: inputs.get(field, ()) if task == with_variant(cell.task, cell.variant) else ()
            for task, field in NEEDS.items()
        },
        "datasets": tuple(file for file in datasets if file.path in folders),
        "definitions": tuple(file for file in definitions if is_read(file.path, cell.task, cell.variant, names)),
        **{field: () if cell.is_ours or cell.task in read_index() else inputs.get(field, ()) for field in MEDIA},
    }


def offers(cell: Cell, read: Mapping[str, tuple[InputFile, ...]]) -> tuple[Kind, ...]:
    """Return the kinds of file that a unit of a cell offers, given what it reads. Answers to blind ones are none."""
    if cell.task == GENERATE:
        return (KINDS.generations,)
    seen = (KINDS.seen, *(() if cell.blind else (KINDS.rollouts,))) if read.get("pictures") else ()
    return (KINDS.results, KINDS.samples, *seen)


Config = EvaluateConfig
