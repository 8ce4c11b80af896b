import json
from pathlib import Path

from stages.evaluate.config import EvaluateConfig
from stages.evaluate.tasks.submission import submission_of
from stages.formats.benchmarks.index import DataSet, read_index
from stages.formats.benchmarks.write import write_dataset
from stages.formats.results import read_results
from stages.shared.contract import InputFile
from tests.stages.evaluate.tiny import make_checkpoint, train_tokenizer
from tests.stages.harness import run_stage

SUBJECTS = [leaf.data.name for leaf in read_index().leaves("ceval-valid")]


def row(number: int, answer: str) -> dict[str, str]:
    return {
        "id": str(number),
        "question": f"q {number}?",
        "answer": answer,
        **{letter: letter * 2 for letter in "ABCD"},
    }


def test_answers_to_the_test_split_are_the_file_that_c_evals_site_takes(tmp_path: Path) -> None:
    splits = {
        "test": [row(number, "") for number in range(2)],
        "val": [row(7, "B")],
        "dev": [row(number, "ABCDA"[number]) for number in range(5)],
    }
    data = [
        write_dataset(tmp_path / "hf/datasets", DataSet("ceval/ceval-exam", name), splits, None, {})
        for name in SUBJECTS
    ]
    tokenizer = train_tokenizer(tmp_path / "tok")
    given = {
        "checkpoints": (InputFile(make_checkpoint(tmp_path / "final", tokenizer, seq_len=512), "final"),),
        "tokenizer": (InputFile(tokenizer, ""),),
        "datasets": tuple(InputFile(folder, "") for folder in data),
    }
    cell = {"task": "ceval-valid", "variant": "test", "num_fewshot": 2}
    (file,) = run_stage(EvaluateConfig.model_validate({"tasks": [cell]}), given, tmp_path / "run")["results"]
    found = json.loads((file.path.parent / "submission.json").read_text())
    assert [*found] == sorted(SUBJECTS)
    assert len(found) == 52
    assert all([*answers] == ["0", "1"] and {*answers.values()} <= {*"ABCD"} for answers in found.values())
    results = read_results(file.path)
    assert {score.metric for score in results.scores} == {"answered"}, "right answers are not known"
    assert "arXiv:2305.08322" in results.protocol
    samples = [json.loads(line) for line in (file.path.parent / "samples.jsonl").read_text().splitlines()]
    for sample in samples:
        letters = dict(zip("ABCD", (response[0][0] for response in sample["resps"]), strict=True))
        subject = sample["task"].removeprefix("ceval-valid_")
        assert found[subject][sample["doc"]["id"]] == max(letters, key=lambda letter: float(letters[letter]))
        assert "答案： B\n\n" in sample["arguments"][0][0], "solved examples keep their answers"


def test_the_likeliest_choice_is_the_answer_and_of_equal_ones_the_first() -> None:
    sample = {
        "doc": {"id": 4},
        "resps": [[(-3.0, False)], [(-1.0, False)], [(-1.0, True)], [(-9.0, False)]],
        "arguments": [("q", f" {letter}") for letter in "ABCD"],
    }
    assert submission_of({"ceval-valid_law": [sample]}, "ceval-valid") == {"law": {"4": "B"}}
