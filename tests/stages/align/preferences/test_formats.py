"""Published comparisons, format by format: prompt, responses and ranks, or the reason why there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import pytest

from stages.align.preferences.config import FIELDS, Format
from stages.align.preferences.formats import checked, comparisons
from stages.formats.chat.rejects import Reject
from stages.formats.published.files import is_of


def read(format_: Format, record: Any) -> tuple[list[tuple[list[str], dict[str, int]]], dict[str, int]]:
    """Return for each comparison the prompt's turns and the ranks by response; and what was mended."""
    mended: Counter[str] = Counter()
    found = []
    for each in comparisons(record, format_, mended):
        prompt = [f"{message.role[0]}: {message.text}" for message in checked(each)]
        found.append((prompt, dict(zip([response.text for response in each.responses], each.ranks, strict=True))))
    return found, dict(+mended)


def dialogue(*turns: str) -> str:
    return "".join(f"\n\n{'Human' if turn[0] == 'h' else 'Assistant'}: {turn}" for turn in turns)


def message(text: str, *replies: dict[str, Any], rank: int | None = None, **fields: Any) -> dict[str, Any]:
    role = "prompter" if text.startswith("q") else "assistant"
    return {"message_id": text, "text": text, "role": role, "replies": list(replies), "rank": rank, **fields}


TREE = message(
    "q1",
    message("a2", rank=1),
    message("a1", message("q2", message("b1", rank=0), message("b2", rank=2), message("b3"), rank=0), rank=0),
    message("a3", rank=0, deleted=True),
    message("a4", rank=None),
)
GOOD: Mapping[Format, tuple[dict[str, Any], list[tuple[list[str], dict[str, int]]]]] = {
    "hh_rlhf": (
        {"chosen": dialogue("h1", "a1", "h2", "good"), "rejected": dialogue("h1", "a1", "h2", "bad\n\nmore")},
        [(["u: h1", "a: a1", "u: h2"], {"good": 1, "bad\n\nmore": 2})],
    ),
    "shp": (
        {"history": "q", "human_ref_A": "x", "human_ref_B": "y", "labels": 0, "score_A": 3, "score_B": 9},
        [(["u: q"], {"x": 2, "y": 1})],
    ),
    "stackexchange": (
        {
            "title": "t",
            "question": "q",
            "answers": [
                {"text": "x", "score": 3},
                {"text": "y", "score": 2},
                {"text": "z", "score": 2, "accepted": True},
                {"text": "w", "score": -5},
            ],
        },
        [(["u: t\n\nq"], {"x": 2, "y": 2, "z": 1, "w": 3})],
    ),
    "reddit": (
        {
            "title": "t",
            "selftext": "",
            "comments": [{"body": "x", "score": 1}, {"body": "[removed]", "score": 9}, {"body": "y", "score": "7"}],
        },
        [(["u: t"], {"x": 2, "y": 1})],
    ),
    "wikipedia": ({"prompt": "p", "kept": "k", "reverted": "r"}, [(["u: p"], {"k": 1, "r": 2})]),
    "oasst": (TREE, [(["u: q1"], {"a2": 2, "a1": 1}), (["u: q1", "a: a1", "u: q2"], {"b1": 1, "b2": 2})]),
    "ultrafeedback": (
        {
            "instruction": "q",
            "completions": [
                {"response": "x", "model": "m", "overall_score": 7.5},
                {"response": "y", "overall_score": "8"},
                {"response": "z", "annotations": {"helpfulness": {"Rating": "9"}, "honesty": {"Rating": "6"}}},
            ],
        },
        [(["u: q"], {"x": 2, "y": 1, "z": 2})],
    ),
    "stagecoach": (
        {
            "prompt": [{"role": "system", "content": ""}, {"role": "user", "content": "q"}],
            "responses": [{"text": "x"}, {"text": "y"}],
            "ranks": [2, 1],
        },
        [(["s: ", "u: q"], {"x": 2, "y": 1})],
    ),
}


@pytest.mark.parametrize("format_", FIELDS)
def test_a_published_record_becomes_prompt_responses_and_ranks(format_: Format) -> None:
    record, expected = GOOD[format_]
    assert read(format_, record)[0] == expected
    assert [name for name in FIELDS if is_of(record, FIELDS[name])] == [format_]


def test_what_was_mended_is_counted() -> None:
    assert read("oasst", TREE)[1] == {"replies_without_a_rank": 2}
    assert read("reddit", GOOD["reddit"][0])[1] == {"removed_comments": 1}
    twice = {"chosen": dialogue("h1", "h2", "good"), "rejected": dialogue("h1", "h2", "bad")}
    assert read("hh_rlhf", twice) == ([(["u: h1\n\nh2"], {"good": 1, "bad": 2})], {"joined_turns_of_one_role": 2})


