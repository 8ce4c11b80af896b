"""The steps of `tools.annotate`: the index of a search, and the annotation of a share of a file of documents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from itertools import groupby
from typing import Any

import torch
import yaml

from stages.conductor.asking import Front
from stages.conductor.expert import Call
from stages.conductor.experts.endpoint import endpoint_expert
from stages.conductor.selection import Entry
from stages.conductor.services import reached
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.chat.syntheses import Synthesis, write_synthesis
from stages.formats.documents import DocumentWriter, read_documents
from stages.formats.kinds import KINDS
from stages.generate.opening import Opened, open_checkpoint
from stages.generate.sampling import uniform
from stages.model import parallel
from stages.shared.files import write_atomic
from stages.shared.task import Task
from stages.teacher.asking import Asker
from stages.teacher.rendering import render
from stages.text.rules.language import default_model, detect
from stages.toolbox import tools as toolbox
from stages.toolbox.dates import date_in
from stages.toolbox.search import make_index, open_index, passages_of
from stages.tools.annotate.config import ENDPOINT, PROMPTS, AnnotateConfig
from stages.tools.toolformer.annotating import KEPT, Annotator, Candidate, Execute, Tool
from stages.tools.toolformer.engine import EngineModel
from stages.tools.toolformer.prefilters import can_calculate, has_date, has_foreign, stands_before

CANDIDATES = "candidates.jsonl"
"""Every call that was sampled, with its numbers and the reason why it was kept or not."""
BATCH = 16
"""Documents, one after another in their file, that are annotated together."""
DETECTED_CHARS = 1000
"""Characters of a text from which its language is detected."""
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
    with ExitStack() as stack:
        return _annotated(task, opened, documents, _execute(task, documents, stack))


def _annotated(
    task: Task[AnnotateConfig], opened: Opened, documents: Mapping[str, Document], execute: Execute
) -> dict[str, Any]:
    config = task.config
    prompt = str(yaml.safe_load(PROMPTS.read_bytes())[config.tool]) if config.prompted else ""
    tool = Tool(
        name=config.tool.capitalize(),
        execute=execute,
        prompt=lambda text: render(prompt, passage=text),
        at_once=config.endpoint.concurrency if config.endpoint else 1,
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
    if config.tool == "translation" and config.prefilter:
        return has_foreign(document["text"], _language)
    return True


def _language(text: str) -> tuple[str, float]:
    return detect(text, default_model(), DETECTED_CHARS)


def _execute(task: Task[AnnotateConfig], documents: Mapping[str, Document], stack: ExitStack) -> Execute:
    """Return the tool's function; what it needs is open until the end of `stack`."""
    if task.config.tool == "calendar":
        return lambda given, name, _: toolbox.calendar(lambda: date_in(documents[name]["url"])).answer(given)
    tool = _tool(task, stack)

    def execute(given: str, name: str, place: int) -> str:
        if task.config.tool == "translation" and not stands_before(documents[name]["text"], given, place):
            raise Reject("after_its_text", given)
        return tool.answer(given)

    return execute


def _tool(task: Task[AnnotateConfig], stack: ExitStack) -> toolbox.Tool:
    match task.config.tool:
        case "search":
            return toolbox.search(open_index(task.steps["index"][0] / "index"))
        case "question":
            return toolbox.question(_asking(task, stack, "conversational"))
        case "translation":
            return toolbox.translation(_asking(task, stack, "translation"), lambda text: _language(text)[0])
        case _:
            return toolbox.calculator()


def _asking(task: Task[AnnotateConfig], stack: ExitStack, work: str) -> Callable[[str], str]:
    """Return a function that has the model behind the endpoint do a task of the conductor's with a text."""
    assert task.config.endpoint is not None, "AnnotateConfig checks it"
    asker = stack.enter_context(Asker(task, reached(task, ENDPOINT, task.config.endpoint)))
    front = stack.enter_context(Front(asker))
    expert = endpoint_expert(Entry(ENDPOINT, work, 0, 0, ""), partial(front.ask, task.config.tool))
    return lambda text: expert.run(Call(texts={"text": text})).text


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
