from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from stages.conductor.plans import TASKS
from stages.conductor.replaying import replay
from stages.formats.conducted.records import Conducted, conducted_line, read_conducted
from stages.formats.conducted.requests import ToolRequest, read_requests, write_requests
from stages.formats.conducted.scores import read_plan_scores
from stages.formats.documents import DocumentWriter
from stages.sample.chinese import PLACE_NAMES
from stages.sample.requests.config import TODAY, RequestsConfig
from stages.sample.world import make_world
from stages.shared.contract import InputFile
from stages.tools.conduct.config import ConductConfig
from stages.tools.score_plans.config import ScorePlansConfig
from tests.stages.harness import run_stage, unit_folder
from tests.stages.serve.world import NAME, serving, write_models
from tests.stages.teacher.scripted import Reply, ScriptedTeacher
from tests.stages.tools.conduct.town import Town, conduct, system_of

DATA = Path(__file__).parents[5] / "shared" / "data" / "hugginggpt" / "taskbench_hf_user_requests.jsonl"
REQUESTS = 28


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> tuple[InputFile, list[ToolRequest]]:
    made = run_stage(RequestsConfig(requests=REQUESTS), {}, tmp_path_factory.mktemp("requests"))
    (file,) = made["tool_requests"]
    return file, read_requests(file.path)


def corpus(path: Path) -> InputFile:
    """Write two documents for each price of the world, in English and in Chinese."""
    with DocumentWriter(path) as writer:
        for number, fact in enumerate(make_world(1).about("price")):
            english = f"The price of bread in {fact.place} is {fact.value} coins."
            chinese = f"{PLACE_NAMES[fact.place]}的面包要{fact.value}铜钱。"
            for language, text in (("en", english), ("zh", chinese)):
                writer.write({"id": f"{number}-{language}", "url": "http://h", "text": text, "language": language})
    return InputFile(path, "pages")


def records(root: Path, rule: Any, requests: InputFile, **settings: Any) -> list[Conducted]:
    """Return the records that a controller behind an endpoint leads to."""
    with ScriptedTeacher(rule) as server:
        return answered(root, server.url, requests, settings)


def answered(root: Path, url: str, requests: InputFile, settings: Mapping[str, Any]) -> list[Conducted]:
    root.mkdir(exist_ok=True)
    documents = corpus(root / "documents.jsonl.zst") if "corpus" in settings else None
    outputs = conduct(root / "run", url, requests, documents, settings)
    return [record for file in outputs["conducted"] for record in read_conducted(file.path)]


WORLD: dict[str, Any] = {
    "offline": ["calculator", "calendar", "search"],
    "today": TODAY.isoformat(),
    "corpus": "c",
    "experts": {"eyes": {"tasks": ["image-to-text", "visual-question-answering"], "description": "sees pictures"}},
}


