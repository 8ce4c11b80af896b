"""Tasks on pictures: what a question shows, blind controls, and their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from stages.evaluate.backends.dialogue import Dialogue
from stages.evaluate.cells import Cell, Shown
from stages.evaluate.harness import Watched, measure, sample_records
from stages.evaluate.scores import collect_scores
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.evaluate.tasks.perceived import names_all, show, yes_of
from stages.formats.results import Score
from stages.pictures.album import Album
from stages.shared.errors import ConfigError, DataError
from tests.stages.evaluate.seeing import COLOURS, colour_of, make_exam, make_pictures
from tests.stages.evaluate.world import CHOICE as TEXT_CHOICE
from tests.stages.evaluate.world import ByDigest, define, questions

COUNT = 24


class Shows:
    """A template that writes messages out, pictures by their keys."""

    identity, ends = "shows", ()

    def text(self, messages: Sequence[Any], begun: str) -> str:
        return "\n".join(part.text or f"<{part.key}>" for message in messages for part in message.parts)

    def ids(self, messages: Sequence[Any], begun: str, answer: str = "") -> list[int]:
        raise NotImplementedError

    given_ids = ids


class Sees(ByDigest):
    """Knows the colour of each picture, and says the first choice without one."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__()
        self.colours = {key: colour_of(number) for number, key in enumerate(keys)}

    def _colour(self, request: Instance) -> str:
        shown = request.args[2]["pictures"] if len(request.args) > 2 else []
        assert all(f"<{key}>\n" in request.args[0] for key in shown)  # before the question
        return self.colours[shown[0]] if shown else "red"

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        self.asked += requests
        found = []
        for request in requests:
            colour, asked = self._colour(request), request.args[0].rsplit("Is it ")[-1].rstrip("?")
            right = colour if request.args[1] in COLOURS else "yes" if asked == colour else "no"
            found.append((-1.0 if request.args[1] == right else -2.0, False))
        return found

    def generate_until(self, requests: list[Instance]) -> list[str]:
        return [f"A {self._colour(request).upper()} picture." for request in requests]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[str], Album]:
    folder = tmp_path_factory.mktemp("exam")
    keys = make_pictures(folder / "pictures", COUNT)
    return make_exam(folder / "exam", keys), keys, Album([folder / "pictures"])


World = tuple[list[Path], list[str], Album]


def measured(world: World, tmp_path: Path, task: str, pictures: Shown) -> tuple[dict[str, Score], list[Any]]:
    definitions, keys, album = world
    use_datasets(tmp_path / "home", [])
    loaded = load_cell(Cell(task=task), definitions)
    for each in loaded["tasks"].values():
        show(each, Cell(task=task, pictures=pictures), {"pictures": album})
    dialogue = Dialogue(Shows(), multiturn=True, system="")
    found = measure(Watched(Sees(keys), dialogue), loaded, None, dialogue.options)
    return {score.metric: score for score in collect_scores(found, {}, {})}, list(sample_records(found))


@pytest.mark.parametrize("task", ["colour", "caption"])
def test_a_model_that_sees_is_right_and_a_blind_one_is_at_chance(world: World, tmp_path: Path, task: str) -> None:
    metric = "acc" if task == "colour" else "named"
    shown, samples = measured(world, tmp_path, task, "shown")
    assert shown[metric].value == 1.0
    assert [sample["arguments"][0][-1]["pictures"] for sample in samples] == [[key] for key in world[1]]
    shuffled, others = measured(world, tmp_path, task, "shuffled")
    low, high = shuffled[metric].low, shuffled[metric].high
    assert low is not None and high is not None and low <= 0.25 <= high
    seen = [sample["arguments"][0][-1]["pictures"][0] for sample in others]
    assert sorted(seen) == sorted(world[1])  # each picture once
    assert not any(one == other for one, other in zip(seen, world[1], strict=True))
    assert measured(world, tmp_path, task, "shuffled")[1] == others
    none, blind = measured(world, tmp_path, task, "none")
    assert none[metric].value == 0.25
    assert all(len(argument) == 2 for sample in blind for argument in sample["arguments"])


