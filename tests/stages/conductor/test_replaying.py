from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stages.conductor.conducting import Asked
from stages.conductor.expert import Call
from stages.conductor.replaying import ReplayError, main, replay
from stages.formats.chat.rejects import Reject
from stages.formats.conducted.records import Conducted, Performed, conducted_line, write_conducted
from tests.stages.conductor.made import conductor, controller, expert, plan

PLAN = plan(
    {"task": "image-to-text", "args": {"image": "a.png"}},
    {"task": "translation", "args": {"text": "<GENERATED>-0,<GENERATED>-0"}},
    {"task": "calculator", "args": {"text": "1 +"}},
    {"task": "text-to-speech", "args": {"text": "<GENERATED>-2"}},
    {"task": "fly", "args": {}},
)


def conducted(reply: str = PLAN) -> Conducted:
    """Return a record with a choice, an unfolded task, one that failed, a skipped one, and repairs."""

    def fails(_: Call) -> str:
        raise Reject("bad_expression", "an end where a number must be")

    experts = [
        expert("image-to-text", lambda _: "一只 goat"),
        *(expert("translation", lambda call: call.text("text").upper(), name) for name in ("a", "b")),
        expert("calculator", fails),
        expert("search", fails),
    ]
    found = conductor(controller(reply, choice='{"id": "b", "reason": "new"}'), *experts, attempts=2)
    return found.conduct(Asked(id="7", text="Do it.", files={"a.png": "0" * 32 + ".png"}))


def test_a_record_replays_to_the_same_bytes_without_a_model() -> None:
    record = conducted()
    assert [task.state for task in record.tasks] == ["done", "done", "failed", "skipped", "done"]
    assert len(record.repairs) == 2
    again = replay(record)
    assert conducted_line(again) == conducted_line(record)


def test_a_skipped_task_has_its_expert_in_the_prompt_too() -> None:
    failing = {"task": "calculator", "args": {"text": "1 +"}}
    record = conducted(plan(failing, {"task": "search", "args": {"text": "<GENERATED>-0"}}))
    assert [task.state for task in record.tasks] == ["failed", "skipped"]
    assert replay(record) == record


@pytest.mark.parametrize("reply", ["[]", "no plan"])
def test_a_request_without_experts_replays_too(reply: str) -> None:
    record = conducted(reply)
    assert replay(record) == record


def test_a_record_that_was_changed_does_not_replay() -> None:
    record = conducted()
    with pytest.raises(ReplayError, match=r"request '7': its record has no reply to this prompt: plan"):
        replay(replace(record, text="Do another thing."))
    first = replace(record.tasks[0], result=Performed(text="another animal"))
    with pytest.raises(ReplayError, match=r"no such call of task 1"):
        replay(replace(record, tasks=(first, *record.tasks[1:])))
    assert replay(replace(record, answer="another answer")).answer == record.answer


def test_files_of_records_are_replayed_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = conducted()
    write_conducted(tmp_path / "a.jsonl", [record, replace(record, id="8")])
    assert main([str(tmp_path / "a.jsonl")]) == 0
    write_conducted(tmp_path / "b.jsonl", [replace(record, answer="x"), replace(record, text="y"), record])
    assert main([str(tmp_path / "b.jsonl")]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["2 of 2 records replay to the same bytes", "1 of 3 records replay to the same bytes"]
    assert err.splitlines() == [
        "request '7': another answer",
        "request '7': its record has no reply to this prompt: plan",
    ]
