"""The steps of `align.label`: the candidates to show, and the labels of all labellers with their agreement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.align.answers import join_answers
from stages.align.label.agreement import agreement, latest
from stages.align.label.config import LabelConfig
from stages.align.label.pictures import keys_of, write_pictures
from stages.align.win_rates import win_rates
from stages.formats.chat.agreements import write_agreement
from stages.formats.chat.judgements import Judgement, Verdict, write_judgement, write_verdicts
from stages.formats.kinds import KINDS
from stages.formats.preferences import (
    Candidates,
    Preference,
    read_candidates,
    read_preferences,
    write_candidates,
    write_preferences,
)
from stages.shared.errors import DataError
from stages.shared.task import Task


def collect(task: Task[LabelConfig]) -> dict[str, Any]:
    """Write all candidates in one file, each once, and their pictures. Raises DataError if there are none."""
    found = list(_candidates(task))
    if not found:
        raise DataError(task.inputs["candidates"][0].path, "no candidates", "Add a prompt with two responses")
    different = {each.key: each for each in found}
    write_candidates(task.out / KINDS.candidates.file, different.values())
    if collections := task.inputs.get("pictures"):
        write_pictures(task.out, keys_of(found), collections)
    return {"candidates": len(different), "repeated": len(found) - len(different)}


def _candidates(task: Task[LabelConfig]) -> Iterator[Candidates]:
    """Yield the candidates of files, or the answers of policies to each prompt."""
    config = task.config
    if config.against is None:
        for file in task.inputs["candidates"]:
            yield from read_candidates(file.path)
    else:
        joined = join_answers(task.inputs["answers"], config.against)
        yield from (each.candidates() for each in joined.answers)


def agree(task: Task[LabelConfig]) -> dict[str, Any]:
    """Write the last label of each labeller and item as preferences, and how far labellers agree.

    Raises DataError if there are none.
    """
    files = task.inputs["labels"]
    labels = latest(each for file in files for each in read_preferences(file.path))
    if not labels:
        raise DataError(files[0].path, "no labels", "Label some prompts: `launch.py label RUN`")
    write_preferences(task.out / KINDS.preferences.file, labels)
    found = agreement(labels)
    write_agreement(task.out / KINDS.agreement.file, found)
    rates = {} if task.config.against is None else _write_win_rates(task.out, labels, task.config.against)
    return {"labels": len(labels), "labellers": len(found.labellers), "alpha": found.ordinal, **rates}


def _write_win_rates(out: Path, labels: Sequence[Preference], against: str) -> dict[str, Any]:
    """Write the verdicts that labels are, and the win rates of policies by them; return the rates."""
    verdicts = [verdict for label in labels for verdict in verdicts_of(label, against)]
    write_verdicts(out / KINDS.verdicts.file, verdicts)
    judgement = Judgement(kind="people", judge="", against=against, rates=win_rates(verdicts))
    write_judgement(out / KINDS.judgement.file, judgement)
    return {"win_rates": {rate.policy: rate.rate for rate in judgement.rates if not rate.source}}


def verdicts_of(label: Preference, against: str) -> Iterator[Verdict]:
    """Yield a label's verdict on each policy's response. A label without a response of `against` is none."""
    own = next((place for place, each in enumerate(label.responses) if each.source == against), None)
    for place, response in enumerate(label.responses):
        if own is None or place == own:
            continue
        gap = label.ranks[own] - label.ranks[place]
        yield Verdict(
            prompt=label.prompt,
            source=label.source,
            sample=0,
            policy=response.source,
            against=against,
            answers=(response.text, label.responses[own].text),
            judge=label.ranked_by,
            rubric="",
            outcome="win" if gap > 0 else "loss" if gap < 0 else "tie",
        )
