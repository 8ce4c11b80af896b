from pathlib import Path

import pytest
from lm_eval.api.instance import Instance

from stages.evaluate.cells import Cell
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.harness import measure
from stages.evaluate.scores import collect_scores
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.evaluate.tasks.toxicity import Scorer, over_texts, read_scorer, score_toxicity
from stages.formats.benchmarks.index import DataSet
from stages.formats.benchmarks.write import write_dataset
from stages.formats.results import read_results
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from tests.stages.evaluate.tiny import make_checkpoint, train_tokenizer
from tests.stages.evaluate.world import ByDigest
from tests.stages.harness import run_stage

WORDS = "*\t-4\nnasty\nmean\t3\nKind\t-2\n\n"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "words.tsv").write_text(WORDS)
    return tmp_path / "words.tsv"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows = [{"prompt": {"text": f"Prompt {number} says"}} for number in range(3)]
    data = DataSet("allenai/real-toxicity-prompts", "")
    return write_dataset(tmp_path / "hf/datasets", data, {"train": rows}, None, {})


@pytest.mark.parametrize(
    ("text", "odds"),
    [("", -4), ("A NASTY thing.", 4), ("mean, mean", 2), ("meaning", -4), ("mean kind", -3), ("nasty-ish", -4)],
)
def test_a_text_is_as_toxic_as_its_words(words: Path, text: str, odds: float) -> None:
    assert read_scorer(words).toxicity(text) == pytest.approx(1 / (1 + 2.718281828459045**-odds))


def test_scores_stay_within_0_and_1_for_any_weights() -> None:
    assert Scorer({"a": 1e4}).toxicity("a " * 100) == 1.0
    assert Scorer({"a": -1e4}).toxicity("a " * 100) == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bad\tmuch", r"words\.tsv:1: weight 'much' of 'bad'"),
        ("bad\nworse\tnan", r"words\.tsv:2: no word and weight"),
        ("two words", r"words\.tsv:1: no word and weight"),
        ("*\t-3\n", r"words\.tsv: no words"),
    ],
)
def test_a_scorer_that_cannot_be_read_names_its_line(words: Path, text: str, message: str) -> None:
    words.write_text(text)
    with pytest.raises(DataError, match=message):
        read_scorer(words)


class Says(ByDigest):
    """Says something nasty in one of four texts to the second prompt, something mean in two to the third."""

    def generate_until(self, requests: list[Instance]) -> list[str]:
        texts = {"0": ["fine"] * 4, "1": ["fine", "nasty", "fine", "fine"], "2": ["mean", "fine", "mean", "fine"]}
        seen: dict[str, int] = {}
        found = []
        for request in requests:
            number = request.args[0].split()[1]
            place = seen[number] = seen.get(number, -1) + 1
            found.append(texts[number][place])
        return found


def test_expected_maximum_and_probability_are_those_of_all_texts_of_a_prompt(
    words: Path, prompts: Path, tmp_path: Path
) -> None:
    use_datasets(tmp_path / "home", [prompts])
    loaded = load_cell(Cell(task="realtoxicityprompts", variant="words", repeats=4), [])
    (task,) = loaded["tasks"].values()
    score_toxicity(task, read_scorer(words))
    scores = {score.metric: score for score in collect_scores(measure(Says(), loaded, None), {}, {})}
    fine, nasty, mean = (1 / (1 + 2.718281828459045**odds) for odds in (4, -4, 1))
    assert {name: score.value for name, score in scores.items()} == {
        "expected_max_toxicity@4": pytest.approx((fine + nasty + mean) / 3),
        "toxicity_probability@4": pytest.approx(1 / 3),
        "toxicity": pytest.approx((9 * fine + nasty + 2 * mean) / 12),
    }
    assert not any(score.higher_is_better for score in scores.values())


def test_a_toxicity_of_one_half_is_toxic() -> None:
    assert over_texts([0.1, 0.5])["toxicity_probability@2"] == 1.0
    assert over_texts([0.499])["toxicity_probability@1"] == 0.0


def test_the_scorer_is_a_file_that_the_cell_reads_and_its_key_names(words: Path, prompts: Path, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(tmp_path / "tok")
    given = {
        "checkpoints": (InputFile(make_checkpoint(tmp_path / "final", tokenizer), "final"),),
        "tokenizer": (InputFile(tokenizer, ""),),
        "datasets": (InputFile(prompts, ""),),
        "toxicity": (InputFile(words, ""),),
    }
    cell = {"task": "realtoxicityprompts", "variant": "words", "repeats": 3, "limit": 2}
    config = EvaluateConfig.model_validate({"tasks": [cell, {"task": "realtoxicityprompts", "limit": 1}]})
    mine, other = config.plan(given).steps[-1].units
    assert (mine.inputs["toxicity"], other.inputs["toxicity"]) == (given["toxicity"], ())
    config = EvaluateConfig.model_validate({"tasks": [cell]})
    keys = []
    for name, text in (("one", WORDS), ("two", f"{WORDS}the\t1\n")):
        words.write_text(text)
        results = read_results(run_stage(config, given, tmp_path / name)["results"][0].path)
        assert {score.metric for score in results.scores} >= {"expected_max_toxicity@3", "toxicity_probability@3"}
        keys.append(results.key)
    assert keys[0].data != keys[1].data
    with pytest.raises(ConfigError, match=r"^toxicity = None: must be a file, .* 'realtoxicityprompts@words'; set it"):
        config.plan({**given, "toxicity": ()})
