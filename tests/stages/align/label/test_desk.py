"""Labels on disk: blinded orders, nothing lost by a kill, and one label a labeller and item."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from stages.align.label.agreement import latest
from stages.align.label.desk import Desk
from stages.formats.chat.chats import Message, Part, text_message
from stages.formats.preferences import Candidates, Preference, Response, read_preferences

ITEMS = [
    Candidates(
        prompt=(text_message("user", f"question {number}"),),
        responses=(Response(f"first {number}", "policy a"), Response(f"second {number}", "policy b")),
        source="made",
    )
    for number in range(12)
]


def desk(folder: Path, seed: int = 0, items: list[Candidates] = ITEMS) -> Desk:
    return Desk(items, folder / "labels", ("clearer",), seed)


def labels(folder: Path, name: str = "ada") -> list[Preference]:
    return latest(read_preferences(folder / "labels" / f"{name}.jsonl"))


def choose(at: Desk, who: str, best: str, key: str | None = None) -> None:
    """Label the item of a key, or the next one: the response whose text begins with `best` wins."""
    item = at.view(who, key)["item"]
    ranks = [1 if text.startswith(best) else 2 for text in item["responses"]]
    at.keep(who, item["key"], ranks, ["clearer"])


def test_a_label_has_the_ranks_of_the_responses_whatever_order_was_shown(tmp_path: Path) -> None:
    for _ in ITEMS:
        choose(desk(tmp_path), "ada", "second")
    found = labels(tmp_path)
    assert [label.ranks for label in found] == [(2, 1)] * len(ITEMS)
    assert [label.key for label in found] == [item.key for item in ITEMS]
    assert {(label.ranked_by, label.source, label.reasons) for label in found} == {("ada", "made", ("clearer",))}
    assert found[0].responses == ITEMS[0].responses
    assert desk(tmp_path).view("ada")["item"] is None


def test_each_labeller_sees_an_order_of_their_own_and_no_source(tmp_path: Path) -> None:
    def orders(who: str, seed: int = 0) -> list[bool]:
        at = desk(tmp_path, seed)
        views = [at.view(who, item.key) for item in ITEMS]
        assert not any("policy" in str(view) for view in views)
        return [view["item"]["responses"][0].startswith("first") for view in views]

    assert 1 < sum(orders("ada")) < len(ITEMS) - 1
    assert orders("ada") == orders("ada")
    assert len({tuple(orders("ada")), tuple(orders("bob")), tuple(orders("ada", seed=1))}) == 3


def test_a_line_cut_by_a_kill_is_removed_and_its_item_comes_again(tmp_path: Path) -> None:
    at = desk(tmp_path)
    choose(at, "ada", "first")
    choose(at, "ada", "first")
    path = tmp_path / "labels" / "ada.jsonl"
    whole = path.read_bytes()
    for cut in (1, 40, len(whole) // 3):
        path.write_bytes(whole[:-cut])
        assert desk(tmp_path).view("ada")["item"]["key"] == ITEMS[1].key
        assert path.read_bytes() == whole[: whole.index(b"\n") + 1]
    path.write_bytes(whole[:-9])
    choose(at, "ada", "first", ITEMS[1].key)
    assert path.read_bytes() == whole


def test_undo_shows_the_labels_before_and_the_new_label_replaces_the_old(tmp_path: Path) -> None:
    at = desk(tmp_path)
    for _ in range(3):
        choose(at, "ada", "first")
    before = at.view("ada")["before"]
    assert before == ITEMS[2].key
    view = at.view("ada", before)
    assert view["before"] == ITEMS[1].key
    assert sorted(view["item"]["ranks"]) == [1, 2]
    assert view["item"]["given"] == ["clearer"]
    choose(at, "ada", "second", before)
    assert [label.ranks for label in labels(tmp_path)] == [(1, 2), (1, 2), (2, 1)]
    assert at.view("ada")["done"] == 3
    assert at.view("ada", ITEMS[0].key)["before"] is None


def test_skipped_items_come_again_after_the_others(tmp_path: Path) -> None:
    at = desk(tmp_path, items=ITEMS[:3])
    for place in (0, 1):
        at.skip("ada", ITEMS[place].key)
    seen = []
    while item := at.view("ada")["item"]:
        seen.append(item["key"])
        at.keep("ada", item["key"], [1, 1], [])
    assert seen == [ITEMS[place].key for place in (2, 0, 1)]
    assert {label.ranks for label in labels(tmp_path)} == {(1, 1)}


def test_two_labellers_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(who: str) -> None:
        at = desk(tmp_path)  # a server each
        for _ in ITEMS:
            choose(at, who, "first")

    workers = [threading.Thread(target=work, args=(who,)) for who in ("ada", "bob")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(labels(tmp_path, "ada")) == len(labels(tmp_path, "bob")) == len(ITEMS)


@pytest.mark.parametrize("name", ["", " ", "../x", "a/b", ".hidden", "x" * 41, "a\nb", "<b>"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must have up to 40"):
        desk(tmp_path).view(name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "ranks", "reasons", "problem"),
    [
        ("none", [1, 2], [], "must be that of an item"),
        ("", [1, 2], [], "must be that of an item"),
        (ITEMS[0].key, [1], [], "a whole number from 1 for each response"),
        (ITEMS[0].key, [0, 1], [], "a whole number from 1 for each response"),
        (ITEMS[0].key, [True, 1], [], "a whole number from 1 for each response"),
        (ITEMS[0].key, [1, 2], ["nicer"], "must be of"),
    ],
)
def test_a_label_that_does_not_fit_is_refused(
    tmp_path: Path, key: str, ranks: list[int], reasons: list[str], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        desk(tmp_path).keep("ada", key, ranks, reasons)
    assert not list(tmp_path.iterdir())


def test_names_in_any_script_have_files_of_their_own(tmp_path: Path) -> None:
    for name in ("艾达", "Ada L.", "ada"):
        choose(desk(tmp_path), name, "first")
    assert len(list((tmp_path / "labels").iterdir())) == 3


def test_parts_that_are_no_text_are_named(tmp_path: Path) -> None:
    prompt = (Message(role="user", parts=(Part(type="picture", key="cat.png"), Part(type="text", text="what?"))),)
    item = Candidates(prompt=prompt, responses=ITEMS[0].responses)
    (message,) = desk(tmp_path, items=[item]).view("ada")["item"]["prompt"]
    assert message["parts"] == [{"text": "[picture cat.png]"}, {"text": "what?"}]
