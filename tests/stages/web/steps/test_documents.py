from pathlib import Path
from typing import Any

from stages.shared.contract import shard_dir
from stages.shared.documents import DOCUMENTS, read_documents
from stages.shared.funnel import read_funnel
from tests.stages.harness import run_stage, step_folder


def test_documents_are_the_filtered_pages_without_the_duplicates_in_order(sample_run: Any) -> None:
    for shard, file in enumerate(sample_run.outputs["documents"]):
        filtered = [
            row["id"] for row in read_documents(shard_dir(step_folder(sample_run.folder, "filter"), shard) / DOCUMENTS)
        ]
        kept = [row["id"] for row in read_documents(file.path)]
        duplicates = {row["id"] for row in sample_run.rows("rejects") if row["step"] == "dedup"}
        assert kept == [name for name in filtered if name not in duplicates]


def test_rejects_have_step_and_reason_of_every_kind_of_loss(sample_run: Any) -> None:
    for shard, file in enumerate(sample_run.outputs["rejects"]):
        found = {(row["step"], row["reason"]) for row in read_documents(file.path)}
        funnel = read_funnel(sample_run.outputs["funnel"][shard].path)
        assert found == {(step.name, reason) for step in funnel for reason in step.reasons}


def test_a_sample_of_rejects_has_no_more_than_asked(sample_run: Any, tmp_path: Path) -> None:
    config = sample_run.config.model_copy(update={"rejects_per_reason": 2})
    outputs = run_stage(config, {"inputs": sample_run.warcs[:1]}, tmp_path)
    rows = [(row["step"], row["reason"]) for row in read_documents(outputs["rejects"][0].path)]
    assert max(map(rows.count, rows)) == 2
    assert len(set(rows)) > 25


def test_without_deduplication_every_filtered_page_is_a_document(sample_run: Any, tmp_path: Path) -> None:
    dedup = sample_run.config.dedup.model_copy(update={"enabled": False})
    config = sample_run.config.model_copy(update={"dedup": dedup})
    outputs = run_stage(config, {"inputs": sample_run.warcs[:1]}, tmp_path)
    funnel = read_funnel(outputs["funnel"][0].path)
    assert [step.name for step in funnel][-1] == "lines"
    assert len(list(read_documents(outputs["documents"][0].path))) == funnel[-1].pages_out


def test_the_longest_of_a_group_can_be_the_one_that_stays(sample_run: Any, tmp_path: Path) -> None:
    dedup = sample_run.config.dedup.model_copy(update={"keep": "longest"})
    config = sample_run.config.model_copy(update={"dedup": dedup})
    outputs = run_stage(config, {"inputs": sample_run.warcs}, tmp_path)
    kept = {row["id"]: len(row["text"].split()) for file in outputs["documents"] for row in read_documents(file.path)}
    first = {row["id"]: len(row["text"].split()) for row in sample_run.rows("documents")}
    assert len(kept) == len(first)
    assert sum(kept.values()) > sum(first.values())
    near = {key["id"] for key in sample_run.key if key["kind"] == "near_duplicate"}
    assert near & kept.keys(), "near duplicates have a sentence more than their originals"
