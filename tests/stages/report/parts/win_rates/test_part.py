"""The part about win rates: its numbers are those of the files, and answers stand side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stages.align.win_rates import win_rates
from stages.formats.chat.chats import text_message
from stages.formats.chat.judgements import (
    Control,
    JudgeKind,
    Judgement,
    Outcome,
    Verdict,
    read_judgement,
    read_verdicts,
    write_judgement,
    write_verdicts,
)
from stages.formats.kinds import KINDS
from stages.report.collect import collect
from stages.report.page import render
from stages.report.part import Material, Missing, View
from stages.report.parts.win_rates.part import MAX_SHOWN, PART, show, shown, view
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.report.journey import START, made

HOSTILE = "</script><img src=x onerror='window.hit = 1'>{{ 7 * 7 }}"
ORDERS: dict[Outcome, tuple[str, ...]] = {
    "win": ("first", "second"),
    "loss": ("second", "first"),
    "tie": ("first", "first"),
    "unparsed": ("first", "no_verdict"),
}


def verdict(number: int, outcome: Outcome, policy: str = "ppo", control: Control = "", rubric: str = "") -> Verdict:
    return Verdict(
        prompt=(text_message("user", f"question {number} {HOSTILE if number == 0 else ''}"),),
        source="facts" if number % 2 else "requests",
        sample=0,
        policy=policy,
        against="sft",
        answers=(f"{policy} {number} {HOSTILE if number == 0 else ''}", f"sft {number}"),
        judge="<b>m",
        rubric=rubric,
        outcome=outcome,
        control=control,
        scores=None if outcome == "unparsed" else (7.5, 4.0),
        readings=ORDERS[outcome],
    )


def judged() -> list[Verdict]:
    """Return verdicts by two rubrics on two policies, and controls."""
    outcomes: tuple[Outcome, ...] = ("loss", "win", "win", "tie", "win", "win", "unparsed", "win")
    return [
        *(verdict(n, each, rubric=rubric) for n, each in enumerate(outcomes * 4) for rubric in ("helpful", "honest")),
        *(verdict(n, "loss", "dpo", rubric="helpful") for n in range(20)),
        *(verdict(n, "tie", "sft", "same", "helpful") for n in range(4)),
        *(verdict(n, "loss", "sft", "shuffled", "helpful") for n in range(4)),
    ]


def judgement_of(verdicts: list[Verdict], kind: JudgeKind = "endpoint") -> Judgement:
    name = "" if kind == "people" else "<b>m"
    return Judgement(
        kind=kind,
        judge=name,
        against="sft",
        rates=win_rates(verdicts),
        alone={"dpo": 3},
        readings={"helpful": 120, "honest": 64},
        unparsed={"no_verdict": 8},
    )


def write_judged(folder: Path, section: str = "judge", kind: JudgeKind = "endpoint") -> tuple[InputFile, ...]:
    """Write a judgement with its verdicts; return them as the report's files."""
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = judged()
    if kind == "people":
        pairs = [replace(each, judge=name) for each in verdicts for name in ("ada", "bo")]
        verdicts = [replace(each, scores=None, readings=(), rubric="") for each in pairs if each.rubric == "helpful"]
        verdicts = [each for each in verdicts if not each.control and each.outcome != "unparsed"]
    write_judgement(folder / "judgement.json", judgement_of(verdicts, kind))
    write_verdicts(folder / "verdicts.jsonl", verdicts)
    return (
        made(KINDS.judgement, section, folder / "judgement.json"),
        made(KINDS.verdicts, section, folder / "verdicts.jsonl"),
    )


def test_the_numbers_of_the_files_are_on_the_page_and_hostile_text_is_inert(tmp_path: Path) -> None:
    files = write_judged(tmp_path)
    found = show(Material(section="judge", files=files, run_dir=tmp_path, made=START))
    assert isinstance(found, View)
    ppo, dpo = found.cards
    assert [ppo.value, dpo.value] == pytest.approx([(20 + 2) / 28, 0.0])
    page = render("run", START, collect(files, tmp_path, START, {"win_rates": PART}))
    assert "The endpoint model &lt;b&gt;m compared answers to 28 prompts" in page
    assert '<tr data-policy="ppo" data-rubric="honest" data-source="">' in page
    assert '<tr data-control="shuffled">' in page
    assert "8 pairs had the one that was shown first as the better one in both orders" in page
    assert "<img src=x" not in page
    assert "{{ 7 * 7 }}" in page
    assert "no verdict 8" in page


def test_formats_read_what_they_write_and_name_what_is_damaged(tmp_path: Path) -> None:
    verdicts = judged()
    write_judged(tmp_path)
    assert read_verdicts(tmp_path / "verdicts.jsonl") == verdicts
    assert read_judgement(tmp_path / "judgement.json") == judgement_of(verdicts)
    record = json.loads((tmp_path / "verdicts.jsonl").read_text().splitlines()[0])
    for name in ("answers", "outcome", "prompt"):
        (tmp_path / "bad.jsonl").write_text(json.dumps({key: value for key, value in record.items() if key != name}))
        with pytest.raises(DataError, match=r"bad\.jsonl:1"):
            read_verdicts(tmp_path / "bad.jsonl")
    (tmp_path / "bad.json").write_text('{"kind": "people"}')
    with pytest.raises(DataError, match=r"bad\.json"):
        read_judgement(tmp_path / "bad.json")


def test_prompts_to_read_have_each_outcome_and_all_policies_side_by_side() -> None:
    found = shown(judged())
    assert len(found) == MAX_SHOWN
    first = [each.answers[1].verdicts[0].outcome for each in found]
    assert {first.count(outcome) for outcome in ("loss", "win", "tie", "unparsed")} == {3}
    assert [answer.policy for answer in found[0].answers] == ["sft", "ppo", "dpo"]
    assert [each.rubric for each in found[0].answers[1].verdicts] == ["helpful", "honest"]


def test_a_judge_that_gave_no_verdict_and_one_that_has_not_run_are_named(tmp_path: Path) -> None:
    nothing = [verdict(number, "unparsed") for number in range(3)]
    (card,) = view(judgement_of(nothing), nothing).cards
    assert (card.text, card.value, card.note) == ("none", "", "no verdict could be read")
    missing = show(Material(section="judge", files=(), run_dir=tmp_path, made=START))
    assert missing == Missing(label="Not run yet", reason="section judge has judged nothing")
