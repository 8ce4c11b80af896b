"""The only module that knows a file name: what it says must be safe, distinct and found again."""

from __future__ import annotations

from pathlib import Path

from jobs.paths import RunPaths, StepPaths, run_of
from jobs.submit.ledger import ATTEMPT_FILE
from tests.jobs.made import write_tree

RUN = RunPaths(Path("/runs/a run"))
STEP = RUN.step("web.filter", "0123456789abcdef")


def test_a_step_folder_leads_back_to_its_run() -> None:
    assert run_of(STEP.root) == RUN


def test_a_step_at_another_identity_has_another_folder() -> None:
    assert RUN.step("web.filter", "f" * 64).root != STEP.root
    assert STEP.root.name == "0123456789ab"


def test_an_attempt_s_file_is_read_back_by_the_ledgers_pattern() -> None:
    found = ATTEMPT_FILE.fullmatch(RUN.attempt("web.filter", "0007-abc", 12, 3, "end").name)
    assert found is not None
    assert found.groupdict() == {"key": "0007-abc", "element": "12", "restart": "3", "part": "end"}


def test_what_is_written_aside_hides_from_listings_and_differs_by_attempt() -> None:
    first, second = STEP.aside(3, "0001-a.0.0"), STEP.aside(3, "0001-a.0.1")
    assert first != second
    assert first.name.startswith(".00003.")
    assert first.parent == second.parent


def test_done_shards_are_the_marks_and_nothing_else(tmp_path: Path) -> None:
    step = StepPaths(tmp_path)
    assert step.done_shards() == frozenset()
    write_tree(
        tmp_path, {f"done/{name}": "" for name in ("00000.json", "00012.json", ".00003.json.7.tmp", "notes.txt")}
    )
    assert step.done_shards() == {0, 12}
    assert step.mark(12).exists()