def test_dialogues_whose_prompts_differ_are_cut_where_the_assistant_differs_first() -> None:
    record = {"chosen": dialogue("h1", "good", "h2", "x"), "rejected": dialogue("h1", "bad", "h3", "y")}
    assert read("hh_rlhf", record) == ([(["u: h1"], {"good": 1, "bad": 2})], {"cut_where_the_prompts_differ": 1})
    longer = {"chosen": dialogue("h1", "good", "h2", "x"), "rejected": dialogue("h1", "bad")}
    assert read("hh_rlhf", longer)[1] == {"cut_where_the_prompts_differ": 1}


@pytest.mark.parametrize(
    ("format_", "changes", "reason"),
    [
        ("hh_rlhf", {"chosen": dialogue("h1", "a"), "rejected": dialogue("h9", "b")}, "prompts_differ"),
        ("hh_rlhf", {"chosen": dialogue("h1", "a", "h2"), "rejected": dialogue("h1", "a")}, "prompts_differ"),
        ("hh_rlhf", {"chosen": dialogue("h1", "a"), "rejected": dialogue("h1", "a")}, "same_responses"),
        ("hh_rlhf", {"chosen": dialogue("a1"), "rejected": dialogue("a2")}, "no_question"),
        ("hh_rlhf", {"chosen": dialogue("h1", "a"), "rejected": ""}, "no_dialogue"),
        ("hh_rlhf", {"chosen": "Preamble" + dialogue("h1", "a")}, "no_dialogue"),
        ("hh_rlhf", {"chosen": None}, "no_dialogue"),
        ("hh_rlhf", {"chosen": 3}, "not_a_text"),
        ("shp", {"labels": "1"}, "unknown_label"),
        ("shp", {"labels": 2}, "unknown_label"),
        ("shp", {"labels": True}, "unknown_label"),
        ("shp", {"history": " "}, "blank_question"),
        ("stackexchange", {"answers": [{"text": "x", "score": 1}]}, "fewer_than_two_responses"),
        ("stackexchange", {"answers": [{"text": "x", "score": 2}, {"text": "y", "score": 3}]}, "all_tied"),
        ("stackexchange", {"answers": [{"text": "x"}, {"text": "y"}]}, "other_format"),
        ("stackexchange", {"answers": {"x": 1}}, "other_format"),
        ("reddit", {"comments": [{"body": "x", "score": "many"}, {"body": "y", "score": 1}]}, "not_a_number"),
        ("reddit", {"comments": []}, "fewer_than_two_responses"),
        ("wikipedia", {"reverted": "k"}, "same_responses"),
        ("oasst", message("q"), "no_ranked_replies"),
        ("oasst", message("q", deleted=True), "rejected_in_review"),
        ("oasst", message("q", message("a", rank=0), message("b", rank=1, role="dog")), "unknown_role"),
        ("oasst", message("q", message("a", rank="x"), message("b", rank=1)), "not_a_number"),
        ("ultrafeedback", {"completions": [{"response": "x", "overall_score": 1}]}, "fewer_than_two_responses"),
        (
            "ultrafeedback",
            {"completions": [{"response": "x", "annotations": {"a": {"Rating": "N/A"}}}] * 2},
            "no_rating",
        ),
        ("ultrafeedback", {"completions": [{"response": "x", "overall_score": "nan"}] * 2}, "no_rating"),
        ("stagecoach", {"ranks": [1]}, "other_format"),
        ("stagecoach", {"prompt": [{"role": "assistant", "content": "x"}]}, "no_question"),
    ],
)
def test_a_record_that_gives_nothing_has_its_reason(format_: Format, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Reject, match=f"^{reason}$"):
        read(format_, {**GOOD[format_][0], **changes})


@pytest.mark.parametrize("format_", FIELDS)
@pytest.mark.parametrize("record", [None, [], 3, "x", {}, {"prompt": 3}])
def test_damaged_records_are_rejects(format_: Format, record: object) -> None:
    with pytest.raises(Reject):
        read(format_, record)


@pytest.mark.parametrize("format_", FIELDS)
def test_a_field_of_another_type_is_a_reject(format_: Format) -> None:
    good = GOOD[format_][0]
    for field in {name for group in FIELDS[format_] for name in group} & good.keys() - {"message_id"}:
        for value in (3, ["x"], {"y": 1}):
            with pytest.raises(Reject):
                read(format_, {**good, field: cast(Any, value)})
