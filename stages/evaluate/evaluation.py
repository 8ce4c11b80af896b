"""Evaluates one checkpoint on one cell: loads both, asks lm-eval, writes results and samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lm_eval.api.model import LM

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.evaluate.catalog.checks import check_data
from stages.evaluate.catalog.definitions import shipped_variants, with_variant
from stages.evaluate.cells import FACTS, GENERATE, PERPLEXITY, Cell
from stages.evaluate.config import ANSWERS, EvaluateConfig, GenerateConfig
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
from stages.evaluate.sampling import Sampling
from stages.evaluate.scores import collect_outcomes, collect_scores
from stages.evaluate.sharing import answers_file, model_digest
from stages.evaluate.tasks.loading import load_cell, protocol_of, use_datasets
from stages.evaluate.tasks.own import as_loaded, facts_tasks, perplexity_task
from stages.formats.kinds import KINDS
from stages.formats.results import EvaluationKey, Generation, Results, write_generations, write_lines, write_results
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.model.checkpoint.names import COMPLETE
from stages.model.checkpoint.settings import read_settings
from stages.shared.contract import part_of, whole_of
from stages.shared.errors import DataError
from stages.shared.files import sha256_file
from stages.shared.task import Task

ADAPTER = "1"
"""Version of our own code between harness and model. Raise it when answers to the same requests change."""


def run(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the results of one checkpoint on one cell into task.out; return the scores."""
    cell = cell_of(task.config, task.unit)
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    if cell.task == GENERATE:
        with _adapter(task, cell, tokenizer) as adapter:
            return _generate(task, adapter)
    loaded = _load_tasks(cell, task, tokenizer)
    if parts := task.steps.get(ANSWERS, ()):
        return _score(task, cell, loaded, tokenizer, Replay(parts))
    with _adapter(task, cell, tokenizer) as adapter:
        return _score(task, cell, loaded, tokenizer, adapter)


def _generate(task: Task[EvaluateConfig], adapter: CheckpointLM) -> dict[str, Any]:
    checkpoint = task.inputs["checkpoints"][0]
    generations = continuations(adapter, task.config.generate, _identity(checkpoint.path), checkpoint.source)
    write_generations(task.out / KINDS.generations.file, generations)
    return {"checkpoint": checkpoint.source, "task": GENERATE, "generations": len(generations)}


def _score(
    task: Task[EvaluateConfig], cell: Cell, loaded: dict[str, Any], tokenizer: Tokenizer, answering: LM
) -> dict[str, Any]:
    model = Watched(answering)
    measured = measure(model, loaded, cell.limit)
    results = Results(
        key=_key(task, cell, tokenizer, max(measured["n-shot"].values()), model.digest),
        scores=collect_scores(measured, chances(loaded, measured), groups_of(loaded)),
        protocol=protocol_of(cell, _paths(task, "definitions")),
        outcomes=collect_outcomes(measured),
        members={name: group.tasks for name, group in groups_of(loaded).items() if all(group.by_size.values())},
    )
    write_results(task.out / KINDS.results.file, results, without_samples(measured))
    write_lines(task.out / KINDS.samples.file, sample_records(measured))
    return {
        "checkpoint": task.inputs["checkpoints"][0].source,
        "task": cell.name,
        "scores": {f"{score.task} {score.metric}": score.value for score in results.scores},
    }