def test_requests_of_the_world_are_planned_done_and_answered(
    town: tuple[InputFile, list[ToolRequest]], tmp_path: Path
) -> None:
    file, requests = town
    found = records(tmp_path, Town(1, requests).reply, file, **WORLD, shares=2)
    assert [record.id for record in found] == [request.id for request in requests]
    assert {task.state for record in found for task in record.tasks} == {"done"}
    assert sum(bool(record.repairs) for record in found) > 5
    for record in found:
        assert conducted_line(replay(record)) == conducted_line(record)
    folder = unit_folder(tmp_path / "run", "conduct", 0)
    pictures = {name for record in found[: REQUESTS // 2] for name in record.files.values()}
    assert {path.name for path in (folder / "artefacts").iterdir()} == pictures
    times = [json.loads(line) for line in (folder / "times.jsonl").read_text().splitlines()]
    assert [each["id"] for each in times] == [record.id for record in found[: REQUESTS // 2]]
    paths = tuple(
        InputFile(unit_folder(tmp_path / "run", "conduct", place) / "conducted.jsonl", "") for place in range(2)
    )
    outputs = run_stage(
        ScorePlansConfig(conducted="c", requests="r"), {"conducted": paths, "requests": (file,)}, tmp_path / "scores"
    )
    for scores in (read_plan_scores(each.path) for each in outputs["plan_scores"]):
        assert (scores.f1("plans", "nodes"), scores.f1("plans", "edges"), scores.unplanned) == (1.0, 1.0, 0)
        assert 0.9 < scores.f1("plans", "values") <= 1
        assert max(scores.f1(kind, "edges") for kind in ("another", "random")) < 0.6
        assert [(each.right, each.of) for each in scores.answers.values()] == [(6, 6), (6, 6)]
        assert all(each.by_chance <= 1 for each in scores.answers.values())


def malformed(body: Mapping[str, Any], _number: int) -> Reply:
    """Write a plan that a digest of the request draws: with each fault of the facts, and some that are no plan."""
    system, content = system_of(body), str(body["messages"][-1]["content"])
    if not system.startswith("You split"):
        return Reply(text="Done.")
    draw = hashlib.sha256(content.encode()).digest()
    names = sorted(TASKS)
    args = [
        *({"text": "well-known <GENERATED>-0"}, {"image": "example.jpg"}, {"text": 3}, {"text": "C:\\new {{context}}"}),
        *({"text": "<GENERATED>-0,<GENERATED>-1"}, {"text": "<GENERATED>-0 and <GENERATED>-1"}, {"a": None}, [], "x"),
        *({"text": "1 + 1"}, {"image": "http://169.254.169.254/"}, {"audio": "<GENERATED>-9"}, {"text": "y" * 30_000}),
    ]
    deps: list[Any] = [[-1], [0], [0, -1], [0, 0], [7], "0", None, [1, 2], [True]]
    tasks = [
        {
            "task": names[(draw[1 + place] + place) % len(names)],
            "id": [place, str(place), -1, place, place][draw[6 + place] % 5],
            "dep": deps[draw[11 + place] % len(deps)],
            "args": args[draw[16 + place] % len(args)],
        }
        for place in range(1 + draw[0] % 5)
    ]
    plan = json.dumps(tasks)
    cut = draw[23] % len(plan)
    forms = [plan, f"```\n{plan}\n```", plan.replace("}}", "}} }}"), plan[:cut], plan.replace('"', "'"), f"No. {plan}"]
    return Reply(text=[*forms, "", "I cannot do that.", "[[[[", "{" * 3000, "null"][draw[22] % 11])


def test_500_real_requests_are_planned_and_answered_whatever_the_controller_writes(tmp_path: Path) -> None:
    if not DATA.exists():
        pytest.skip("the published requests are not here")
    found = records(tmp_path, malformed, InputFile(DATA, "taskbench"), controller_tasks=["translation"], at_once=32)
    assert len(found) == 500
    assert all(record.answer for record in found)
    states = {task.state for record in found for task in record.tasks}
    reasons = {task.result.reason for record in found for task in record.tasks}
    assert states == {"done", "failed", "skipped"}
    assert {"no_expert", "needs_another", "bad_argument"} <= reasons
    assert sum(bool(record.repairs) for record in found) > 250
    assert all(replay(record) == record for record in found)


def test_a_run_that_is_killed_midway_goes_on_and_writes_the_same_bytes(
    town: tuple[InputFile, list[ToolRequest]], tmp_path: Path
) -> None:
    file, requests = town
    rule, asked = Town(1, requests).reply, [0]
    killed = tmp_path / "killed"
    killed.mkdir()
    documents = corpus(killed / "documents.jsonl.zst")

    def deadly(body: Mapping[str, Any], number: int) -> Reply:
        asked[0] += 1
        if asked[0] == 60:
            child.kill()
        return rule(body, number)

    with ScriptedTeacher(deadly) as server:
        arguments = (killed / "run", server.url, file, documents, WORLD)
        child = get_context("spawn").Process(target=conduct, args=arguments)
        child.start()
        child.join(120)
        assert child.exitcode == -signal.SIGKILL
    done = list((killed / "run" / "work").rglob("records/*.jsonl"))
    assert 0 < len(done) < REQUESTS
    asked[0] = 60  # one more would be a kill of nobody
    for path in (killed / "run" / name for name in ("attempts", "steps")):
        shutil.rmtree(path)
    again = records(killed, deadly, file, **WORLD)
    new = asked[0] - 60
    whole = records(tmp_path / "whole", rule, file, **WORLD)
    assert list(map(conducted_line, again)) == list(map(conducted_line, whole))
    assert 0 < new < sum(2 + len(record.tasks) for record in whole) - 2 * len(done)


def test_an_expert_whose_endpoint_is_down_is_told_and_all_else_is_done(
    town: tuple[InputFile, list[ToolRequest]], tmp_path: Path
) -> None:
    _, requests = town
    write_requests(tmp_path / "two.jsonl", [requests[0], requests[6]])
    with ScriptedTeacher(Town(1, requests).reply) as server:
        endpoint = {"url": server.url, "model": "m"}
        config = ConductConfig.model_validate(
            {
                "requests": "r",
                "controller": endpoint,
                "experts": WORLD["experts"],
                "endpoints": {"eyes": {"url": "http://127.0.0.1:9/v1", "model": "m", "attempts": 1}},
            }
        )
        outputs = run_stage(config, {"requests": (InputFile(tmp_path / "two.jsonl", ""),)}, tmp_path / "run")
    seen, chat = read_conducted(outputs["conducted"][0].path)
    assert "Not done: task 0, visual-question-answering by eyes (no_answer: http://127.0.0.1:9/v1" in seen.answer
    assert [task.state for task in seen.tasks] == ["failed", "skipped", "skipped"]
    assert chat.answer == "You are welcome."


def test_candidates_are_those_of_the_catalogue_in_its_order_and_the_controllers_choice_is_asked(
    tmp_path: Path,
) -> None:
    names = ("t5-base", "gpt3-finnish-small", "own")
    lines = [{"id": name, "task": "translation", "likes": 3, "description": f"{name} " * 99} for name in names[:2]]
    (tmp_path / "models.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [{"id": "x", "task": "y"}, *lines])
    )
    write_requests(tmp_path / "r.jsonl", [ToolRequest(id="1", text="Translate hello.")])

    def rule(body: Mapping[str, Any], _number: int) -> Reply:
        system = system_of(body)
        if system.startswith("You split"):
            return Reply(text='[{"task": "translation", "id": 0, "dep": [-1], "args": {"text": "hello"}}]')
        return Reply(text='{"id": "own"}' if system.startswith("You choose") else f"by {body['model']}")

    with ScriptedTeacher(rule) as server:
        endpoints = {name: {"url": server.url, "model": name} for name in names}
        experts = {name: {"tasks": ["translation"], "likes": 1} for name in reversed(names)}
        controller = {"url": server.url, "model": "m"}
        for order, wanted in (("list", names), ("likes", names)):
            values = {"requests": "r", "controller": controller, "endpoints": endpoints, "experts": experts}
            config = ConductConfig.model_validate({**values, "catalogue": "c", "order": order})
            inputs = {
                "requests": (InputFile(tmp_path / "r.jsonl", ""),),
                "catalogue": (InputFile(tmp_path / "models.jsonl", ""),),
            }
            outputs = run_stage(config, inputs, tmp_path / order)
            (task,) = read_conducted(outputs["conducted"][0].path)[0].tasks
            assert tuple(each.id for each in task.candidates) == wanted
            assert len(task.candidates[0].description) == 100
            assert (task.expert, task.result.text) == ("own", "by own")


def test_our_own_server_is_a_controller(tmp_path: Path) -> None:
    write_requests(tmp_path / "r.jsonl", [ToolRequest(id="1", text="What is the price of bread in Dover?")])
    with serving(*write_models(tmp_path / "models")) as server:
        (tmp_path / "address.json").write_text(json.dumps({"address": server.address}))
        inputs = {
            "requests": (InputFile(tmp_path / "r.jsonl", ""),),
            "services": (InputFile(tmp_path / "address.json", "controller"),),
        }
        values = {"requests": "r", "controller": {"model": NAME}, "services": "s"}
        outputs = run_stage(ConductConfig.model_validate(values), inputs, tmp_path / "run")
    (record,) = read_conducted(outputs["conducted"][0].path)
    assert record.planning.finish == "refused"  # a window of 640 tokens holds no prompt of a plan
    assert record.repairs == ("no plan: the controller's answer is refused",)
    assert (record.answer, record.answering.finish) == (record.answering.reply.strip(), "length")
    assert replay(record) == record


def greeting(body: Mapping[str, Any], _number: int) -> Reply:
    return Reply(text="[]" if system_of(body).startswith("You split") else "Hi.")


def test_a_service_of_the_run_is_asked_with_its_token(tmp_path: Path) -> None:
    write_requests(tmp_path / "r.jsonl", [ToolRequest(id="1", text="Hello!")])
    with ScriptedTeacher(greeting) as server:
        address = server.url.replace("/v1", "/secret-token/")
        (tmp_path / "address.json").write_text(json.dumps({"address": address}))
        inputs = {
            "requests": (InputFile(tmp_path / "r.jsonl", ""),),
            "services": (InputFile(tmp_path / "address.json", "controller"),),
        }
        config = ConductConfig.model_validate({"requests": "r", "controller": {"model": "m"}, "services": "s"})
        outputs = run_stage(config, inputs, tmp_path / "run")
        assert server.keys == {"secret-token"}
    assert read_conducted(outputs["conducted"][0].path)[0].answer == "Hi."
    assert "secret-token" not in outputs["conducted"][0].path.read_text()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "run").rglob("*.key"))
