from collections.abc import Sequence
from pathlib import Path

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from stages.evaluate.harness import chances, measure, sample_records, without_samples
from stages.evaluate.scores import collect_scores
from stages.evaluate.tasks.own import as_loaded, facts_tasks, perplexity_task
from stages.formats.documents import DocumentWriter
from stages.shared.errors import DataError
from tests.stages.evaluate.tasks.test_facts import GOOD, write


class Words:
    """Words as tokens."""

    eos_id = 0

    def encode(self, text: str) -> list[int]:
        return [1] * len(text.split())

    def decode(self, ids: Sequence[int]) -> str:
        return "word " * len(ids)


class KnowsTheFirst(LM):
    """Finds the choice "x" likely and gives every document one nat a byte."""

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        return [(-1.0 if request.args[1].strip() == "x" else -2.0, False) for request in requests]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        return [-float(len(request.args[0].encode())) for request in requests]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        raise NotImplementedError


def test_facts_that_the_training_may_have_read_are_a_task_of_their_own(tmp_path: Path) -> None:
    three = {**GOOD, "choices": ["x", "y", "z"], "answer": "x"}
    loaded = as_loaded(facts_tasks([write(tmp_path, GOOD, three, {**GOOD, "heldout": False})]))
    measured = measure(KnowsTheFirst(), loaded, None)
    scores = {(score.task, score.metric): score for score in collect_scores(measured, chances(loaded, measured), {})}
    assert scores["facts", "acc"].value == 0.5
    assert scores["facts", "acc"].chance == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert scores["facts_seen", "acc"].value == 0.0
    assert "samples" not in without_samples(measured)
    assert [record["task"] for record in sample_records(measured)] == ["facts", "facts", "facts_seen"]


def test_perplexity_takes_documents_from_each_file_in_turn_and_skips_those_without_text(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with DocumentWriter(tmp_path / name) as writer:
            for number in range(3):
                writer.write({"id": f"{name}{number}", "text": "" if name == "a" and number == 1 else "one two é"})
    task = perplexity_task([tmp_path / "a", tmp_path / "b"], 4, Words())
    assert [doc["id"] for doc in task.eval_docs] == ["a0", "b0", "b1", "a2"]
    (bits,) = [
        score
        for score in collect_scores(measure(KnowsTheFirst(), as_loaded([task]), None), {}, {})
        if score.metric == "bits_per_byte"
    ]
    assert bits.value == pytest.approx(1.442695, rel=1e-5)
    assert bits.stderr == pytest.approx(0.0, abs=1e-9)


def test_facts_all_seen_in_training_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no held-out facts"):
        facts_tasks([write(tmp_path, {**GOOD, "heldout": False})])
