"""Evaluates one checkpoint on one task: loads both, asks lm-eval, writes results and samples."""

from __future__ import annotations

from typing import Any

from lm_eval.tasks import TaskManager

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.evaluate.config import FACTS, GENERATE, PERPLEXITY, EvaluateConfig, GenerateConfig
from stages.evaluate.harness import chances, harness_name, measure, sample_records, without_samples
from stages.evaluate.scores import collect_scores
from stages.evaluate.sharing import answers_file, model_digest
from stages.evaluate.tasks import as_loaded, facts_tasks, harness_tasks, perplexity_task
from stages.formats.kinds import KINDS
from stages.formats.results import EvaluationKey, Generation, Results, write_generations, write_lines, write_results
from stages.formats.tokenizer import Tokenizer
from stages.generate.opening import is_release, open_checkpoint, open_release
from stages.generate.sampling import Sampling
from stages.shared.task import Task


def run(task: Task[EvaluateConfig]) -> dict[str, Any]:
    """Write the results of one checkpoint on one task into task.out; return the scores."""
    path = task.inputs["checkpoints"][0].path
    name = task.unit.rpartition("/")[2]
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    loaded = None if name == GENERATE else _load_tasks(name, task, tokenizer)
    opened = open_release(path) if is_release(path) else open_checkpoint(path, task.inputs["tokenizer"][0].path)
    digest = opened.identity if is_release(path) else model_digest(path)
    with answers_file(task, digest, name) as kept:
        answers = Answers(kept, digest, task.should_stop, task.progress)
        adapter = CheckpointLM(opened.model, opened.codec, answers, task.config.batch_tokens, opened.first_id)
        return _results(task, name, loaded, adapter, opened.identity)


def _results(
    task: Task[EvaluateConfig], name: str, loaded: dict[str, Any] | None, adapter: CheckpointLM, identity: str
) -> dict[str, Any]:
    config, checkpoint = task.config, task.inputs["checkpoints"][0]
    if loaded is None:
        generations = continuations(adapter, config.generate, identity, checkpoint.source)
        write_generations(task.out / KINDS.generations.file, generations)
        return {"checkpoint": checkpoint.source, "task": name, "generations": len(generations)}
    ours_only = name in (PERPLEXITY, FACTS)
    measured = measure(adapter, loaded, limit=None if ours_only else config.limit)
    key = EvaluationKey(
        checkpoint=identity,
        source=checkpoint.source,
        task=name,
        num_fewshot=max(measured["n-shot"].values()),
        harness=harness_name(),
    )
    scores = collect_scores(measured, chances(loaded, measured))
    write_results(task.out / KINDS.results.file, Results(key=key, scores=scores), without_samples(measured))
    write_lines(task.out / KINDS.samples.file, sample_records(measured))
    return {
        "checkpoint": checkpoint.source,
        "task": name,
        "scores": {f"{score.task} {score.metric}": score.value for score in scores},
    }


def _load_tasks(name: str, task: Task[EvaluateConfig], tokenizer: Tokenizer) -> dict[str, Any]:
    if name == PERPLEXITY:
        documents = task.config.perplexity.documents
        return as_loaded([perplexity_task([file.path for file in task.inputs["heldout"]], documents, tokenizer)])
    if name == FACTS:
        return as_loaded(facts_tasks([file.path for file in task.inputs["facts"]]))
    return harness_tasks(name, task.config.num_fewshot, TaskManager())


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