def test_yes_and_no_have_popes_scores(world: World, tmp_path: Path) -> None:
    shown, _ = measured(world, tmp_path, "whether", "shown")
    assert {name: shown[name].value for name in ("acc", "precision", "recall", "f1", "says_yes")} == {
        "acc": 1.0,
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "says_yes": 0.5,
    }
    shuffled, samples = measured(world, tmp_path, "whether", "shuffled")
    said = [max(range(2), key=lambda at: sample["filtered_resps"][at][0]) for sample in samples]
    right = Counter((one, sample["target"]) for one, sample in zip(said, samples, strict=True))
    hits = right[1, 1]
    assert shuffled["precision"].value == pytest.approx(hits / (hits + right[1, 0]))
    assert shuffled["recall"].value == pytest.approx(hits / (hits + right[0, 1]))
    assert shuffled["f1"].value == pytest.approx(2 * hits / (2 * hits + right[1, 0] + right[0, 1]))
    low, high = shuffled["recall"].low, shuffled["recall"].high
    assert low is not None and high is not None and low < shuffled["recall"].value < high


@pytest.mark.parametrize(
    ("choices", "place"),
    [(["No", "Yes."], 1), (["对", "错"], 0), (["没有", "有"], 1), (["yes", "maybe"], None), (["red", "green"], None)],
)
def test_yes_is_known_in_both_languages(choices: list[str], place: int | None) -> None:
    assert yes_of(choices) == place


def test_a_task_of_text_stays_as_it_is(world: World, tmp_path: Path) -> None:
    found = [measured(world, tmp_path, "words", each)[1] for each in ("shown", "shuffled", "none")]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "words", "is_right"),
    [
        ("Two red foxes.", [["red"], ["fox", "foxes"]], True),
        ("The RED fox", [["red"], ["fox"]], True),
        ("A bored fox", [["red"], ["fox"]], False),
        ("red, red, red", [["red"], ["fox"]], False),
        ("两只红色的狐狸", [["红"], ["狐狸"]], True),
        ("", [["red"]], False),
    ],
)
def test_a_caption_is_right_if_it_names_a_word_of_each_list(text: str, words: list[list[str]], is_right: bool) -> None:
    assert names_all(text, words) == is_right


def refused(definitions: list[Path], album: Album | None, pictures: Shown = "shown", **cell: Any) -> str:
    loaded = load_cell(Cell(task="mine", **cell), definitions)
    with pytest.raises((ConfigError, DataError)) as caught:
        for each in loaded["tasks"].values():
            show(each, Cell(task="mine", pictures=pictures), {"pictures": album} if album else {})
    return str(caught.value)


def test_what_cannot_be_shown_is_refused(world: World, tmp_path: Path) -> None:
    use_datasets(tmp_path / "home", [])
    row = questions(3)
    pictured = {**TEXT_CHOICE, "doc_to_image": ["picture"]}
    known = [{**each, "picture": world[1][0]} for each in row]
    mine = define(tmp_path / "a", "mine", {"test": known}, **pictured)
    assert refused(mine, None).startswith("pictures = None: must be collections with the pictures of mine")
    assert "two different pictures" in refused(mine, world[2], "shuffled")
    assert "solved examples have no pictures" in refused(mine, world[2], num_fewshot=1)
    unknown = define(
        tmp_path / "b", "mine", {"test": [{**each, "picture": "../x\n<image>"} for each in row]}, **pictured
    )
    assert "'../x\\n<image>': lacks 1 of the pictures" in refused(unknown, world[2])
    numbers = define(tmp_path / "c", "mine", {"test": [{**each, "picture": 7} for each in row]}, **pictured)
    assert "must be keys of pictures in a collection" in refused(numbers, world[2])
