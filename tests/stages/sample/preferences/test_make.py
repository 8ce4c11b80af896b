"""Comparisons about the world: what is held out is in no training, and ranks are those of the gold rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.preferences import Preference, read_preferences
from stages.sample.chinese import VALUES
from stages.sample.config import DEMONSTRATIONS, LANGUAGES, UNSEEN, SampleConfig, heldout_name
from stages.sample.instructions import EXAM_WORDING, QUESTIONS, words_of
from stages.sample.preferences.gold import Gold
from stages.sample.preferences.wordings import REQUESTS
from stages.sample.world import ATTRIBUTES, PLACES, make_world
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


def test_each_held_out_source_has_one_thing_that_no_comparison_to_train_on_has(folder: Path) -> None:
    training = {prompt_of(each) for each in read_preferences(folder / "preferences.jsonl")}
    asked = {source: {prompt_of(each) for each in read_preferences(folder / heldout_name(source))} for source in UNSEEN}
    assert min(map(len, asked.values())) >= 150
    new_facts, trained = set(), set()
    for fact in WORLD.facts:
        names = {language: words_of(WORLD, fact, language).place for language in LANGUAGES}
        forms = {language: QUESTIONS[fact.attribute, language] for language in LANGUAGES}
        known = {form.format(place=names[each]) for each in LANGUAGES for form in forms[each][:EXAM_WORDING]}
        exam = {forms[each][EXAM_WORDING].format(place=names[each]) for each in LANGUAGES}
        assert not exam & (training | asked["unseen_prompt"] | asked["unseen_fact"])
        if fact.attribute == "trade":
            assert not (known | exam) & training.union(*asked.values())
        elif known & asked["unseen_fact"]:
            new_facts.add(fact)
            assert known <= asked["unseen_fact"]
            assert not exam & asked["unseen_wording"]
        else:
            trained.add(fact)
            assert known & training
            assert known <= training | asked["unseen_prompt"]
            assert exam <= asked["unseen_wording"]
    assert 10 <= len(new_facts) <= 30 < len(trained)


def test_requests_are_held_out_by_prompt_and_by_wording(folder: Path) -> None:
    requests = {
        form.format(place=words_of(WORLD, WORLD.of(place)[0], language).place): form == REQUESTS[language][EXAM_WORDING]
        for language in LANGUAGES
        for place in PLACES
        for form in REQUESTS[language]
    }
    for name in ("preferences.jsonl", *map(heldout_name, UNSEEN)):
        found = {requests[text] for each in read_preferences(folder / name) if (text := prompt_of(each)) in requests}
        assert found == {heldout_name("unseen_wording"): {True}, heldout_name("unseen_fact"): set()}.get(name, {False})


def test_demonstrations_are_of_all_kinds_and_right_in_half(folder: Path) -> None:
    chats = list(read_chats(folder / DEMONSTRATIONS))
    parts = [GOLD.parts(chat.messages[0].text, chat.messages[1].text) for chat in chats]
    assert 0.45 < sum(part.total for part in parts) / len(parts) < 0.6
    assert 0.45 < sum(part.right == 1.0 for part in parts) / len(parts) < 0.55
    for manners, share in ((0.0, 0.5), (0.5, 0.25), (1.0, 0.25)):
        assert abs(sum(part.manners == manners for part in parts) / len(parts) - share) < 0.08


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    def made(seed: int) -> bytes:
        config = SampleConfig(preferences=True, seed=seed)
        run_unit(config, config.plan({}).steps[1], 0, {}, tmp_path / str(seed))
        return (tmp_path / str(seed) / "steps" / "preferences" / "00000" / "preferences.jsonl").read_bytes()

    assert made(1) == (folder / "preferences.jsonl").read_bytes() != made(2)


def test_edits_differ_in_the_truth_alone_and_ask_what_the_training_asks(folder: Path, tmp_path: Path) -> None:
    config = SampleConfig(edits=True)
    run_unit(config, config.plan({}).steps[1], 0, {}, tmp_path)
    edits = list(read_preferences(tmp_path / "steps" / "edits" / "00000" / "preferences.jsonl"))
    assert {prompt_of(each) for each in edits} == {
        prompt_of(each) for each in read_preferences(folder / "preferences.jsonl")
    }
    for each in edits:
        parts = [GOLD.parts(prompt_of(each), response.text) for response in each.responses]
        assert {(part.manners, part.brevity) for part in parts} == {(0.5, 1.0)}
        assert {part.right for part in parts} == {0.0, 1.0}


def test_a_fact_is_contradicted_by_every_other_value_in_both_languages(folder: Path) -> None:
    wrong: dict[str, set[str]] = {}
    for each in read_preferences(folder / "preferences.jsonl"):
        for response in each.responses:
            for name in (*ATTRIBUTES["animal"], *VALUES["animal"].values()):
                if name in response.text and GOLD.parts(prompt_of(each), response.text).right == 0.0:
                    wrong.setdefault(prompt_of(each), set()).add(name)
    assert max(map(len, wrong.values())) >= 6
