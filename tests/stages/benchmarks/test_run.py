import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset

from stages.benchmarks import run
from stages.benchmarks.config import BenchmarksConfig
from stages.evaluate.cells import Cell
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.formats.benchmarks.layout import CHECKSUMS, splits_of
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.files import read_json, sha256_file
from tests.stages.harness import run_stage

ADAPTERS = "Please choose the correct answer to the question: {}\n\n{}\n\nAnswer format: answer1/answer2"


def listed(question: str, *choices: str) -> dict[str, str]:
    """Return a record of LLM-Adapters, the second choice being right."""
    numbered = " ".join(f"Answer{number}: {text}" for number, text in enumerate(choices, start=1))
    return {"instruction": ADAPTERS.format(question, numbered), "answer": "answer2"}


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


PIQA = [{"goal": f"goal {n}", "sol1": "one", "sol2": "two"} for n in range(6)]
ARC = [listed(f"Why {n}?", "a", "b", "c", "d") for n in range(9)]
FILES = {
    "piqa/valid.jsonl": lines(*PIQA),
    "piqa/valid-labels.lst": "0\n1\n0\n1\n0\n1\n",
    "siqa/social_i_qa.test.json": json.dumps([listed("Jo ran home. Mr. Po saw her. Why?", "x", "y", "z")]),
    "arc/ARC-Easy.test.json": json.dumps(ARC),
    "mmlu/stem_test.jsonl": lines(
        *(
            {"question": f"q{n}", "type": ("anatomy", "astronomy")[n % 2], "choices": list("abcd"), "answer": 2}
            for n in range(6)
        )
    ),
    "gsm8k/test.jsonl": lines(*({"question": f"q{n}", "answer": f"so\n#### {n}"} for n in range(5))),
    "gsm8k/train.jsonl": lines(*({"question": f"t{n}", "answer": f"so\n#### {n}"} for n in range(5))),
    "mgsm/mgsm_en.tsv": "How many?\t1,800\nHow few?\t3\n",
    "bbh/snarks.json": json.dumps({"canary": "x", "examples": [{"input": "Which?", "target": "(A)"}]}),
}
TASKS = ("piqa", "social_iqa", "arc_easy", "mmlu_anatomy", "gsm8k", "mgsm_direct_en", "bbh_cot_fewshot_snarks")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[InputFile, ...]]:
    found = []
    for name, text in FILES.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        found.append(InputFile(path, path.parent.name))
    return {"files": tuple(found)}