def answer(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the answers to a part of a cell's requests into task.out; return their number."""
    cell = cell_of(task.config, whole_of(task.unit))
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    loaded = _load_tasks(cell, task, tokenizer)
    with _adapter(task, cell, tokenizer) as adapter:
        count = answer_share(adapter, loaded, cell.limit, part_of(task.unit), task.out)
    return {"checkpoint": task.inputs["checkpoints"][0].source, "task": cell.name, "requests": count}


def cell_of(config: EvaluateConfig, unit: str) -> Cell:
    """Return the cell of a unit, whose key ends with the cell's name."""
    name = unit.rpartition("/")[2]
    return next(cell for cell in config.cells() if cell.name == name)


def _load_tasks(cell: Cell, task: Task[EvaluateConfig], tokenizer: Tokenizer) -> dict[str, Any]:
    if cell.task == PERPLEXITY:
        documents = task.config.perplexity.documents
        return as_loaded([perplexity_task(_paths(task, "heldout"), documents, tokenizer)])
    if cell.task == FACTS:
        return as_loaded(facts_tasks(_paths(task, "facts")))
    datasets = _paths(task, "datasets")
    check_data(cell, datasets)
    use_datasets(task.work / "home", datasets)
    return load_cell(cell, _paths(task, "definitions"), datasets)


def _paths(task: Task[EvaluateConfig], *fields: str) -> list[Path]:
    """Return the files of input fields; some fields may not be set."""
    return [file.path for field in fields for file in task.inputs.get(field, ())]


def _asked(unit: str, cell: Cell) -> str:
    """Return the name of what a unit asks, the same for all checkpoints: the cell, or a part of it."""
    return cell.name + unit.rpartition(f"/{cell.name}")[2]


@contextmanager
def _adapter(task: Task[EvaluateConfig], cell: Cell, tokenizer: Tokenizer) -> Iterator[CheckpointLM]:
    """Yield the unit's checkpoint as a model of lm-eval's, with the answers that equal weights have given already."""
    checkpoint = task.inputs["checkpoints"][0].path
    model = open_model(checkpoint, tokenizer)
    digest = model_digest(checkpoint)
    with answers_file(task, digest, _asked(task.unit, cell)) as path:
        answers = Answers(path, digest, task.should_stop, task.progress)
        yield CheckpointLM(model, tokenizer, answers, task.config.batch_tokens)


def _key(task: Task[EvaluateConfig], cell: Cell, tokenizer: Tokenizer, shots: int, prompts: str) -> EvaluationKey:
    checkpoint = task.inputs["checkpoints"][0]
    variant = shipped_variants().get(with_variant(cell.task, cell.variant))
    read = [*_paths(task, "heldout", "facts", "datasets", "definitions"), *([variant] if variant else [])]
    return EvaluationKey(
        checkpoint=_identity(checkpoint.path),
        source=checkpoint.source,
        task=cell.task,
        num_fewshot=shots,
        seed=cell.seed,
        limit=cell.limit,
        variant=cell.variant,
        prompts=prompts,
        data=files_digest(read),
        first_token=tokenizer.eos_id,
        dtype=read_settings(checkpoint.path).dtype,
        adapter=ADAPTER,
        harness=harness_name(),
    )


def files_digest(paths: Iterable[Path]) -> str:
    """Return the digest of files, and of all files in folders: of their content and names, not of where they are."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
            found.update(f"{file.relative_to(path.parent)} {sha256_file(file)}\n".encode())
    return found.hexdigest()


def _identity(checkpoint: Path) -> str:
    return sha256_file(checkpoint / COMPLETE)


_OPEN: dict[str, LoadedModel] = {}
"""The model of this process by its identity, one at most: the units of an element share its loading."""


def open_model(checkpoint: Path, tokenizer: Tokenizer) -> LoadedModel:
    """Return a checkpoint's model, which stays loaded until another one is asked for.

    Raises DataError if it was trained with another tokenizer.
    """
    identity = _identity(checkpoint)
    if identity not in _OPEN:
        _OPEN.clear()
        _OPEN[identity] = load_model(checkpoint)
    model = _OPEN[identity]
    if model.tokenizer_sha256 != tokenizer.sha256:
        remedy = "Set `tokenizer` to the tokenizer of the same run"
        raise DataError(checkpoint, "trained with another tokenizer than the one of this section", remedy)
    return model


def continuations(adapter: CheckpointLM, settings: GenerateConfig, identity: str, source: str) -> list[Generation]:
    """Return one continuation of each prompt, in order."""
    sampling = Sampling(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_k=settings.top_k,
        seed=settings.seed,
    )
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
        for prompt, done in zip(settings.prompts, adapter.generate(settings.prompts, sampling), strict=True)
    ]
