"""Evaluates one checkpoint on one cell: loads both, asks lm-eval, writes results and samples.

Of several ranks the first does all this; the others hold their parts of the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.evaluate.adapter import ADAPTER_VERSION, CheckpointLM
from stages.evaluate.answers import Answers
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
from stages.evaluate.tasks.prompts import Window, drop_examples
from stages.evaluate.tasks.toxicity import read_scorer, score_toxicity
from stages.formats.kinds import KINDS
from stages.formats.results import EvaluationKey, Generation, Results, write_generations, write_lines, write_results
from stages.formats.tokenizer import Tokenizer
from stages.generate.opening import Description, Opened, describe, is_release, open_checkpoint, open_release
from stages.generate.sampling import Sampling
from stages.model import parallel
from stages.shared.contract import part_of, whole_of
from stages.shared.files import sha256_file, write_json
from stages.shared.task import Task

Ask = Callable[[Task[EvaluateConfig], Cell, CheckpointLM], dict[str, Any]]
"""Asks a unit's model and writes what comes of it; returns the summary."""


def run(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the results of one checkpoint on one cell into task.out; return the scores."""
    cell = cell_of(task.config, task.unit)
    if parts := task.steps.get(ANSWERS, ()):
        return _score(task, cell, _load_tasks(cell, task), Replay(parts)) if task.ranks.rank == 0 else {}
    return _with_model(task, cell, _generate if cell.task == GENERATE else _ask)


def answer(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the answers to a part of a cell's requests into task.out; return their number."""
    return _with_model(task, cell_of(task.config, whole_of(task.unit)), _answer)


def _with_model(task: Task[EvaluateConfig], cell: Cell, ask: Ask) -> dict[str, Any]:
    """Return what the first rank's `ask` returns of the unit's checkpoint; the other ranks return nothing."""
    opened = open_model(task)
    if not parallel.is_first():
        Engine(opened.model, opened.codec, task.config.batch_tokens).follow()
        return {}
    with leading(), _adapter(task, cell, opened) as adapter:
        return ask(task, cell, adapter)


def _ask(task: Task[EvaluateConfig], cell: Cell, adapter: CheckpointLM) -> dict[str, Any]:
    return _score(task, cell, _load_tasks(cell, task), adapter)


def _answer(task: Task[EvaluateConfig], cell: Cell, adapter: CheckpointLM) -> dict[str, Any]:
    loaded = _load_tasks(cell, task)
    count = answer_share(adapter, loaded, cell.limit, part_of(task.unit), task.out)
    return {"checkpoint": task.inputs["checkpoints"][0].source, "task": cell.name, "requests": count}


def _generate(task: Task[EvaluateConfig], _cell: Cell, adapter: CheckpointLM) -> dict[str, Any]:
    checkpoint = task.inputs["checkpoints"][0]
    generations = continuations(adapter, task.config.generate, _description(task).identity, checkpoint.source)
    write_generations(task.out / KINDS.generations.file, generations)
    return {"checkpoint": checkpoint.source, "task": GENERATE, "generations": len(generations)}


def _score(
    task: Task[EvaluateConfig], cell: Cell, loaded: dict[str, Any], answering: CheckpointLM | Replay
) -> dict[str, Any]:
    model = Watched(answering)
    measured = measure(model, loaded, cell.limit)
    results = Results(
        key=_key(task, cell, max(measured["n-shot"].values()), model.digest),
        scores=collect_scores(measured, chances(loaded, measured), groups_of(loaded)),
        cut_requests=answering.cut.requests,
        cut_tokens=answering.cut.tokens,
        dropped_examples=sum(getattr(each, "dropped_examples", 0) for each in loaded["tasks"].values()),
        protocol=protocol_of(cell, _paths(task, "definitions")),
        outcomes=collect_outcomes(measured),
        members={name: group.tasks for name, group in groups_of(loaded).items() if all(group.by_size.values())},
    )
    write_results(task.out / KINDS.results.file, results, without_samples(measured))
    write_lines(task.out / KINDS.samples.file, sample_records(measured))
    if is_submitted(cell, _paths(task, "definitions")):
        write_json(task.out / submission.FILE, submission.submission_of(measured["samples"], cell.task))
    return {
        "checkpoint": task.inputs["checkpoints"][0].source,
        "task": cell.name,
        "scores": {f"{score.task} {score.metric}": score.value for score in results.scores},
    }


def cell_of(config: EvaluateConfig, unit: str) -> Cell:
    """Return the cell of a unit, whose key ends with the cell's name."""
    name = unit.rpartition("/")[2]
    return next(cell for cell in config.cells() if cell.name == name)


def _load_tasks(cell: Cell, task: Task[EvaluateConfig]) -> dict[str, Any]:
    if cell.task == PERPLEXITY:
        documents, tokenizer = task.config.perplexity.documents, Tokenizer(task.inputs["tokenizer"][0].path)
        return as_loaded([perplexity_task(_paths(task, "heldout"), documents, tokenizer)])
    if cell.task == FACTS:
        return as_loaded(facts_tasks(_paths(task, "facts")))
    datasets = _paths(task, "datasets")
    check_data(cell, datasets)
    use_datasets(task.work / "home", datasets)
    loaded = load_cell(cell, _paths(task, "definitions"), datasets)
    for each in loaded["tasks"].values() if task.inputs.get("toxicity") else ():
        score_toxicity(each, read_scorer(_paths(task, "toxicity")[0]))
    described = _description(task)
    for each in loaded["tasks"].values():
        drop_examples(each, Window(described.seq_len, described.codec.encode))
    return loaded


def _paths(task: Task[EvaluateConfig], *fields: str) -> list[Path]:
    """Return the files of input fields; some fields may not be set."""
    return [file.path for field in fields for file in task.inputs.get(field, ())]


def _asked(unit: str, cell: Cell) -> str:
    """Return the name of what a unit asks, the same for all checkpoints: the cell, or a part of it."""
    return cell.name + unit.rpartition(f"/{cell.name}")[2]


@contextmanager
def _adapter(task: Task[EvaluateConfig], cell: Cell, opened: Opened) -> Iterator[CheckpointLM]:
    """Yield the unit's checkpoint as a model of lm-eval's, with the answers that equal weights have given already."""
    checkpoint = task.inputs["checkpoints"][0].path
    digest = opened.identity if is_release(checkpoint) else model_digest(checkpoint)
    with answers_file(task, digest, _asked(task.unit, cell)) as path:
        answers = Answers(path, digest, task.should_stop, task.progress)
        yield CheckpointLM(opened.model, opened.codec, answers, task.config.batch_tokens, opened.first_id)


def _key(task: Task[EvaluateConfig], cell: Cell, shots: int, prompts: str) -> EvaluationKey:
    checkpoint, described = task.inputs["checkpoints"][0], _description(task)
    variant = shipped_variants().get(with_variant(cell.task, cell.variant))
    read = [*_paths(task, "heldout", "facts", "toxicity", "datasets", "definitions"), *([variant] if variant else [])]
    return EvaluationKey(
        checkpoint=described.identity,
        source=checkpoint.source,
        task=cell.task,
        num_fewshot=shots,
        seed=cell.seed,
        limit=cell.limit,
        variant=cell.variant,
        prompts=prompts,
        data=files_digest(read),
        first_token=described.first_id,
        dtype=described.dtype,
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


def _description(task: Task[EvaluateConfig]) -> Description:
    """Return what a unit's answers depend on; a unit that merges parts needs no model."""
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


def continuations(adapter: CheckpointLM, settings: GenerateConfig, identity: str, source: str) -> list[Generation]:
    """Return one continuation of each prompt, in order."""
    sampling = Sampling(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        seed=settings.seed,
    )
    found = adapter.generate([(prompt, sampling) for prompt in settings.prompts])
    return [
        Generation(
            checkpoint=identity,
            source=source,
            prompt=prompt,
            continuation=done.text,
            tokens=len(done.tokens),
            stopped=done.stopped,
            temperature=settings.temperature,
        )
        for prompt, done in zip(settings.prompts, found, strict=True)
    ]
