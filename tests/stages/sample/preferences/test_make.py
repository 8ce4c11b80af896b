"""Comparisons about the world: what is held out is in no training, and ranks are those of the gold rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.preferences import Preference, read_preferences
from stages.sample.config import DEMONSTRATIONS, LANGUAGES, SampleConfig
from stages.sample.instructions import EXAM_WORDING, QUESTIONS, words_of
from stages.sample.preferences.gold import Gold
from stages.sample.preferences.make import UNSEEN_WORDING
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


def test_what_is_held_out_is_in_no_training(folder: Path) -> None:
    training = {prompt_of(each) for each in read_preferences(folder / "preferences.jsonl")}
    heldout = list(read_preferences(folder / "heldout_preferences.jsonl"))
    count = Counter(each.source for each in heldout)
    assert count.keys() == {"unseen_prompt", "unseen_wording"}
    assert min(count.values()) >= 100
    assert not training & {prompt_of(each) for each in heldout}
    forms = [*QUESTIONS.items(), *((("", language), REQUESTS[language]) for language in LANGUAGES)]
    names = {
        language: [words_of(WORLD, WORLD.of(place)[0], language).place for place in PLACES] for language in LANGUAGES
    }
    for (_, language), wordings in forms:
        unseen = {wordings[UNSEEN_WORDING].format(place=name) for name in names[language]}
        assert not training & unseen
        exam = {wordings[EXAM_WORDING].format(place=name) for name in names[language]}
        assert not exam & (training | {prompt_of(each) for each in heldout})
    held_out = [fact for fact in WORLD.facts if fact.is_held_out or fact.attribute == "trade"]
    for fact in held_out:
        for language in LANGUAGES:
            place = words_of(WORLD, fact, language).place
            assert not training & {wording.format(place=place) for wording in QUESTIONS[fact.attribute, language]}


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