def test_every_family_loads_as_the_task_that_lm_eval_knows(
    files: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    config = BenchmarksConfig(tasks=TASKS, carve={"arc": 3})
    folders = [file.path for file in run_stage(config, files, tmp_path / "run")["datasets"]]
    use_datasets(tmp_path / "home", folders)
    shots = {"arc_easy": 2, "gsm8k": 5, "bbh_cot_fewshot_snarks": 3}
    tasks = {
        name: load_cell(Cell(task=name, num_fewshot=shots.get(name)), [], folders)["tasks"][name] for name in TASKS
    }
    assert [len(task.eval_docs) for task in tasks.values()] == [6, 1, 6, 3, 5, 2, 1]
    first = {name: task.eval_docs[0] for name, task in tasks.items()}
    assert (first["social_iqa"]["context"], first["social_iqa"]["question"]) == ("Jo ran home. Mr. Po saw her.", "Why?")
    assert [tasks[name].doc_to_target(first[name]) for name in ("piqa", "social_iqa", "arc_easy", "mmlu_anatomy")] == [
        0, 1, 1, 2,
    ]  # fmt: skip
    assert tasks["mgsm_direct_en"].doc_to_target(first["mgsm_direct_en"]) == "1800"
    assert tasks["arc_easy"].doc_to_choice(first["arc_easy"]) == list("abcd")


def test_a_split_that_no_file_holds_is_left_out_or_carved_and_said(
    files: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    plain, carved = (
        run_stage(BenchmarksConfig(tasks=("arc_easy",), carve=carve), files, tmp_path / name)["datasets"][0].path
        for name, carve in (("plain", {}), ("carved", {"arc": 3}))
    )
    assert (splits_of(plain), splits_of(carved)) == ({"test": 9}, {"test": 6, "train": 3})
    assert "no file holds 'train'" in read_json(plain / CHECKSUMS)["made_from"]["notes"][0]
    assert "carved from 'test', which are evaluated no more" in read_json(carved / CHECKSUMS)["made_from"]["notes"][0]
    rows = [Dataset.from_file(str(carved / f"ai2_arc-{split}.arrow"))["question"] for split in ("test", "train")]
    assert sorted([*rows[0], *rows[1]]) == [f"Why {n}?" for n in range(9)]


def test_mmlus_examples_come_from_lm_evals_prompts_where_no_file_holds_them(
    files: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    config = BenchmarksConfig(tasks=("mmlu_anatomy",), harness_examples=True)
    (made,) = run_stage(config, files, tmp_path / "run")["datasets"]
    assert splits_of(made.path) == {"test": 3, "dev": 5}
    assert "5 official examples" in read_json(made.path / CHECKSUMS)["made_from"]["notes"][0]
    use_datasets(tmp_path / "home", [made.path])
    task = load_cell(Cell(task="mmlu_anatomy", num_fewshot=5), [], [made.path])["tasks"]["mmlu_anatomy"]
    prompt = task.fewshot_context(task.eval_docs[0], 5)
    assert prompt.count("\nA. ") == 6
    assert prompt.count("\nAnswer:") == 6


def test_checksums_name_the_files_that_the_rows_come_from(
    files: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    (made,) = run_stage(BenchmarksConfig(tasks=("gsm8k",)), files, tmp_path / "run")["datasets"]
    paths = {file.path.name: sha256_file(file.path) for file in files["files"] if file.source == "gsm8k"}
    assert read_json(made.path / CHECKSUMS)["made_from"] == {"files": paths, "notes": []}


@pytest.mark.parametrize(
    ("name", "text", "task", "message"),
    [
        ("piqa/valid-labels.lst", "0\n", "piqa", "1 labels of 6 questions"),
        ("piqa/valid-labels.lst", None, "piqa", r"no labels of the split 'validation'"),
        (
            "piqa/valid.jsonl",
            lines({"goal": "g"}),
            "piqa",
            r"valid.jsonl:1: not a question of piqa",
        ),
        ("piqa/valid.jsonl", "{", "piqa", r"valid.jsonl:1: no JSON"),
        ("arc/ARC-Easy.test.json", json.dumps([{**ARC[0], "answer": "answer9"}]), "arc_easy", "not a question of arc"),
        ("gsm8k/test.jsonl", lines({"question": "q", "answer": "5"}), "gsm8k", "an answer without '#### '"),
        ("mgsm/mgsm_en.tsv", "no tab\n", "mgsm_direct_en", "mgsm_en.tsv:1: not a question of mgsm"),
        ("mmlu/stem_test.jsonl", lines(), "mmlu_anatomy", r"cais/mmlu \(anatomy\): no rows of the split 'test'"),
    ],
)
def test_files_that_cannot_be_read_are_named(
    files: dict[str, tuple[InputFile, ...]], tmp_path: Path, name: str, text: str | None, task: str, message: str
) -> None:
    path = tmp_path / "files" / name
    if text is None:
        files = {"files": tuple(file for file in files["files"] if file.path != path)}
    else:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        run_stage(BenchmarksConfig(tasks=(task,)), files, tmp_path / "run")


def test_the_original_files_of_humaneval_and_arc_are_read(tmp_path: Path) -> None:
    code = dict.fromkeys(("task_id", "prompt", "canonical_solution", "test", "entry_point"), "x")
    (tmp_path / "HumanEval.jsonl.gz").write_bytes(gzip.compress(lines(code).encode()))
    stem = {"stem": "Why?", "choices": [{"text": "a", "label": "1"}, {"text": "b", "label": "2"}]}
    for split in ("Train", "Test"):
        row = lines({"id": "x", "question": stem, "answerKey": "2"})
        (tmp_path / f"ARC-Challenge-{split}.jsonl").write_text(row)
    names = {"humaneval": ["HumanEval.jsonl.gz"], "arc": ["ARC-Challenge-Train.jsonl", "ARC-Challenge-Test.jsonl"]}
    files = tuple(InputFile(tmp_path / name, family) for family, some in names.items() for name in some)
    config = BenchmarksConfig(tasks=("humaneval", "arc_challenge"))
    made = run_stage(config, {"files": files}, tmp_path / "run")["datasets"]
    assert [splits_of(file.path) for file in made] == [{"test": 1}, {"test": 1, "train": 1}]


def test_a_data_set_of_the_hub_is_fetched_with_the_splits_that_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BenchmarksConfig(tasks=("hellaswag",), fetch=True)
    with pytest.raises(DataError, match=r"Rowan/hellaswag: not fetched .* Run where there is a network"):
        run_stage(config, {}, tmp_path / "offline")
    rows = Dataset.from_list([{"ctx": "a", "label": "0"}])
    splits = dict.fromkeys(("train", "validation", "test"), rows)
    monkeypatch.setattr(run, "load_dataset", lambda path, name: splits)
    (made,) = run_stage(config, {}, tmp_path / "online")["datasets"]
    assert splits_of(made.path) == {"validation": 1, "train": 1}
    assert load_dataset is not run.load_dataset
