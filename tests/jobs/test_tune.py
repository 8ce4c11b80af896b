from pathlib import Path

import pytest

from tests.launching import launch


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    (folder / "small.yaml").write_text(
        "targets: [web]\nsample: {pages: 300, files_per_dump: 1}\n"
        "web: {inputs: from:sample, dedup: {enabled: false}, exact: {enabled: false}}\n"
    )
    launch("run", str(folder / "small.yaml"), "--cluster", "local", runs=folder)
    return folder


def test_tune_says_what_other_thresholds_would_keep_and_changes_nothing(runs: Path) -> None:
    before = sorted(path for path in (runs / "small").rglob("*"))
    said = launch("tune", "small", "--set", "web.quality.min_words=100", runs=runs).stdout
    assert "web: " in said and "extracted pages of 2 of 2 shards" in said
    row = next(line for line in said.splitlines() if "too_few_words" in line)
    now, then, change = (int(cell.replace(",", "")) for cell in row.split()[-3:])
    assert then - now == change > 0
    assert "--set web.quality.min_words=100 filters again" in said
    assert sorted(path for path in (runs / "small").rglob("*")) == before


def test_a_setting_that_needs_extraction_again_is_named(runs: Path) -> None:
    said = launch("tune", "small", "--set", "web.extraction.extractor=resiliparse", runs=runs, check=None)
    assert said.returncode == 2 and "extracted again" in said.stderr and "Traceback" not in said.stderr


def test_with_another_threshold_the_run_filters_again_and_extracts_nothing(runs: Path) -> None:
    said = launch("plan", str(runs / "small.yaml"), "--set", "web.quality.min_words=100", runs=runs).stdout
    extract, filtered = (next(line for line in said.splitlines() if name in line) for name in ("extract", "filter"))
    assert "reused" in extract or "done" in extract
    assert "min_words 50 -> 100" in said and filtered
