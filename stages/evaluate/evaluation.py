"""Evaluates one model on one cell: opens both, asks lm-eval, writes results and samples.

Of several ranks the first does all this; the others hold their parts of the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.evaluate.backends.asking import dialogue_of, endpoint_description, model_name, open_endpoint
from stages.evaluate.backends.calling import UnitTools, open_tools
from stages.evaluate.backends.dialogue import Dialogue
from stages.evaluate.backends.placing import Placing
from stages.evaluate.backends.settings import VllmSettings
from stages.evaluate.backends.vllm_engine import VllmLM, start_vllm
from stages.evaluate.backends.windows import ADAPTER_VERSION, WindowLM
from stages.evaluate.catalog.checks import check_data
from stages.evaluate.catalog.definitions import shipped_variants, with_variant
from stages.evaluate.cells import FACTS, GENERATE, PERPLEXITY, Cell
from stages.evaluate.config import ANSWERS, EvaluateConfig, GenerateConfig
from stages.evaluate.engine import Engine, leading
from stages.evaluate.harness import (
    Watched,
    chances,
    groups_of,
    harness_name,
    measure,
    sample_records,
    without_samples,
)
from stages.evaluate.parts import Replay, answer_share
from stages.evaluate.scores import collect_outcomes, collect_scores
from stages.evaluate.sharing import answers_file, model_digest
from stages.evaluate.tasks import submission
from stages.evaluate.tasks.loading import is_submitted, load_cell, protocol_of, use_datasets
from stages.evaluate.tasks.own import as_loaded, facts_tasks, perplexity_task
from stages.evaluate.tasks.perceived import Shelves, medium_of, protocol, show
from stages.evaluate.tasks.prompts import Window, drop_examples
from stages.evaluate.tasks.seen import write_answers
from stages.evaluate.tasks.toxicity import read_scorer, score_toxicity
from stages.formats.kinds import KINDS
from stages.formats.results import EvaluationKey, Generation, Results, write_generations, write_lines, write_results
from stages.generate.opening import Description, Opened, describe, is_release, open_checkpoint, open_release
from stages.generate.sampling import Sampling
from stages.generate.text import Codec
from stages.model import parallel
from stages.pictures.album import Album
from stages.pictures.sounds import SoundShelf
from stages.shared.contract import part_of, whole_of
from stages.shared.errors import ConfigError
from stages.shared.files import sha256_file, write_json
from stages.shared.task import Task

CALLS = "calls.jsonl"
"""What a unit's model wrote with tools, calls included."""
Ask = Callable[[Task[EvaluateConfig], Cell, WindowLM], dict[str, Any]]
"""Asks a unit's model and writes what comes of it; returns the summary."""


