"""Endpoints over real HTTP: the same numbers as the direct backend's, and what they do when servers misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.config import EvaluateConfig
from stages.formats.documents import DocumentWriter
from stages.formats.results import read_generations, read_results
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.teacher import teacher
from tests.stages.evaluate.backends.served import SEQ_LEN, Served, make_release
from tests.stages.evaluate.tiny import TEXT
from tests.stages.evaluate.world import CHOICE, GENERATED, define, questions
from tests.stages.harness import run_stage
from tests.stages.model.folders import make_tokenizer
from tests.stages.teacher.scripted import Reply, ScriptedTeacher

CANARY = "sk-canary-77ab21"
Inputs = dict[str, tuple[InputFile, ...]]
TASKS: list[Any] = [
    "perplexity",
    {"task": "choices", "num_fewshot": 3, "limit": 5},
    {"task": "texts", "limit": 6, "parts": 2},
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def model(release: Path) -> Served:
    return Served.over(release)


@pytest.fixture(scope="module")
def inputs(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("data")
    with DocumentWriter(folder / "heldout.jsonl.zst") as writer:
        for number, text in enumerate([TEXT, "The road is quiet.", "四 unseen \x00"]):
            writer.write({"id": str(number), "text": text})
    splits = {"test": questions(6), "train": questions(9, "t")}
    generated = {**GENERATED, "generation_kwargs": {"until": ["\n", "e", "o", "a", "s"], "max_gen_toks": 12}}
    own = [*define(folder / "own", "choices", splits, **CHOICE), *define(folder / "own", "texts", splits, **generated)]
    return {
        "checkpoints": (),
        "tokenizer": (),
        "tokenizers": (InputFile(release, "served"),),
        "heldout": (InputFile(folder / "heldout.jsonl.zst", "dump"),),
        "definitions": tuple(InputFile(path, path.name) for path in own),
    }


@pytest.fixture(autouse=True)
def key_and_short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)


@pytest.fixture
def server(model: Served) -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher(model.rule) as running:
        yield running


def config(address: str, tasks: list[Any], **endpoint: Any) -> EvaluateConfig:
    settings = {"url": address, "model": "tiny", "seq_len": SEQ_LEN + 2, "concurrency": 4, **endpoint}
    return EvaluateConfig.model_validate(
        {
            "tasks": tasks,
            "endpoints": {"served": settings},
            "checkpoints": None,
            "tokenizer": None,
            "generate": {"prompts": ["The heron", ""], "max_tokens": 5},
        }
    )


def direct(release: Path, inputs: Inputs, folder: Path) -> Inputs:
    settings = EvaluateConfig.model_validate({"tasks": TASKS, "generate": {"max_tokens": 5}})
    tokenizer = InputFile(release.parent / "tokenizer" / "tokenizer.model", "")
    given = {**inputs, "checkpoints": (InputFile(release, "direct"),), "tokenizer": (tokenizer,), "tokenizers": ()}
    return run_stage(settings, given, folder)


def samples(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def unruly(model: Served, body: Mapping[str, Any], number: int) -> Reply:
    """Refuse, fail or cut the first attempts at a third of the requests each."""
    kind = len(json.dumps(body)) % 4 if number == 0 else 0
    faults = {
        1: Reply(status=429, headers={"Retry-After": "0"}),
        2: Reply(status=500),
        3: Reply(cut=True, raw=b"{}" * 50),
    }
    return faults[kind] if kind else model.rule(body, number)


def test_an_endpoint_gives_the_direct_backends_results_though_it_fails_now_and_then(
    release: Path, model: Served, inputs: Inputs, tmp_path: Path
) -> None:
    with ScriptedTeacher(lambda body, number: unruly(model, body, number)) as server:
        found = run_stage(config(server.url, TASKS), inputs, tmp_path / "endpoint")
        assert max(server.arrivals.values()) >= 2
        assert server.keys == {CANARY}
    expected = direct(release, inputs, tmp_path / "direct")
    for mine, theirs in zip(found["results"], expected["results"], strict=True):
        one, other = read_results(mine.path), read_results(theirs.path)
        assert [score.value for score in one.scores] == pytest.approx([score.value for score in other.scores], rel=1e-4)
        assert (one.cut_requests, one.cut_tokens, one.dropped_examples) == (
            other.cut_requests, other.cut_tokens, other.dropped_examples,
        )  # fmt: skip
        assert one.key.prompts == other.key.prompts
        assert (one.key.first_token, one.key.backend, other.key.backend) == (2, "completions", "own")
    assert read_results(found["results"][1].path).dropped_examples > 0
    for mine, theirs in zip(found["samples"], expected["samples"], strict=True):
        for one, other in zip(samples(mine.path), samples(theirs.path), strict=True):
            assert one["arguments"] == other["arguments"]
            answers = [[answer for each in sample["resps"] for answer in each] for sample in (one, other)]
            if isinstance(answers[0][0], list):
                assert [a[0] for a in answers[0]] == pytest.approx([a[0] for a in answers[1]], abs=1e-4)
                assert [a[1] for a in answers[0]] == [a[1] for a in answers[1]]
            else:
                assert answers[0] == pytest.approx(answers[1], abs=1e-4) or answers[0] == answers[1]
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert CANARY.encode() not in everything


def test_conversations_have_one_result_by_checkpoint_release_and_endpoint(
    release: Path, server: ScriptedTeacher, inputs: Inputs, tmp_path: Path
) -> None:
    tasks = [
        {"task": "choices", "chat": True, "num_fewshot": 1, "limit": 4},
        {"task": "texts", "chat": {"multiturn": False, "system": "Be brief."}, "limit": 4},
    ]
    settings = config(server.url, tasks).model_copy(update={"checkpoints": "x", "tokenizer": "x"})
    tokenizer = InputFile(release.parent / "tokenizer" / "tokenizer.model", "")
    checkpoints = (InputFile(release.parent / "checkpoint", "ours"), InputFile(release, "release"))
    given = {**inputs, "checkpoints": checkpoints, "tokenizer": (tokenizer,)}
    found = [read_results(file.path) for file in run_stage(settings, given, tmp_path)["results"]]
    assert [each.key.source for each in found] == ["ours"] * 2 + ["release"] * 2 + ["served"] * 2
    for ours, exported, served in zip(found[:2], found[2:4], found[4:], strict=True):
        assert ours.outcomes == exported.outcomes == served.outcomes
        assert ours.key.chat == exported.key.chat == served.key.chat
        assert exported.key.prompts == served.key.prompts
        assert exported.key.template == served.key.template != ours.key.template
    assert found[0].key.chat == "chat"
    assert found[1].key.chat.startswith("chat-one-turn-system-")


def test_answers_are_paid_for_once_and_replay_without_the_endpoint(
    server: ScriptedTeacher, inputs: Inputs, tmp_path: Path
) -> None:
    settings = config(server.url, TASKS[1:])
    first = run_stage(settings, inputs, tmp_path / "run")
    asked = sum(server.arrivals.values())
    again = tmp_path / "again"
    again.mkdir()
    (tmp_path / "run" / "answers").rename(again / "answers")
    replayed = run_stage(config(server.url, TASKS[1:], replay=True), inputs, again)
    assert sum(server.arrivals.values()) == asked
    for kind, files in first.items():
        assert [file.path.read_bytes() for file in replayed[kind]] == [file.path.read_bytes() for file in files]


def test_the_key_of_a_result_names_model_host_and_revision_and_no_secret(
    server: ScriptedTeacher, inputs: Inputs, tmp_path: Path
) -> None:
    settings = config(server.url, [TASKS[2]], revision="2026-10")
    key = read_results(run_stage(settings, inputs, tmp_path)["results"][0].path).key
    host = server.url.removeprefix("http://").removesuffix("/v1")
    assert key.checkpoint.startswith(f"tiny at {host} (completions, revision 2026-10), tokenizer ")
    assert (key.source, key.dtype, key.chat) == ("served", "", "")


def test_another_revision_or_model_is_another_unit_and_speed_is_none(inputs: Inputs) -> None:
    def data(**endpoint: Any) -> str:
        steps = config("http://host:1/v1", [TASKS[1]], **endpoint).plan(inputs).steps
        return steps[-1].units[0].data

    assert data(concurrency=9, budget={"requests": 5}, timeout_s=3) == data()
    others = [data(revision="b"), data(model="x"), data(seq_len=30), data(url="http://other:1/v1")]
    assert len({data(), *others}) == 5


def test_an_endpoint_without_logprobs_is_refused_by_the_first_request(
    model: Served, inputs: Inputs, tmp_path: Path
) -> None:
    with (
        ScriptedTeacher(model.but(gives_logprobs=False).rule) as server,
        pytest.raises(ConfigError, match=r"^endpoints\.served\.api = 'completions': must be an API that returns log"),
    ):
        run_stage(config(server.url, [TASKS[1]]), inputs, tmp_path)
    assert sum(server.arrivals.values()) == 1


def test_an_endpoint_with_another_tokenizer_is_refused_by_the_first_request(
    server: ScriptedTeacher, inputs: Inputs, tmp_path: Path
) -> None:
    other = make_tokenizer(tmp_path / "other", 310, TEXT.splitlines()).parent
    with pytest.raises(ConfigError, match=r"^tokenizers = .*must be the tokenizer of the model: .* reads \d+ tokens"):
        run_stage(config(server.url, [TASKS[1]]), {**inputs, "tokenizers": (InputFile(other, "served"),)}, tmp_path)
    assert sum(server.arrivals.values()) == 1


def test_a_chat_endpoint_writes_texts_and_is_refused_for_choices_by_the_plan(
    server: ScriptedTeacher, inputs: Inputs, tmp_path: Path
) -> None:
    given = {**inputs, "tokenizers": ()}
    for task in ("perplexity", "piqa", "mmlu"):
        with pytest.raises(ConfigError, match=r"^endpoints\.served\.api = 'chat': must be `completions` for '" + task):
            config(server.url, [task], api="chat").plan(given)
    with pytest.raises(ConfigError, match=r"^endpoints\.served\.api = 'chat': must be `completions`"):
        run_stage(config(server.url, [TASKS[1]], api="chat"), given, tmp_path / "choices")
    assert not server.arrivals
    found = run_stage(config(server.url, ["generate", TASKS[2]], api="chat"), given, tmp_path / "texts")
    generations = [*read_generations(found["generations"][0].path)]
    assert [each.prompt for each in generations] == ["The heron", ""]
    key = read_results(found["results"][0].path).key
    assert (key.backend, key.chat, key.first_token) == ("chat", "chat", -1)
    messages = json.loads(samples(found["samples"][0].path)[0]["arguments"][0][0])
    assert messages == [{"role": "user", "content": "Question: q 0?\nAnswer:"}]


def test_texts_are_written_without_a_tokenizer_and_choices_are_not(
    server: ScriptedTeacher, inputs: Inputs, tmp_path: Path
) -> None:
    given = {**inputs, "tokenizers": ()}
    with pytest.raises(ConfigError, match=r"^tokenizers = None: must be \{served: the folder.*'piqa' scores"):
        config(server.url, ["piqa"]).plan(given)
    found = run_stage(config(server.url, [TASKS[2]]), given, tmp_path / "without")
    other = run_stage(config(server.url, [TASKS[2]]), inputs, tmp_path / "with")
    texts = [[each["filtered_resps"] for each in samples(run["samples"][0].path)] for run in (found, other)]
    assert [text[0].removeprefix(" ") for text in texts[0]] == [text[0] for text in texts[1]]


def test_a_refused_request_is_an_error_and_a_withheld_answer_is_counted(
    model: Served, inputs: Inputs, tmp_path: Path
) -> None:
    with (
        ScriptedTeacher(model.but(takes=20).rule) as server,
        pytest.raises(DataError, match=r"refuses a request of .*maximum context length is 20.*Set `seq_len`"),
    ):
        run_stage(config(server.url, [TASKS[2]]), inputs, tmp_path / "refused")
    body = {"choices": [{"text": "", "finish_reason": "content_filter"}], "usage": {}}
    with ScriptedTeacher(lambda _body, _number: Reply(raw=json.dumps(body).encode())) as server:
        found = run_stage(config(server.url, [TASKS[2]]), inputs, tmp_path / "withheld")
    assert read_results(found["results"][0].path).withheld == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "http://me:secret@host/v1"}, "a host and a path alone"),
        ({"url": "http://host/v1?key=secret"}, "a host and a path alone"),
        ({"unanswered": 3}, "unanswered: 0"),
    ],
)
def test_settings_that_would_leak_or_lose_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config("http://host/v1", ["piqa"], **settings)


def test_wrong_names_are_refused_by_the_plan(inputs: Inputs) -> None:
    wrong = {**inputs, "tokenizers": (InputFile(Path("x"), "serve"),)}
    with pytest.raises(ConfigError, match=r"^tokenizers = 'serve': must be the name of an endpoint; .*served"):
        config("http://host/v1", [TASKS[1]]).plan(wrong)
    given = {**inputs, "checkpoints": (InputFile(Path("y"), "served"),), "tokenizer": (InputFile(Path("t"), ""),)}
    with pytest.raises(ConfigError, match=r"^endpoints = 'served': must be a name without `/` that no checkpoint has"):
        config("http://host/v1", [TASKS[1]]).plan(given)
