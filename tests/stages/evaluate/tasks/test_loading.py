import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval.api.instance import Instance

from stages.evaluate.catalog import checks
from stages.evaluate.cells import Cell
from stages.evaluate.harness import measure, without_samples
from stages.evaluate.tasks.loading import load_cell, read_variant, registry, use_datasets
from stages.formats.benchmarks.index import DataSet, read_index
from stages.formats.benchmarks.write import write_dataset
from stages.jail.jail import missing
from stages.shared.errors import ConfigError
from tests.stages.evaluate.world import CHOICE, ByDigest, define, questions

PIQA = [{"goal": f"goal {n}", "sol1": f"one {n}", "sol2": f"two {n}", "label": n % 2} for n in range(9)]


@pytest.fixture
def piqa(tmp_path: Path) -> Path:
    """Return PIQA's prepared data, of nine questions."""
    splits = {"train": PIQA, "validation": PIQA}
    return write_dataset(tmp_path / "hf/datasets", DataSet("baber/piqa", ""), splits, None, {})


def test_a_task_of_lm_eval_loads_by_name_from_prepared_data(tmp_path: Path, piqa: Path) -> None:
    use_datasets(tmp_path / "home", [piqa])
    task = load_cell(Cell(task="piqa", num_fewshot=2), [])["tasks"]["piqa"]
    assert (len(task.eval_docs), task.get_config("num_fewshot")) == (9, 2)


def test_a_unit_sees_the_prepared_data_that_it_reads_and_no_other(tmp_path: Path, piqa: Path) -> None:
    use_datasets(tmp_path / "one", [piqa])
    load_cell(Cell(task="piqa"), [])
    use_datasets(tmp_path / "other", [])
    with pytest.raises(ConfigError, match=r"^tasks = 'piqa': must be a task that loads from data on this machine"):
        load_cell(Cell(task="piqa"), [])


def test_a_variant_changes_the_task_that_it_is_named_after(tmp_path: Path, piqa: Path) -> None:
    use_datasets(tmp_path / "home", [piqa])
    lettered = load_cell(Cell(task="piqa", variant="label"), [])["tasks"]["piqa"]
    assert lettered.doc_to_text(PIQA[0]) == "Question: goal 0\nA. one 0\nB. two 0\nAnswer:"
    own = tmp_path / "piqa@mine.yaml"
    own.write_text("doc_to_text: 'Do {{goal}}:'\n")
    mine = load_cell(Cell(task="piqa", variant="mine"), [own])["tasks"]["piqa"]
    assert mine.doc_to_text(PIQA[0]) == "Do goal 0:"
    assert measure(ByDigest(), {"tasks": {"piqa": mine}}, None)["results"]["piqa"]["acc,none"] >= 0


