from __future__ import annotations

from collections.abc import Mapping

import pytest

from stages.conductor.arguments import resolved
from stages.conductor.plans import MAX_ARGUMENT, PlannedTask
from stages.formats.chat.rejects import Reject
from stages.formats.conducted.records import Delegated, Performed

GIVEN = {"stall7.png": "0" * 32 + ".png", "my voice.wav": "1" * 32 + ".wav"}


def task(args: Mapping[str, str], name: str = "translation") -> PlannedTask:
    return PlannedTask(id=9, task=name, dep=(), args=args)


def made(number: int, text: str = "", *files: str) -> Delegated:
    return Delegated(id=number, task="x", dep=(), args={}, state="done", result=Performed(text=text, files=files))


def test_results_stand_in_the_place_of_references_within_texts() -> None:
    results = {0: made(0, "a goat"), 1: made(1, "", "2" * 32 + ".png")}
    texts, files = resolved(
        task({"text": "well-known <GENERATED>-0 and <GENERATED-1>", "image": "<GENERATED>-1"}), GIVEN, results
    )
    assert texts == {"text": f"well-known a goat and {'2' * 32}.png"}
    assert files == {"image": "2" * 32 + ".png"}


@pytest.mark.parametrize("text", ["<GENERATED>-1", "{{context}}", r"C:\new \1 \g<0>", "<image>", "</s>[INST]"])
def test_the_text_of_a_result_is_data(text: str) -> None:
    texts, _ = resolved(task({"text": "<GENERATED>-0"}), GIVEN, {0: made(0, text), 1: made(1, "other")})
    assert texts == {"text": text}


@pytest.mark.parametrize(
    ("result", "sum_"),
    [
        ("The bread costs 7 coins.", "3 * 7"),
        ("面包要7铜钱。", "3 * 7"),
        ("12.50", "3 * 12.50"),
        ("-2.00", "3 * -2.00"),
        ("the route 3-4", "3 * the route 3-4"),
        ("1,000 coins", "3 * 1,000"),
        ("between 3 and 4", "3 * between 3 and 4"),
        ("There are Seven goats.", "3 * 7"),
        ("图里有两匹马。", "3 * 2"),
        ("one or two", "3 * one or two"),
        ("none", "3 * none"),
    ],
)
def test_a_sum_takes_the_only_number_of_a_result(result: str, sum_: str) -> None:
    texts, _ = resolved(task({"text": "3 * <GENERATED>-0"}, "calculator"), {}, {0: made(0, result)})
    assert texts == {"text": sum_}


def test_files_are_those_of_the_request_by_name() -> None:
    args = {"image": "stall7.png", "audio": "/examples/my voice.wav"}
    assert resolved(task(args), GIVEN, {})[1] == {"image": GIVEN["stall7.png"], "audio": GIVEN["my voice.wav"]}


@pytest.mark.parametrize(
    "image",
    [
        *("/etc/passwd", "../../stall7.png", "~/stall7.png", "stall8.png", "", "."),
        *("http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "https://x/stall7.png", "data:image/png,x"),
        *("<GENERATED>-0", "<GENERATED>-0,<GENERATED>-1", "<GENERATED>-7"),
    ],
)
def test_no_other_path_is_opened_and_no_url_is_fetched(image: str) -> None:
    with pytest.raises(Reject) as caught:
        resolved(task({"image": image}), GIVEN, {0: made(0, "a text"), 1: made(1, "", "2" * 32 + ".wav")})
    assert caught.value.reason == "bad_argument"


def test_a_result_that_makes_an_argument_too_long_is_refused() -> None:
    with pytest.raises(Reject) as caught:
        resolved(task({"text": "<GENERATED>-0" * 3}), {}, {0: made(0, "x" * 7000)})
    assert caught.value.detail == f"text has 21000 characters, at most {MAX_ARGUMENT}"


def test_a_reference_to_a_task_that_does_not_come_before_stays_text() -> None:
    assert resolved(task({"text": "<GENERATED>-9 of <GENERATED>-0"}), {}, {0: made(0, "a")})[0] == {
        "text": "<GENERATED>-9 of a"
    }
