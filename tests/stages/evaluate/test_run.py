import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.evaluate.config import EvaluateConfig, GenerateConfig, PerplexityConfig
from stages.formats.documents import DocumentWriter
from stages.formats.results import read_generations, read_results
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from tests.stages.evaluate.tiny import TEXT, make_checkpoint, train_tokenizer
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
    tasks=("perplexity", "facts", "generate"),
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


OFFLINE = """
import os, sys
from pathlib import Path
from stages.evaluate.run import go_offline
go_offline(Path(sys.argv[1]), None)
import lm_eval.tasks
from stages.evaluate.tasks import harness_tasks
from stages.shared.errors import ConfigError
arc = Path(lm_eval.tasks.__file__).parent / "arc"
manager = lm_eval.tasks.TaskManager(include_defaults=False, include_path=arc)  # all of them take ten seconds
for name in ("arc_easy", "arc_eesy"):
    try:
        harness_tasks(name, None, manager)
    except ConfigError as error:
        print(error)
"""


def test_lm_evals_tasks_without_local_data_or_misspelt_are_refused_in_one_line_without_network(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", OFFLINE, str(tmp_path / "work")]
    environment = {"HOME": str(home), "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    offline, misspelt = done.stdout.splitlines()
    assert "evaluation has no network" in offline
    assert "set `datasets_cache` to its folder" in offline
    assert "did you mean 'arc_easy'" in misspelt
    assert list(home.iterdir()) == []


def test_a_task_without_its_data_is_refused_while_planning(inputs: Inputs) -> None:
    with pytest.raises(ConfigError, match=r"^facts = None: must be a file.*'facts'"):
        CONFIG.model_copy(update={"facts": None}).plan({**inputs, "facts": ()})
