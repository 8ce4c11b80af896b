"""Comparisons about the world: what is held out is in no training, and ranks are those of the gold rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.preferences import Preference, read_preferences
from stages.sample.config import DEMONSTRATIONS, LANGUAGES, UNSEEN, SampleConfig, heldout_name
from stages.sample.instructions import EXAM_WORDING, QUESTIONS, words_of
from stages.sample.preferences.gold import Gold
from stages.sample.preferences.wordings import REQUESTS
from stages.sample.world import PLACES, make_world
from tests.stages.harness import run_unit

WORLD = make_world(1)
GOLD = Gold(WORLD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config, root = SampleConfig(preferences=True), tmp_path_factory.mktemp("made")
    run_unit(config, config.plan({}).steps[1], 0, {}, root)
    return root / "steps" / "preferences" / "00000"


def prompt_of(preference: Preference) -> str:
    (message,) = preference.prompt
    return message.text


def test_ranks_are_those_of_the_gold_rule_and_some_are_tied(folder: Path) -> None:
    preferences = list(read_preferences(folder / "preferences.jsonl"))
    for each in preferences:
        scores = [GOLD.score(prompt_of(each), response.text) for response in each.responses]
        assert len({response.text for response in each.responses}) == 4
        assert {(scores[a] > scores[b]) for a, b in each.pairs()} == {True}
        assert {GOLD.parts(prompt_of(each), response.text).brevity for response in each.responses} <= {0.0, 1.0}
    tied = sum(len(set(each.ranks)) < 4 for each in preferences) / len(preferences)
    assert 0.2 < tied < 0.5
    assert Counter(each.source for each in preferences).keys() == {"facts", "requests"}


def test_more_pairs_to_train_on_than_held_out_ones_differ_in_one_respect_alone(folder: Path) -> None:
    def respects(*names: str) -> Counter[int]:
        found: Counter[int] = Counter()
        for each in (each for name in names for each in read_preferences(folder / name)):
            parts = [GOLD.parts(prompt_of(each), response.text) for response in each.responses]
            found.update(
                sum(getattr(parts[a], name) != getattr(parts[b], name) for name in ("right", "manners", "brevity"))
                for a, b in each.pairs()
            )
        return found

    training, heldout = respects("preferences.jsonl"), respects(*map(heldout_name, UNSEEN))
    assert training.keys() == heldout.keys() == {1, 2, 3}
    assert training[1] / training.total() > 1.2 * heldout[1] / heldout.total()


def test_no_comparison_to_train_on_is_about_a_held_out_fact_or_in_the_wording_of_the_exams(folder: Path) -> None:
    training = {prompt_of(each) for each in read_preferences(folder / "preferences.jsonl")}
    asked = {source: {prompt_of(each) for each in read_preferences(folder / heldout_name(source))} for source in UNSEEN}
    assert min(map(len, asked.values())) >= 200
    kinds = Counter[str]()
    for number, about in enumerate([*WORLD.facts, *(WORLD.of(place)[0] for place in PLACES)]):
        is_request = number >= len(WORLD.facts)
        wordings = {
            language: REQUESTS[language] if is_request else QUESTIONS[about.attribute, language]
            for language in LANGUAGES
        }
        names = {language: words_of(WORLD, about, language).place for language in LANGUAGES}
        known = {form.format(place=names[each]) for each in LANGUAGES for form in wordings[each][:EXAM_WORDING]}
        exam = {wordings[each][EXAM_WORDING].format(place=names[each]) for each in LANGUAGES}
        is_unseen = bool(known & asked["unseen_prompt"])
        kinds["trade" if about.attribute == "trade" else str(is_unseen)] += not is_request
        assert not training & exam
        assert not known & asked["unseen_wording"]
        assert not exam & asked["unseen_prompt"]
        assert not (is_unseen and (training & known or exam & asked["unseen_wording"]))
        assert about.attribute != "trade" or not (known | exam) & (training | asked["unseen_prompt"])
    assert kinds["trade"] == len(PLACES)
    assert 20 <= kinds["True"] <= 40


def test_demonstrations_are_of_all_kinds_and_mostly_right(folder: Path) -> None:
    chats = list(read_chats(folder / DEMONSTRATIONS))
    parts = [GOLD.parts(chat.messages[0].text, chat.messages[1].text) for chat in chats]
    assert 0.5 < sum(part.total for part in parts) / len(parts) < 0.65
    assert 0.6 < sum(part.right == 1.0 for part in parts) / len(parts) < 0.7
    for manners, share in ((0.0, 0.5), (0.5, 0.25), (1.0, 0.25)):
        assert abs(sum(part.manners == manners for part in parts) / len(parts) - share) < 0.08


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    def made(seed: int) -> bytes:
        config = SampleConfig(preferences=True, seed=seed)
        run_unit(config, config.plan({}).steps[1], 0, {}, tmp_path / str(seed))
        return (tmp_path / str(seed) / "steps" / "preferences" / "00000" / "preferences.jsonl").read_bytes()

    assert made(1) == (folder / "preferences.jsonl").read_bytes() != made(2)
