from dataclasses import replace
from pathlib import Path

from stages.report.part import Material
from stages.report.parts.evaluation.flips import Place
from stages.report.parts.evaluation.read import find_samples, read, sample_files
from tests.stages.report.journey import START, make_run
from tests.stages.report.training_scores import TASKS, write_training_scores


def test_the_results_come_in_plan_order(tmp_path: Path) -> None:
    files = make_run(tmp_path / "run")
    results = read(Material(section="evaluate", files=files, run_dir=tmp_path, made=START))
    assert [(one.key.source, one.key.task) for one in results.values()] == [
        ("final", "facts"), ("untrained", "facts"), ("final", "perplexity"), ("untrained", "perplexity"),
    ]  # fmt: skip


def test_checkpoints_of_one_source_keep_the_names_of_their_units(tmp_path: Path) -> None:
    files = write_training_scores(tmp_path, ("final", "final~2"), TASKS[:1])
    results = read(Material(section="evaluate", files=files, run_dir=tmp_path, made=START))
    assert [one.key.source for one in results.values()] == ["final", "final~2"]


def test_samples_are_found_by_task_metric_and_place(tmp_path: Path) -> None:
    files = write_training_scores(tmp_path, ("final",), (TASKS[0], TASKS[4]))
    material = Material(section="evaluate", files=files, run_dir=tmp_path, made=START)
    results = read(material)
    places = [Place(key=one.key, task=one.key.task, metric=one.scores[0].metric, index=7) for one in results.values()]
    found = find_samples(places, sample_files(material, results))
    assert [found[place].task for place in places] == ["piqa", "gsm8k_cot"]
    assert all("house number 7 in" in sample.arguments[0][0] for sample in found.values())
    assert find_samples([replace(places[0], index=10**6), replace(places[0], metric="acc (other)")], {}) == {}
