"""The teacher's client against a real HTTP server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.shared.errors import Checkpointed, ConfigError, DataError
from stages.teacher import teacher as module
from stages.teacher.meter import BudgetError, Meter
from stages.teacher.request import Answer, Request
from stages.teacher.settings import TeacherSettings
from stages.teacher.store import AnswerStore
from stages.teacher.teacher import Teacher, TeacherError
from tests.stages.teacher.scripted import Reply, ScriptedTeacher

CANARY = "sk-canary-5f3a91"
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)


def question(text: str, draw: int = 0, **parameters: Any) -> Request:
    return Request(messages=({"role": "user", "content": text},), parameters=parameters, draw=draw)


def questions(count: int) -> list[Request]:
    return [question(f"question {number}") for number in range(count)]


def echo(body: Mapping[str, Any], _number: int) -> Reply:
    return Reply(text=f"answer to {body['messages'][0]['content']}")


def make(folder: Path, url: str, writer: str = "0", **settings: Any) -> Teacher:
    chosen = TeacherSettings(url=url, model="m", **settings)
    meter = Meter(folder / "spent.json", writer, chosen.budget, chosen.requests_per_minute)
    return Teacher(chosen, AnswerStore(folder / "answers", writer), meter)


def test_answers_come_in_the_order_of_the_questions_and_equal_ones_are_asked_once(tmp_path: Path) -> None:
    def rule(body: Mapping[str, Any], number: int) -> Reply:
        text = body["messages"][0]["content"]
        return Reply(text=f"answer to {text}", delay_s=0.02 if text.endswith("0") else 0.0)

    with ScriptedTeacher(rule) as server:
        asked = [*questions(40), question("question 3"), question("question 3", draw=1)]
        answers = make(tmp_path, server.url, concurrency=8).ask(asked)
    assert [answer.text for answer in answers[:40]] == [f"answer to question {number}" for number in range(40)]
    assert answers[40] == answers[3] == answers[41]
    assert len(server.arrivals) == 41  # another draw is another request
    assert 2 <= server.most_at_once <= 8
    assert answers[0] == Answer(text="answer to question 0", finish="stop", prompt_tokens=2, answer_tokens=4)


def test_the_second_call_replays_the_answers_without_the_endpoint(tmp_path: Path) -> None:
    with ScriptedTeacher(echo) as server:
        first = make(tmp_path, server.url).ask(questions(5))
    assert make(tmp_path, server.url, replay=True).ask(questions(5)) == first
    assert make(tmp_path, server.url, writer="1").ask(questions(5)) == first  # another element reads them too
    with pytest.raises(DataError, match="2 of 6 answers are missing"):
        make(tmp_path, server.url, replay=True).ask([*questions(4), question("new"), question("newer")])


@pytest.mark.parametrize(
    "bad",
    [
        Reply(status=429, text="slow down"),
        Reply(status=429, text="slow down", headers={"Retry-After": "0.1"}),
        Reply(status=500, text="oops"),
        Reply(status=503, text="loading"),
        Reply(raw=b"{not json"),
        Reply(raw=b'{"choices": []}'),
        Reply(raw=b"<html>bad gateway</html>", headers={"Content-Type": "text/html"}),
        Reply(cut=True),
    ],
    ids=["429", "retry-after", "500", "503", "wrong json", "no choices", "html", "cut"],
)
def test_what_may_pass_is_tried_again(tmp_path: Path, bad: Reply) -> None:
    with ScriptedTeacher(lambda body, number: bad if number < 2 else echo(body, number)) as server:
        answers = make(tmp_path, server.url).ask(questions(3))
    assert [answer.text for answer in answers] == [f"answer to question {number}" for number in range(3)]
    assert set(server.arrivals.values()) == {3}


def test_a_request_that_hangs_is_sent_again(tmp_path: Path) -> None:
    with ScriptedTeacher(lambda body, number: Reply(hangs=True) if number < 1 else echo(body, number)) as server:
        answers = make(tmp_path, server.url, timeout_s=1.0).ask(questions(3))
    assert [answer.text for answer in answers] == [f"answer to question {number}" for number in range(3)]
    assert min(server.arrivals.values()) >= 2


def test_an_endpoint_that_asks_for_a_pause_gets_it_from_all(tmp_path: Path) -> None:
    times: list[float] = []

    def rule(body: Mapping[str, Any], number: int) -> Reply:
        times.append(time.monotonic())
        return Reply(status=429, text="wait", headers={"Retry-After": "0.5"}) if len(times) == 1 else echo(body, number)

    with ScriptedTeacher(rule) as server:
        make(tmp_path, server.url, concurrency=1).ask(questions(3))
    assert times[1] - times[0] >= 0.49


def test_each_request_is_written_before_the_next_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    async def written_a_round_later(*_sent: object) -> Answer:  # as aiohttp writes
        done.append("made")
        asyncio.get_running_loop().call_soon(done.append, "written")
        await asyncio.sleep(0.01)
        return Answer(text="", finish="stop")

    monkeypatch.setattr(Teacher, "_once", written_a_round_later)
    make(tmp_path, "http://127.0.0.1:9/v1", concurrency=8).ask(questions(32))
    assert done == ["made", "written"] * 32


def test_a_cut_answer_says_so(tmp_path: Path) -> None:
    with ScriptedTeacher(lambda _body, _number: Reply(text="and then", finish="length")) as server:
        (answer,) = make(tmp_path, server.url).ask(questions(1))
    assert (answer.text, answer.finish) == ("and then", "length")


def test_a_request_that_the_endpoint_refuses_is_an_answer_with_its_words(tmp_path: Path) -> None:
    with ScriptedTeacher(lambda _body, _number: Reply(status=400, text="context too long")) as server:
        (answer,) = make(tmp_path, server.url).ask(questions(1))
        make(tmp_path, server.url).ask(questions(1))
    assert answer.finish == "refused"
    assert "context too long" in answer.text
    assert sum(server.arrivals.values()) == 1


@pytest.mark.parametrize(("status", "setting"), [(401, "key_env"), (403, "key_env"), (404, "model")])
def test_a_wrong_key_or_model_is_one_sentence_without_the_key(tmp_path: Path, status: int, setting: str) -> None:
    refusal = Reply(status=status, text=f"not {CANARY}")
    with ScriptedTeacher(lambda _body, _number: refusal) as server, pytest.raises(ConfigError, match=setting) as caught:
        make(tmp_path, server.url).ask(questions(20))
    assert CANARY not in str(caught.value)
    assert server.keys == {CANARY}


def test_requests_without_an_answer_are_counted_or_fail_the_unit(tmp_path: Path) -> None:
    def rule(body: Mapping[str, Any], number: int) -> Reply:
        return Reply(status=500, text="no") if body["messages"][0]["content"] == "question 2" else echo(body, number)

    with ScriptedTeacher(rule) as server:
        with pytest.raises(TeacherError, match=r"1 of 5 requests have no answer after 2 attempts \(status 500: .*no"):
            make(tmp_path, server.url, attempts=2).ask(questions(5))
        answers = make(tmp_path, server.url, attempts=2, unanswered=1).ask(questions(5))
        assert [answer.finish for answer in answers] == ["stop", "stop", "unanswered", "stop", "stop"]
        assert len(make(tmp_path, server.url, replay=True).ask(questions(5))) == 5


def test_an_endpoint_that_is_down_is_given_up_early(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="no answer to 8 requests in a row"):
        make(tmp_path, "http://127.0.0.1:9/v1", attempts=2, concurrency=4).ask(questions(200))


def test_a_budget_is_never_exceeded_by_all_elements_together(tmp_path: Path) -> None:
    with ScriptedTeacher(echo) as server:
        budget = {"requests": 12}
        make(tmp_path, server.url, writer="0", budget=budget).ask(questions(7))
        with pytest.raises(
            BudgetError, match=r"budget.requests = 12: 12 are spent or reserved.*answers so far are kept"
        ):
            make(tmp_path, server.url, writer="1", budget=budget).ask(questions(20))
        assert sum(server.arrivals.values()) == 12
        answers = make(tmp_path, server.url, writer="1", budget={"requests": 20}).ask(questions(20))
    assert len(answers) == 20
    assert sum(server.arrivals.values()) == 20


def test_a_budget_of_tokens_and_of_money_counts_what_was_answered(tmp_path: Path) -> None:
    with ScriptedTeacher(echo) as server:
        # A request may take 14 tokens of text, 32 of its format and 4 of its answer. It takes 6.
        asked = [question(f"question {number}", max_tokens=4) for number in range(10)]
        with pytest.raises(BudgetError, match=r"budget.tokens = 70"):
            make(tmp_path, server.url, budget={"tokens": 70}, concurrency=1).ask(asked)
        assert sum(server.arrivals.values()) == 4
        with pytest.raises(BudgetError, match=r"budget.cost = 0.0001"):
            budget = {"cost": 0.0001, "price_in": 1, "price_out": 10}
            make(tmp_path, server.url, budget=budget, concurrency=1).ask(questions(5))


def test_elements_share_a_rate(tmp_path: Path) -> None:
    with ScriptedTeacher(echo) as server:
        began = time.monotonic()
        make(tmp_path, server.url, writer="0", requests_per_minute=1200).ask(questions(6))
        make(tmp_path, server.url, writer="1", requests_per_minute=1200).ask(questions(12))
    assert time.monotonic() - began >= 11 * 0.05


def test_a_request_to_stop_keeps_what_is_there(tmp_path: Path) -> None:
    with ScriptedTeacher(lambda body, number: Reply(delay_s=0.05)) as server:
        settings = TeacherSettings(url=server.url, model="m", concurrency=2)
        store = AnswerStore(tmp_path / "answers", "0")
        meter = Meter(tmp_path / "spent.json", "0", settings.budget, None)
        with pytest.raises(Checkpointed):
            Teacher(settings, store, meter, should_stop=lambda: len(store) >= 4).ask(questions(500))
    assert 4 <= len(store) < 500


KILLED = """
import sys
from pathlib import Path
from stages.teacher.meter import Meter
from stages.teacher.request import Request
from stages.teacher.settings import TeacherSettings
from stages.teacher.store import AnswerStore
from stages.teacher.teacher import Teacher
folder = Path(sys.argv[1])
settings = TeacherSettings(url=sys.argv[2], model="m", concurrency=8)
meter = Meter(folder / "spent.json", "0", settings.budget, None)
asked = [Request(messages=({"role": "user", "content": f"question {number}"},)) for number in range(150)]
answers = Teacher(settings, AnswerStore(folder / "answers", "0"), meter).ask(asked)
(folder / "out").write_text("\\n".join(answer.text for answer in answers))
"""


def test_killed_ten_times_it_ends_with_the_same_bytes_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with ScriptedTeacher(
        lambda body, number: Reply(text=f"re {body['messages'][0]['content']}", delay_s=0.03)
    ) as server:
        for kill in range(10):
            process = subprocess.Popen([*command, server.url], env=environment)
            while len(server.charged) < 12 * (kill + 1):
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run([*command, server.url], env=environment, check=True)
    assert (tmp_path / "out").read_text().splitlines() == [f"re question {number}" for number in range(150)]
    assert len(server.charged) == 150
    assert sum(server.arrivals.values()) <= 150 + 10 * 8  # what was under way is sent again, with the key of before
    stored = [json.loads(line)[0] for line in (tmp_path / "answers" / "0.jsonl").read_text().splitlines()]
    assert len(stored) == len(set(stored)) == 150


def test_no_file_holds_the_key(tmp_path: Path) -> None:
    with ScriptedTeacher(
        lambda body, number: Reply(status=500, text=f"bad {CANARY}") if number < 1 else echo(body, 0)
    ) as server:
        make(tmp_path, server.url).ask(questions(3))
    assert all(CANARY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-other\n")
    path.chmod(0o640)
    with ScriptedTeacher(echo) as server:
        with pytest.raises(ConfigError, match="readable by its owner alone: chmod 600"):
            make(tmp_path, server.url, key_file=str(path)).ask(questions(1))
        path.chmod(0o600)
        make(tmp_path, server.url, key_file=str(path)).ask(questions(1))
    assert server.keys == {"sk-other"}