def run(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the results of one model on one cell into task.out; return the scores."""
    cell = cell_of(task.config, task.unit)
    if parts := task.steps.get(ANSWERS, ()):
        return _score(task, cell, _load_tasks(cell, task), Replay(parts)) if task.ranks.rank == 0 else {}
    return _with_model(task, cell, _generate if cell.task == GENERATE else _ask)


def answer(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the answers to a part of a cell's requests into task.out; return their number."""
    return _with_model(task, cell_of(task.config, whole_of(task.unit)), _answer)


def _with_model(task: Task[EvaluateConfig], cell: Cell, ask: Ask) -> dict[str, Any]:
    """Return what the first rank's `ask` returns of the unit's model; the other ranks return nothing."""
    if (name := model_name(task.unit, cell)) in task.config.endpoints:
        return ask(task, cell, open_endpoint(task, name, _asked(task.unit, cell))) if task.ranks.rank == 0 else {}
    if task.config.vllm is not None:
        return _with_vllm(task, cell, task.config.vllm, ask) if task.ranks.rank == 0 else {}
    opened = open_model(task)
    if not parallel.is_first():
        engine = Engine(opened.model, opened.codec, task.config.batch_tokens, task.config.cache_mb)
        engine.tools = _tools(task, cell, opened.codec)
        engine.follow()
        return {}
    with leading(), _answers(task, opened.identity, _asked(task.unit, cell)) as answers:
        batch, cache = task.config.batch_tokens, task.config.cache_mb
        adapter = CheckpointLM(opened.model, opened.codec, answers, batch, opened.first_id, cache)
        adapter.placing = _placing(task, opened)
        adapter.engine.tools = _tools(task, cell, opened.codec)
        return ask(task, cell, adapter)


def _with_vllm(task: Task[EvaluateConfig], cell: Cell, settings: VllmSettings, ask: Ask) -> dict[str, Any]:
    described = _description(task, cell)
    engine = start_vllm(task.inputs["checkpoints"][0].path, settings, described.seq_len)
    with _answers(task, described.identity, f"{_asked(task.unit, cell)} vllm {settings.dtype}") as answers:
        return ask(task, cell, VllmLM(engine, described, answers))


def _ask(task: Task[EvaluateConfig], cell: Cell, model: WindowLM) -> dict[str, Any]:
    loaded = _load_tasks(cell, task)
    _require_sense(loaded, model)
    return _score(task, cell, loaded, model)


def _tools(task: Task[EvaluateConfig], cell: Cell, codec: Codec) -> UnitTools | None:
    """Return the tools of a unit; None: its task has none."""
    if cell.tools is None:
        return None
    names = task.config.toolbox if cell.tools == "used" else ()
    return open_tools(names, _paths(task, "corpus"), task.config.passage_words, codec)


def _placing(task: Task[EvaluateConfig], opened: Opened | None) -> Placing | None:
    """Return the pictures or sounds of a unit's questions for its model; None: it has none."""
    shelf = next(iter(_shelves(task).values()), None)
    return Placing(shelf, opened.model.sense if opened else None) if shelf else None


def _shelves(task: Task[EvaluateConfig]) -> Shelves:
    """Return the collections of a unit."""
    kinds: dict[str, type[Album | SoundShelf]] = {"pictures": Album, "sounds": SoundShelf}
    return {field: kind(folders) for field, kind in kinds.items() if (folders := _paths(task, field))}


def _dialogue(task: Task[EvaluateConfig], cell: Cell, answering: WindowLM | Replay) -> Dialogue | None:
    placing = answering.placing if isinstance(answering, CheckpointLM) else _placing(task, None)
    return dialogue_of(task, cell, _description(task, cell), placing)


def _require_sense(loaded: dict[str, Any], model: WindowLM) -> None:
    """Raise ConfigError for a task on pictures or sounds and a model that does not perceive them."""
    config = model.model.config if isinstance(model, CheckpointLM) else None
    for name, each in loaded["tasks"].items():
        if (medium := medium_of(each)) is None:
            continue
        sense, stage = {"pictures": ("eyes", "vision.train"), "sounds": ("ears", "speech.train")}[medium.field]
        if getattr(config, sense, None) is None:
            parts = f"checkpoints with an encoder and a join for {name} (stage {stage})"
            raise ConfigError("checkpoints", None, f"{parts}, or `{medium.field}: none` in its task")


def _answer(task: Task[EvaluateConfig], cell: Cell, model: WindowLM) -> dict[str, Any]:
    loaded, dialogue = _load_tasks(cell, task), _dialogue(task, cell, model)
    _require_sense(loaded, model)
    count = answer_share(model, loaded, cell.limit, part_of(task.unit), task.out, dialogue)
    return {"checkpoint": _source(task, cell), "task": cell.name, "requests": count}


def _generate(task: Task[EvaluateConfig], cell: Cell, model: WindowLM) -> dict[str, Any]:
    source = _source(task, cell)
    generations = continuations(model, task.config.generate, _description(task, cell).identity, source)
    write_generations(task.out / KINDS.generations.file, generations)
    return {"checkpoint": source, "task": GENERATE, "generations": len(generations)}


def _score(
    task: Task[EvaluateConfig], cell: Cell, loaded: dict[str, Any], answering: WindowLM | Replay
) -> dict[str, Any]:
    dialogue = _dialogue(task, cell, answering)
    model = Watched(answering, dialogue)
    measured = measure(model, loaded, cell.limit, dialogue.options if dialogue else None)
    results = Results(
        key=_key(task, cell, max(measured["n-shot"].values()), model),
        scores=collect_scores(measured, chances(loaded, measured), groups_of(loaded)),
        cut_requests=answering.cut.requests,
        cut_tokens=answering.cut.tokens,
        dropped_examples=sum(getattr(each, "dropped_examples", 0) for each in loaded["tasks"].values()),
        withheld=answering.cut.withheld,
        unfinished=answering.cut.unfinished,
        protocol=" ".join(filter(None, (protocol_of(cell, _paths(task, "definitions")), protocol(cell)))),
        outcomes=collect_outcomes(measured),
        members={name: group.tasks for name, group in groups_of(loaded).items() if all(group.by_size.values())},
    )
    write_results(task.out / KINDS.results.file, results, without_samples(measured))
    write_lines(task.out / KINDS.samples.file, sample_records(measured))
    if folders := _paths(task, "pictures"):
        write_answers(task.out, loaded, measured, Album(folders))
    if isinstance(answering, CheckpointLM) and cell.tools:
        write_lines(task.out / CALLS, answering.called)
    if is_submitted(cell, _paths(task, "definitions")):
        write_json(task.out / submission.FILE, submission.submission_of(measured["samples"], cell.task))
    return {
        "checkpoint": results.key.source,
        "task": cell.name,
        "scores": {f"{score.task} {score.metric}": score.value for score in results.scores},
    }


def cell_of(config: EvaluateConfig, unit: str) -> Cell:
    """Return the cell of a unit, whose key is the name of the model and the cell's name."""
    model, _, name = unit.rpartition("/")
    return next(cell for cell in config.cells(model) if cell.name == name)


def _source(task: Task[EvaluateConfig], cell: Cell) -> str:
    """Return the name of a unit's model in tables."""
    checkpoints = task.inputs.get("checkpoints", ())
    return checkpoints[0].source if checkpoints else model_name(task.unit, cell)


def _load_tasks(cell: Cell, task: Task[EvaluateConfig]) -> dict[str, Any]:
    described = _description(task, cell)
    if cell.task == PERPLEXITY:
        return as_loaded([perplexity_task(_paths(task, "heldout"), task.config.perplexity.documents, described.codec)])
    if cell.task == FACTS:
        return as_loaded(facts_tasks(_paths(task, "facts")))
    datasets = _paths(task, "datasets")
    check_data(cell, datasets)
    use_datasets(task.work / "home", datasets)
    loaded = load_cell(cell, _paths(task, "definitions"), datasets)
    for each in loaded["tasks"].values() if task.inputs.get("toxicity") else ():
        score_toxicity(each, read_scorer(_paths(task, "toxicity")[0]))
    for each in loaded["tasks"].values():
        drop_examples(each, Window(described.seq_len, described.codec.encode))
    shelves = _shelves(task)
    for each in loaded["tasks"].values():
        show(each, cell, shelves)
    return loaded


def _paths(task: Task[EvaluateConfig], *fields: str) -> list[Path]:
    """Return the files of input fields; some fields may not be set."""
    return [file.path for field in fields for file in task.inputs.get(field, ())]


def _asked(unit: str, cell: Cell) -> str:
    """Return the name of what a unit asks, the same for all checkpoints: the cell, or a part of it."""
    return cell.name + unit.rpartition(f"/{cell.name}")[2]


@contextmanager
def _answers(task: Task[EvaluateConfig], identity: str, asked: str) -> Iterator[Answers]:
    """Yield the answers that equal weights have given already to what is asked."""
    checkpoint = task.inputs["checkpoints"][0].path
    digest = identity if is_release(checkpoint) else model_digest(checkpoint)
    with answers_file(task, digest, asked) as path:
        yield Answers(path, digest, task.should_stop, task.progress)


def _key(task: Task[EvaluateConfig], cell: Cell, shots: int, model: Watched) -> EvaluationKey:
    described = _description(task, cell)
    endpoint = task.config.endpoints.get(model_name(task.unit, cell))
    variant = shipped_variants().get(with_variant(cell.task, cell.variant))
    read = [
        *_paths(task, "heldout", "facts", "toxicity", "datasets", "definitions", "pictures", "corpus"),
        *([variant] if variant else []),
    ]
    return EvaluationKey(
        checkpoint=described.identity,
        source=_source(task, cell),
        task=cell.task,
        num_fewshot=shots,
        seed=cell.seed,
        limit=cell.limit,
        variant=",".join(filter(None, (cell.variant, cell.blind, cell.calling))),
        prompts=model.digest,
        data=files_digest(read),
        first_token=described.first_id,
        dtype=described.dtype,
        backend=endpoint.api if endpoint else "vllm" if task.config.vllm else "own",
        chat=cell.chat.name if cell.chat else "",
        template=model.dialogue.template.identity if model.dialogue else "",
        adapter=str(ADAPTER_VERSION),
        harness=harness_name(),
    )


def files_digest(paths: Iterable[Path]) -> str:
    """Return the digest of files, and of all files in folders: of their content and names, not of where they are."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
            found.update(f"{file.relative_to(path.parent)} {sha256_file(file)}\n".encode())
    return found.hexdigest()


def _description(task: Task[EvaluateConfig], cell: Cell) -> Description:
    """Return what a unit's answers depend on; a unit that merges parts needs no model."""
    if (name := model_name(task.unit, cell)) in task.config.endpoints:
        return endpoint_description(task, name)
    folder = task.inputs["checkpoints"][0].path
    return _OPEN[folder] if folder in _OPEN else describe(folder, task.inputs["tokenizer"][0].path)


_OPEN: dict[Path, Opened] = {}
"""The model of this process by its folder, one at most: the units of an element share its loading."""


def open_model(task: Task[EvaluateConfig]) -> Opened:
    """Return the model of a unit's checkpoint, which stays loaded until another one is asked for: this rank's part.

    Collective. Raises DataError for a damaged one, or for another tokenizer than its training's.

    Side effect: joins the unit's ranks.
    """
    folder, layout = task.inputs["checkpoints"][0].path, task.config.layout
    parallel.start(task.ranks, parallel.Sizes(tp=layout.tp, pp=layout.pp, ep=layout.ep))
    if folder not in _OPEN:
        _OPEN.clear()
        pieces = task.inputs["tokenizer"][0].path
        _OPEN[folder] = open_release(folder) if is_release(folder) else open_checkpoint(folder, pieces)
    return _OPEN[folder]


def continuations(model: WindowLM, settings: GenerateConfig, identity: str, source: str) -> list[Generation]:
    """Return one continuation of each prompt, in order."""
    sampling = Sampling(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        seed=settings.seed,
    )
    found = model.generate([(prompt, sampling) for prompt in settings.prompts])
    return [
        Generation(
            checkpoint=identity,
            source=source,
            prompt=prompt,
            continuation=done.text,
            tokens=done.tokens,
            stopped=done.stopped,
            temperature=settings.temperature,
        )
        for prompt, done in zip(settings.prompts, found, strict=True)
    ]
