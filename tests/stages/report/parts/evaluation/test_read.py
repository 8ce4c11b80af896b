from pathlib import Path

from stages.report.part import Material
from stages.report.parts.evaluation.read import read
from tests.stages.report.journey import START, make_run


def test_the_results_come_in_plan_order(tmp_path: Path) -> None:
    files = make_run(tmp_path / "run")
    results = read(Material(section="evaluate", files=files, run_dir=tmp_path, made=START))
    assert [(one.key.source, one.key.task) for one in results.values()] == [
        ("final", "facts"), ("untrained", "facts"), ("final", "perplexity"), ("untrained", "perplexity"),
    ]  # fmt: skip