def test_a_variant_of_a_group_changes_all_its_tasks(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    own = [tmp_path / "own/both.yaml", tmp_path / "own/both@short.yaml"]
    for name in ("both_a", "both_b"):
        own += define(tmp_path / "own", name, {"test": questions(8, name)}, **CHOICE)
    own[0].write_text(yaml.safe_dump({"group": "both", "task": ["both_a", "both_b"]}))
    own[1].write_text("doc_to_text: '{{question}}'\n")
    loaded = load_cell(Cell(task="both", variant="short"), own)
    assert [task.config.doc_to_text for task in loaded["tasks"].values()] == ["{{question}}"] * 2
    assert read_variant(Cell(task="both"), {}) == {}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"doc_to_target": "{{ nothing.at.all }}"}, "UndefinedError"),
        ({"doc_to_choice": "{{ 1 / 0 }}"}, "tasks = 'broken'"),
        ({"output_type": "dance"}, "invalid output_type 'dance'"),
        ({"metric_list": [{"aggregation": "mean"}]}, "'metric' key not provided"),
        ({"test_split": "tset"}, "KeyError: 'tset'"),
        ({"process_docs": "text"}, "TypeError"),
    ],
)
def test_a_definition_that_lm_eval_cannot_load_is_one_sentence(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    use_datasets(tmp_path / "home", [])
    own = define(tmp_path / "own", "broken", {"test": questions(3)}, **{**CHOICE, **keys})
    with pytest.raises(ConfigError, match=message) as caught:
        load_cell(Cell(task="broken"), own)
    assert "\n" not in str(caught.value)


def test_a_task_that_runs_the_models_code_is_refused(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    own = define(tmp_path / "own", "code", {"test": questions(3)}, **CHOICE, unsafe_code=True)
    with pytest.raises(ConfigError, match="run the model's output as code"):
        load_cell(Cell(task="code"), own)


def test_the_table_of_names_is_lm_evals() -> None:
    index = read_index()
    table = registry(index)
    assert {"mmlu", "piqa", "ceval-valid"} <= table.keys()
    assert table["piqa"].yaml_path.exists()
    assert table["mmlu"].yaml_path.exists()
    assert set(table) == set(index.names())


def test_without_a_jail_a_code_task_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "missing", lambda: "this machine cannot make a jail: unshare: Operation not permitted")
    with pytest.raises(
        ConfigError, match=r"^tasks = 'humaneval': .*runs what the model writes, and this machine cannot"
    ):
        load_cell(Cell(task="humaneval"), [])


@pytest.mark.skipif(missing() is not None, reason="no jail on this machine")
def test_humaneval_by_name_runs_programs_in_the_jail(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": f"def add{n}(a):\n",
            "test": f"def check(f):\n    assert f(1) == {n + 1}\n",
            "entry_point": f"add{n}",
        }
        for n in range(2)
    ]
    data = write_dataset(tmp_path / "hf", DataSet("openai/openai_humaneval", ""), {"test": rows}, None, {})
    use_datasets(tmp_path / "home", [data])

    class Adds(ByDigest):
        def generate_until(self, requests: list[Instance]) -> list[str]:
            return ["    return a + 1\n" for _ in requests]

    for cell in (Cell(task="humaneval"), Cell(task="humaneval", variant="llama", repeats=10)):
        measured = measure(Adds(), load_cell(cell, []), None)
        found = measured["results"]["humaneval"]
        assert found["pass@1,create_test"] == 0.5
        assert " at 0x" not in json.dumps(without_samples(measured))
        assert ("pass@10,create_test" in found) == bool(cell.variant)


def test_a_scorer_is_a_file_beside_its_variant(tmp_path: Path) -> None:
    rows = [{"prompt": {"text": f"Say {n}"}} for n in range(3)]
    data = write_dataset(tmp_path / "hf", DataSet("allenai/real-toxicity-prompts", ""), {"train": rows}, None, {})
    use_datasets(tmp_path / "home", [data])
    variant, scorer = tmp_path / "realtoxicityprompts@mine.yaml", tmp_path / "scorer.py"
    variant.write_text("protocol: By length.\nprocess_results: !function scorer.score\n")
    scorer.write_text("def score(doc, texts):\n    return {'score': len(texts[0])}\n")
    cell = Cell(task="realtoxicityprompts", variant="mine")
    assert measure(ByDigest(), load_cell(cell, [variant, scorer]), None)["results"][cell.task]["score,none"] == 1.0
    with pytest.raises(ConfigError, match=r"score its answers \(KeyError: 'PERSPECTIVE_API_KEY'\)"):
        measure(ByDigest(), load_cell(Cell(task="realtoxicityprompts"), []), None)


def test_a_question_that_the_definition_cannot_ask_is_one_sentence(tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    rows = [*questions(2), {**questions(3)[2], "question": ""}]
    keys = {**CHOICE, "doc_to_text": "{{ question[0:1] if question else question.missing.again }}"}
    own = define(tmp_path / "own", "late", {"test": rows}, **keys)
    with pytest.raises(ConfigError, match=r"^tasks = 'late': .* make its prompts .*UndefinedError"):
        measure(ByDigest(), load_cell(Cell(task="late"), own), None)
