"""The steps of `tools.annotate`: the index of a search, and the annotation of a share of a file of documents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import torch
import yaml

from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.syntheses import Synthesis, write_synthesis
from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.kinds import KINDS
from stages.generate.opening import open_checkpoint
from stages.generate.sampling import uniform
from stages.model import parallel
from stages.shared.files import write_atomic
from stages.shared.task import Task
from stages.teacher.rendering import render
from stages.toolbox.dates import date_in
from stages.toolbox.search import make_index, open_index, passages_of
from stages.toolbox.tools import calculator, calendar, search
from stages.tools.annotate.config import PROMPTS, AnnotateConfig
from stages.tools.toolformer.annotating import KEPT, Annotator, Candidate, Execute, Tool
from stages.tools.toolformer.engine import EngineModel
from stages.tools.toolformer.prefilters import can_calculate, has_date

CANDIDATES = "candidates.jsonl"
"""Every call that was sampled, with its numbers and the reason why it was kept or not."""
BATCH = 16
"""Documents, one after another in their file, that are annotated together."""
Document = Mapping[str, Any]


def index(task: Task[AnnotateConfig]) -> dict[str, Any]:
    """Write the index of the passages that a search returns."""
    texts = (document["text"] for file in task.inputs["corpus"] for document in read_documents(file.path))
    passages = list(passages_of(texts, task.config.passage_words))
    make_index(passages).save(task.out / "index")
    return {"passages": len(passages)}


def annotate(task: Task[AnnotateConfig]) -> dict[str, Any]:
    """Write the documents of a share that got a call, and all candidates."""
    config = task.config
    torch.set_num_threads(config.threads)
    parallel.start(task.ranks)
    opened = open_checkpoint(task.inputs["checkpoint"][0].path, task.inputs["tokenizer"][0].path)
    documents = _share(task)
    prompt = str(yaml.safe_load(PROMPTS.read_bytes())[config.tool]) if config.prompted else ""
    tool = Tool(
        name=config.tool.capitalize(),
        execute=_execute(task, documents),
        prompt=lambda text: render(prompt, passage=text),
        **config.numbers._asdict(),
    )
    annotator = Annotator(EngineModel(opened, config.seed), tool)
    rejects = Rejects()
    candidates: list[Candidate] = []
    unfit = 0
    with DocumentWriter(task.out / KINDS.documents.file) as writer:
        for batch in _batches(documents):
            fit = [(name, documents[name]["text"]) for name in batch if _may_help(config, name, documents[name])]
            unfit += len(batch) - len(fit)
            for found in annotator.annotate(fit):
                if isinstance(found, Reject):
                    rejects.add(found)
                    continue
                candidates += found.candidates
                if found.text != documents[found.document]["text"]:
                    writer.write({**documents[found.document], "text": found.text})
            task.progress(len(candidates))
    return _written(task, candidates, rejects, {"documents": writer.count, "unfit": unfit})


def _share(task: Task[AnnotateConfig]) -> dict[str, Document]:
    """Return the documents of the unit by name: the place in the file, so that two of one id stay apart."""
    (file,) = task.inputs["documents"]
    place = task.place % task.config.shares
    found = enumerate(read_documents(file.path))
    return {f"{number}": document for number, document in found if number // BATCH % task.config.shares == place}


def _batches(documents: Mapping[str, Document]) -> Iterator[list[str]]:
    """Yield the names of the documents that are one batch of the model: the same in any number of shares."""
    for _, names in groupby(documents, lambda name: int(name) // BATCH):
        yield [*names]


def _may_help(config: AnnotateConfig, name: str, document: Document) -> bool:
    if config.tool == "calendar" and not has_date(document.get("url", "")):
        return False
    if config.tool == "calculator" and config.prefilter:
        return can_calculate(document["text"], uniform(config.seed, f"{document.get('id')}/{name}", 0))
    return True


def _execute(task: Task[AnnotateConfig], documents: Mapping[str, Document]) -> Execute:
    if task.config.tool == "calendar":
        return lambda given, name: calendar(lambda: date_in(documents[name]["url"])).answer(given)
    tool = calculator() if task.config.tool == "calculator" else search(open_index(task.steps["index"][0] / "index"))
    return lambda given, _: tool.answer(given)


def _written(
    task: Task[AnnotateConfig], candidates: Sequence[Candidate], rejects: Rejects, counts: dict[str, int]
) -> dict[str, Any]:
    lines = (json.dumps(asdict(each), ensure_ascii=False, sort_keys=True) + "\n" for each in candidates)
    write_atomic(task.out / CANDIDATES, "".join(lines).encode("utf-8", "replace"))
    reasons = Counter(each.reason for each in candidates)
    kept = reasons.pop(KEPT, 0)
    for each in _dropped(candidates):
        rejects.add(Reject(each.reason, f"{each.written} {each.result}"), record=each.document)
    synthesis = Synthesis(
        method=task.config.tool,
        noun="call",
        candidates=kept + rejects.counts.total(),
        kept=kept,
        rejected=dict(rejects.counts),
        samples=tuple(rejects.samples),
    )
    write_synthesis(task.out / KINDS.synthesis.file, synthesis)
    return {"sampled": len(candidates), "kept": kept, "rejected": dict(rejects.counts), **counts}


def _dropped(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    return (each for each in candidates if each.reason != KEPT)
