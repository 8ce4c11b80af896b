from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from stages.evaluate.cells import Cell
from stages.evaluate.harness import measure
from stages.evaluate.scores import pass_at
from stages.evaluate.tasks.loading import load_cell, use_datasets
from tests.stages.evaluate.world import GENERATED, ByDigest, define, questions


class Sometimes(ByDigest):
    """Is right in a number of texts of a question that grows with the question."""

    def generate_until(self, requests: list[Instance]) -> list[str]:
        seen: dict[str, int] = {}
        texts = []
        for request in requests:
            place = seen[request.args[0]] = seen.get(request.args[0], -1) + 1
            right = request.doc["choices"][request.doc["answer"]]
            texts.append(f"#{right}" if 8 - place <= request.doc_id else "#no" if place else f"#odd{place}")
        return texts


@pytest.mark.parametrize(
    "filters",
    [None, [{"name": "hash", "filter": [{"function": "regex", "regex_pattern": "#(.*)"}, {"function": "take_first"}]}]],
)
def test_repeats_are_scored_all_of_them(tmp_path: Path, filters: list[dict[str, Any]] | None) -> None:
    use_datasets(tmp_path / "home", [])
    keys = (
        {**GENERATED, "doc_to_target": "#{{choices[answer]}}"}
        if filters is None
        else {**GENERATED, "filter_list": filters}
    )
    own = define(tmp_path / "own", "drawn", {"test": questions(6)}, **{**GENERATED, **keys})
    found = measure(Sometimes(), load_cell(Cell(task="drawn", repeats=8), own), None)["results"]["drawn"]
    name = "none" if filters is None else "hash"
    right = range(6)  # of eight texts
    assert found[f"exact_match,{name}"] == pytest.approx(sum(right) / 48)
    assert found[f"exact_match pass@8,{name}"] == pytest.approx(5 / 6)
    assert found[f"exact_match pass@2,{name}"] == pytest.approx(sum(pass_at(8, n, 2) for n in right) / 6)
    assert found[f"exact_match maj@8,{name}"] == pytest.approx(2 / 6), "4 and 5 right of 8, 3 others and an odd one"
    assert found[f"exact_match_stderr,{name}"] > 0


def test_one_text_is_scored_as_by_lm_eval(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    own = define(tmp_path / "own", "once", {"test": questions(6)}, **GENERATED)
    found = measure(Sometimes(), load_cell(Cell(task="once"), own), None)["results"]["once"]
    assert [name for name in found if name.startswith("exact")] == ["exact_match,none", "exact_match_stderr,none"]


def test_pass_at_k_is_the_share_of_draws_with_a_right_text() -> None:
    assert (pass_at(8, 0, 8), pass_at(8, 1, 8), pass_at(8, 4, 1)) == (0.0, 1.0, 0.5)
    assert pass_at(4, 2, 2) == pytest.approx(1 - 1 / 6)
