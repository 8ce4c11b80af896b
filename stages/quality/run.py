"""The steps of `quality`: the classifier, a file of documents with its scores, the sums over all files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from stages.formats.corpus.quality import STEPS, Measured, Quality, SourceScores, read_quality, write_quality
from stages.formats.documents import read_documents
from stages.formats.funnel import write_funnel
from stages.formats.heldout import is_heldout
from stages.formats.kinds import KINDS
from stages.quality import training
from stages.quality.blocks import QUALITY, Pii, QualityGate, QualityScore
from stages.quality.config import TRAIN, QualityConfig
from stages.quality.features import Vocabulary, split
from stages.shared.errors import DataError
from stages.shared.task import Task
from stages.text.blocks.executor import run_pipeline
from stages.text.blocks.gate import num_bytes, step_count
from stages.text.blocks.rejects import Rejects
from stages.text.blocks.rows import ReadRows, WriteRows
from stages.text.blocks.tap import Tap

MODEL = "quality.bin"
SCORES = "scores.json"


def train(task: Task[QualityConfig]) -> dict[str, Any]:
    """Write the classifier and what it is worth on held-out documents into task.out; return its AUC."""
    settings = task.config.training
    texts = {
        name: _sample([file.path for file in task.inputs[name]], settings.max_documents) for name in ("good", "bad")
    }
    lines: list[str] = []
    heldout: list[str] = []
    is_good: list[bool] = []
    is_right: list[bool] = []
    for name, documents in texts.items():
        for document in documents:
            kept, labels = (
                (heldout, is_right) if is_heldout(str(document.get("id", "")), settings.heldout) else (lines, is_good)
            )
            kept.append(split(document["text"]))
            labels.append(name == "good")
    for found in (is_good, is_right):
        if len(set(found)) < 2:
            path = task.inputs["good"][0].path
            raise DataError(path, "too few documents to train on and to measure", "Give at least 100 good and 100 bad")
    vocabulary = Vocabulary.of(lines, settings.min_count, settings.buckets)
    how = training.Training(settings.dim, settings.epochs, settings.lr, settings.seed)
    made = training.train(lines, is_good, vocabulary, how)
    training.write(task.out / MODEL, made)
    model = QualityScore(task.out / MODEL, training.LABELS[0], is_ours=True)
    scores = [model.of_line(line) for line in heldout]
    measured = Measured(
        trained=(sum(is_good), len(is_good) - sum(is_good)),
        heldout=(sum(is_right), len(is_right) - sum(is_right)),
        auc=auc(scores, is_right),
        good=histogram([score for score, right in zip(scores, is_right, strict=True) if right]),
        bad=histogram([score for score, right in zip(scores, is_right, strict=True) if not right]),
    )
    write_quality(task.out / SCORES, Quality(measured=measured))
    return {"auc": round(measured.auc, 4), "words": len(vocabulary.words), "documents": len(lines)}


def _sample(paths: Sequence[Path], count: int) -> Iterator[dict[str, Any]]:
    """Yield the first documents of each file in turn."""
    turns = (document for turn in zip_longest(*map(read_documents, paths)) for document in turn if document is not None)
    return islice(turns, count)


def auc(scores: Sequence[float], is_right: Sequence[bool]) -> float:
    """Return the probability that a good document has a higher score than a bad one; equal scores count one half."""
    good = np.array([score for score, right in zip(scores, is_right, strict=True) if right])
    bad = np.sort([score for score, right in zip(scores, is_right, strict=True) if not right])
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.mean() / (2 * len(bad)))


def histogram(scores: Sequence[float]) -> list[int]:
    """Return the number of scores in each of STEPS equal steps."""
    return [int(count) for count in np.histogram(scores, STEPS, (0, 1))[0]]


def score(task: Task[QualityConfig]) -> dict[str, Any]:
    """Write the documents that remain, with their scores, into task.out; return the counts."""
    config, (file,) = task.config, task.inputs["documents"]
    rejects = Rejects(config.rejects_per_reason)
    found = SourceScores(documents=[0] * STEPS, bytes=[0] * STEPS)
    gates: list[PipelineStep] = []
    blocks: list[PipelineStep] = [ReadRows(file.path, task.progress)]
    masks = Pii(config.pii) if config.pii else None
    if masks is not None:
        blocks.append(masks)

    def note(doc: Document) -> None:
        step = min(STEPS - 1, int(doc.metadata[QUALITY] * STEPS))
        found.documents[step] += 1
        found.bytes[step] += num_bytes(doc)

    if config.scores:
        model = task.inputs["model"][0].path if config.model else task.steps[TRAIN][0] / MODEL
        label = config.label if config.model else training.LABELS[0]
        blocks += [QualityScore(model, label, is_ours=config.model is None), Tap("scores", note)]
        gates.append(QualityGate(config.threshold or 0.0, rejects))
    paths = [task.out / name for name in config.names]
    writer = WriteRows(lambda doc: paths[bisect_right(config.bands, doc.metadata.get(QUALITY, 0.0))], paths)
    run_pipeline([*blocks, *gates, writer], task.work)
    rejects.write(task.out / KINDS.rejects.file)
    funnel = [step_count(gate) for gate in gates]
    write_funnel(task.out / KINDS.funnel.file, funnel)
    masked = masks.masked if masks else {}
    write_quality(task.out / SCORES, Quality(sources={file.source: found}, masked=masked))
    return {"documents": sum(step.pages_out for step in funnel), **masked}


def sums(task: Task[QualityConfig]) -> dict[str, Any]:
    """Write the sums over all files into task.out; return the documents by source."""
    whole = Quality(threshold=task.config.threshold, bands=list(task.config.bands))
    for unit in task.steps["score"]:
        whole.add(read_quality(unit / SCORES))
    if TRAIN in task.steps:
        whole.measured = read_quality(task.steps[TRAIN][0] / SCORES).measured
    write_quality(task.out / KINDS.quality.file, whole)
    return {source: sum(found.documents) for source, found in whole.sources.items()} | whole.masked
