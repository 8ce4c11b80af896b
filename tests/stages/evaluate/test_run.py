import json
from dataclasses import replace
from pathlib import Path

import pytest
from lm_eval.tasks._index import TaskIndex

from stages.evaluate import evaluation
from stages.evaluate.cells import TaskSettings
from stages.evaluate.config import EvaluateConfig, GenerateConfig, PerplexityConfig
from stages.formats.benchmarks.index import DataSet
from stages.formats.benchmarks.write import write_dataset
from stages.formats.documents import DocumentWriter
from stages.formats.results import read_generations, read_results
from stages.generate.opening import Opened, open_checkpoint
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from tests.stages.evaluate.tiny import TEXT, make_checkpoint, train_tokenizer
from tests.stages.evaluate.world import GENERATED, define, questions
from tests.stages.harness import run_stage

ROOT = Path(__file__).parents[3]
Inputs = dict[str, tuple[InputFile, ...]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("made by other stages")
    tokenizer = train_tokenizer(folder / "tok")
    with DocumentWriter(folder / "heldout.jsonl.zst") as writer:
        for number, text in enumerate([*TEXT.splitlines(), "  ", "x", "<b>\x00\u202e</b> " * 40]):
            writer.write({"id": f"doc {number}", "text": text})
    facts = [
        {
            "id": f"f{i}",
            "question": f"Question {{{{ 7 * 7 }}}} {i}? Answer:",
            "choices": list("abcd"),
            "answer": i % 4,
            "heldout": i < 12,
        }
        for i in range(20)
    ]
    (folder / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    return {
        "checkpoints": tuple(
            InputFile(make_checkpoint(folder / name, tokenizer, seed), name)
            for seed, name in enumerate(("final", "untrained"))
        ),
        "tokenizer": (InputFile(tokenizer, ""),),
        "heldout": (InputFile(folder / "heldout.jsonl.zst", "dump"),),
        "facts": (InputFile(folder / "facts.jsonl", ""),),
    }


CONFIG = EvaluateConfig(
    tasks=tuple(TaskSettings(task=name) for name in ("perplexity", "facts", "generate")),
    heldout="from:tokens",
    facts="from:sample",
    perplexity=PerplexityConfig(documents=4),
    generate=GenerateConfig(prompts=("The heron", ""), max_tokens=5),
    batch_tokens=200,
)


@pytest.fixture(scope="module")
def outputs(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return run_stage(CONFIG, inputs, tmp_path_factory.mktemp("run"))


def test_each_checkpoint_and_task_has_one_result_and_generate_has_none(outputs: Inputs) -> None:
    keys = [read_results(file.path).key for file in outputs["results"]]
    assert [(key.source, key.task, key.num_fewshot) for key in keys] == [
        (source, task, 0) for source in ("final", "untrained") for task in ("perplexity", "facts")
    ]
    assert len({key.checkpoint for key in keys}) == 2
    assert {key.harness for key in keys} == {"lm-eval 0.4.13"}


def test_facts_are_scored_against_chance_and_apart_from_those_seen(outputs: Inputs) -> None:
    scores = {(s.task, s.metric): s for s in read_results(outputs["results"][1].path).scores}
    assert set(scores) == {(t, m) for t in ("facts", "facts_seen") for m in ("acc", "acc_norm")}
    acc = scores["facts", "acc"]
    assert (acc.samples, acc.chance, scores["facts_seen", "acc"].samples) == (12, 0.25, 8)
    assert acc.stderr == pytest.approx((acc.value * (1 - acc.value) / 11) ** 0.5)


def test_perplexities_agree_with_their_samples(outputs: Inputs) -> None:
    scores = {s.metric: s for s in read_results(outputs["results"][0].path).scores}
    samples = [json.loads(line) for line in outputs["samples"][0].path.read_text().splitlines()]
    assert len(samples) == scores["token_perplexity"].samples == 4
    logprob = sum(sample["token_perplexity"][0] for sample in samples)
    tokens = sum(sample["token_perplexity"][1] for sample in samples)
    assert scores["token_perplexity"].value == pytest.approx(2.718281828459045 ** (-logprob / tokens))
    assert all((score.stderr or 0) > 0 and not score.higher_is_better for score in scores.values())


def test_generations_continue_every_prompt_an_empty_one_too(outputs: Inputs) -> None:
    generations = [g for file in outputs["generations"] for g in read_generations(file.path)]
    assert [(g.source, g.prompt) for g in generations] == [
        (s, p) for s in ("final", "untrained") for p in ("The heron", "")
    ]
    assert all(g.tokens <= 5 for g in generations)


def test_a_second_run_elsewhere_gives_the_same_bytes(inputs: Inputs, outputs: Inputs, tmp_path: Path) -> None:
    again = run_stage(CONFIG, inputs, tmp_path / "another place")
    for kind, files in outputs.items():
        assert [file.path.read_bytes() for file in again[kind]] == [file.path.read_bytes() for file in files]
    assert str(tmp_path.parent).encode() not in b"".join(file.path.read_bytes() for file in again["results"])


def test_another_tokenizer_than_the_models_is_refused(inputs: Inputs, tmp_path: Path) -> None:
    other = {**inputs, "tokenizer": (InputFile(train_tokenizer(tmp_path / "tok", vocab_size=380), ""),)}
    with pytest.raises(DataError, match="another tokenizer"):
        run_stage(CONFIG, other, tmp_path / "run")


def test_heldout_documents_without_any_text_are_refused(inputs: Inputs, tmp_path: Path) -> None:
    with DocumentWriter(tmp_path / "empty.jsonl.zst") as writer:
        writer.write({"id": "1", "text": " \n"})
    with pytest.raises(DataError, match="no held-out document has a text"):
        run_stage(CONFIG, {**inputs, "heldout": (InputFile(tmp_path / "empty.jsonl.zst", ""),)}, tmp_path / "run")


@pytest.fixture(scope="module")
def cells(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Return the inputs of cells of lm-eval's tasks: prepared data, and tasks of one's own."""
    folder = tmp_path_factory.mktemp("data")
    rows = [{"goal": f"goal {n}", "sol1": f"one {n}", "sol2": f"two {n}", "label": n % 2} for n in range(9)]
    splits = {"train": rows[:4], "validation": rows}
    piqa = write_dataset(folder / "datasets", DataSet("baber/piqa", ""), splits, None, {})
    own = define(folder / "own", "mine", {"test": questions(6), "train": questions(9, "t")}, **GENERATED)
    given = {"datasets": (piqa,), "definitions": tuple(own)}
    made = {field: tuple(InputFile(path, path.name) for path in paths) for field, paths in given.items()}
    return {name: files for name, files in inputs.items() if name not in ("heldout", "facts")} | made


TASKS = [
    {"task": "piqa", "num_fewshot": [0, 2], "variant": ["", "llama"]},
    {"task": "mine", "num_fewshot": 1, "limit": 4, "seed": 7, "parts": 3},
]


def test_the_units_of_an_element_load_each_model_once_and_the_table_of_all_tasks_never(
    cells: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []

    def load(checkpoint: Path, pieces: Path) -> Opened:
        loaded.append(checkpoint)
        return open_checkpoint(checkpoint, pieces)

    pieces = cells["tokenizer"][0].path
    wide = [make_checkpoint(tmp_path / name, pieces, seed, seq_len=256) for seed, name in enumerate(("one", "two"))]
    monkeypatch.setattr(evaluation, "_OPEN", {})
    monkeypatch.setattr(evaluation, "open_checkpoint", load)
    monkeypatch.setattr(TaskIndex, "_iter_yaml_files", None)
    config = EvaluateConfig.model_validate({"tasks": TASKS[:1]})
    given = {**cells, "checkpoints": tuple(InputFile(path, path.name) for path in wide)}
    keys = [read_results(file.path).key for file in run_stage(config, given, tmp_path)["results"]]
    assert loaded == wide
    assert [(key.num_fewshot, key.variant) for key in keys[:4]] == [(0, ""), (0, "llama"), (2, ""), (2, "llama")]
    assert len({key.data for key in keys if not key.variant}) == 1
    assert len({key.prompts for key in keys[:4]}) == 2, "the variant scores otherwise and asks the same"


def test_a_cell_in_parts_has_the_scores_and_prompts_of_the_whole(cells: Inputs, tmp_path: Path) -> None:
    parted, whole = ({**TASKS[1], "parts": parts} for parts in (3, 1))
    found = [
        run_stage(EvaluateConfig.model_validate({"tasks": [task]}), cells, tmp_path / str(task["parts"]))
        for task in (parted, whole)
    ]
    for kind in ("results", "samples"):
        one, other = ([file.path.read_bytes() for file in each[kind]] for each in found)
        assert one == other
    results = read_results(found[0]["results"][0].path)
    assert (results.cut_requests, results.dropped_examples) == (0, 4), "the tiny model takes 48 tokens"
    key = results.key
    assert (key.num_fewshot, key.limit, key.seed, key.dtype, key.first_token) == (1, 4, 7, "fp32", 2)


def test_other_data_of_a_task_has_another_key(cells: Inputs, tmp_path: Path) -> None:
    rows = [{"goal": f"other {n}", "sol1": f"one {n}", "sol2": f"two {n}", "label": n % 2} for n in range(9)]
    splits = {"train": rows[:4], "validation": rows}
    piqa = write_dataset(tmp_path / "datasets", DataSet("baber/piqa", ""), splits, None, {})
    config = EvaluateConfig.model_validate({"tasks": ["piqa"]})
    one, other = (
        read_results(run_stage(config, given, tmp_path / name)["results"][0].path).key
        for name, given in (("one", cells), ("other", {**cells, "datasets": (InputFile(piqa, "x"),)}))
    )
    assert one.data != other.data
    assert one.prompts != other.prompts
    assert replace(one, data=other.data, prompts=other.prompts) == other


def test_results_name_no_folder_of_this_machine(cells: Inputs, tmp_path: Path) -> None:
    config = EvaluateConfig.model_validate({"tasks": ["piqa", {"task": "mine", "limit": 2}]})
    for file in run_stage(config, cells, tmp_path)["results"]:
        assert str(tmp_path.parent) not in file.path.read_text()
        assert str(ROOT) not in file.path.read_text()
        assert "site-packages" not in file.path.read_text()


def test_a_task_without_its_data_is_refused_while_planning(inputs: Inputs) -> None:
    with pytest.raises(ConfigError, match=r"^facts = None: must be a file.*'facts'"):
        CONFIG.model_copy(update={"facts": None}).plan({**inputs, "facts": ()})
