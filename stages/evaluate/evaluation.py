"""Evaluates one model on one cell: opens both, asks lm-eval, writes results and samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.evaluate.backends.asking import dialogue_of, endpoint_description, model_name, open_endpoint
from stages.evaluate.backends.vllm_engine import VllmLM, start_vllm
from stages.evaluate.backends.windows import ADAPTER_VERSION, WindowLM
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
from stages.evaluate.scores import collect_outcomes, collect_scores
from stages.evaluate.sharing import answers_file, model_digest
from stages.evaluate.tasks.loading import load_cell, protocol_of, use_datasets
from stages.evaluate.tasks.own import as_loaded, facts_tasks, perplexity_task
from stages.evaluate.tasks.prompts import Window, drop_examples
from stages.formats.kinds import KINDS
from stages.formats.results import EvaluationKey, Generation, Results, write_generations, write_lines, write_results
from stages.generate.opening import Description, Opened, describe, is_release, open_checkpoint, open_release
from stages.generate.sampling import Sampling
from stages.shared.contract import part_of, whole_of
from stages.shared.files import sha256_file
from stages.shared.task import Task


def run(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the results of one model on one cell into task.out; return the scores."""
    cell = cell_of(task.config, task.unit)
    if cell.task == GENERATE:
        with _model(task, cell) as model:
            return _generate(task, cell, model)
    loaded = _load_tasks(cell, task)
    if parts := task.steps.get(ANSWERS, ()):
        return _score(task, cell, loaded, Replay(parts))
    with _model(task, cell) as model:
        return _score(task, cell, loaded, model)


def _generate(task: Task[EvaluateConfig], cell: Cell, model: WindowLM) -> dict[str, Any]:
    source = _source(task, cell)
    generations = continuations(model, task.config.generate, _description(task, cell).identity, source)
    write_generations(task.out / KINDS.generations.file, generations)
    return {"checkpoint": source, "task": GENERATE, "generations": len(generations)}


def _score(
    task: Task[EvaluateConfig], cell: Cell, loaded: dict[str, Any], answering: WindowLM | Replay
) -> dict[str, Any]:
    dialogue = dialogue_of(task, cell, _description(task, cell))
    model = Watched(answering, dialogue)
    measured = measure(model, loaded, cell.limit, dialogue.options if dialogue else None)
    results = Results(
        key=_key(task, cell, max(measured["n-shot"].values()), model),
        scores=collect_scores(measured, chances(loaded, measured), groups_of(loaded)),
        cut_requests=answering.cut.requests,
        cut_tokens=answering.cut.tokens,
        dropped_examples=sum(getattr(each, "dropped_examples", 0) for each in loaded["tasks"].values()),
        withheld=answering.cut.withheld,
        protocol=protocol_of(cell, _paths(task, "definitions")),
        outcomes=collect_outcomes(measured),
        members={name: group.tasks for name, group in groups_of(loaded).items() if all(group.by_size.values())},
    )
    write_results(task.out / KINDS.results.file, results, without_samples(measured))
    write_lines(task.out / KINDS.samples.file, sample_records(measured))
    return {
        "checkpoint": results.key.source,
        "task": cell.name,
        "scores": {f"{score.task} {score.metric}": score.value for score in results.scores},
    }


def answer(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the answers to a part of a cell's requests into task.out; return their number."""
    cell = cell_of(task.config, whole_of(task.unit))
    loaded = _load_tasks(cell, task)
    dialogue = dialogue_of(task, cell, _description(task, cell))
    with _model(task, cell) as model:
        count = answer_share(model, loaded, cell.limit, part_of(task.unit), task.out, dialogue)
    return {"checkpoint": _source(task, cell), "task": cell.name, "requests": count}


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
def _model(task: Task[EvaluateConfig], cell: Cell) -> Iterator[WindowLM]:
    """Yield the unit's model as one of lm-eval's, with the answers that equal weights have given already."""
    name, asked = model_name(task.unit, cell), _asked(task.unit, cell)
    if name in task.config.endpoints:
        yield open_endpoint(task, name, asked)
        return
    folder = task.inputs["checkpoints"][0].path
    described = _description(task, cell)
    digest = described.identity if is_release(folder) else model_digest(folder)
    vllm = task.config.vllm
    with answers_file(task, digest, f"{asked} vllm {vllm.dtype}" if vllm else asked) as path:
        answers = Answers(path, digest, task.should_stop, task.progress)
        if vllm:
            yield VllmLM(start_vllm(folder, vllm, described.seq_len), described, answers)
            return
        opened = open_model(task)
        yield CheckpointLM(opened.model, opened.codec, answers, task.config.batch_tokens, opened.first_id)


def _key(task: Task[EvaluateConfig], cell: Cell, shots: int, model: Watched) -> EvaluationKey:
    described = _description(task, cell)
    endpoint = task.config.endpoints.get(model_name(task.unit, cell))
    variant = shipped_variants().get(with_variant(cell.task, cell.variant))
    read = [*_paths(task, "heldout", "facts", "datasets", "definitions"), *([variant] if variant else [])]
    return EvaluationKey(
        checkpoint=described.identity,
        source=_source(task, cell),
        task=cell.task,
        num_fewshot=shots,
        seed=cell.seed,
        limit=cell.limit,
        variant=cell.variant,
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
    """Return the model of a unit's checkpoint, which stays loaded until another one is asked for.

    Raises DataError for a damaged one, or for another tokenizer than its training's.
    """
    folder = task.inputs["checkpoints"][0].path
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
