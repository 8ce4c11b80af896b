"""vLLM's path by a stand-in package that has its calls and answers with our engine: vLLM itself is no pin of ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch

from stages.evaluate.backends.settings import VllmSettings
from stages.evaluate.backends.vllm_engine import read_prompt_logprobs, start_vllm
from stages.evaluate.config import EvaluateConfig
from stages.formats.results import read_results
from stages.generate.generation import Generator
from stages.generate.opening import Opened, open_release
from stages.generate.passes import Passes
from stages.generate.requests import Request
from stages.generate.sampling import Sampling
from stages.model.huggingface.importing import load_release
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.stages.evaluate.backends.served import SEQ_LEN, make_release
from tests.stages.evaluate.world import CHOICE, GENERATED, define, questions
from tests.stages.harness import run_stage

TASKS = [{"task": "choices", "num_fewshot": 1}, "texts"]


@dataclass
class Logprob:
    logprob: float


@dataclass
class Completion:
    text: str
    token_ids: Sequence[int]
    finish_reason: str
    stop_reason: str | int | None


@dataclass
class Output:
    prompt_logprobs: list[Mapping[int, Logprob] | None] | None
    outputs: list[Completion]


class SamplingParams:
    def __init__(self, **options: Any) -> None:
        self.options = options


class LLM:
    started: ClassVar[list[Mapping[str, Any]]] = []

    def __init__(self, **options: Any) -> None:
        self.started.append(options)
        folder = Path(options["model"])
        self.opened: Opened = replace(open_release(folder), model=load_release(folder))  # not packed
        self.max_model_len = options["max_model_len"]

    def generate(self, prompts: Any, params: Sequence[SamplingParams], *, use_tqdm: bool) -> list[Output]:
        pairs = zip(prompts, params, strict=True)
        return [self._one(prompt["prompt_token_ids"], each.options) for prompt, each in pairs]

    @torch.inference_mode()
    def _one(self, ids: list[int], options: Mapping[str, Any]) -> Output:
        if len(ids) + options["max_tokens"] > self.max_model_len:
            raise ValueError("longer than max_model_len")
        if "prompt_logprobs" in options:
            logprobs = torch.log_softmax(self.opened.model.logits(torch.tensor([ids]))[0].double(), -1)
            rows = [{int(row.argmax()): Logprob(float(row.max())), token: Logprob(float(row[token]))}
                    for row, token in zip(logprobs, ids[1:], strict=False)]  # fmt: skip
            return Output([None, *rows], [Completion("", [], "length", None)])
        sampling = Sampling(max_tokens=options["max_tokens"], until=tuple(options["stop"]))
        generator = Generator(Passes(self.opened.model, 2048), self.opened.codec, max_rows=4, batch=256)
        done = generator.generate(
            [Request(prompt=tuple(ids), sampling=sampling, ends=tuple(options["stop_token_ids"]))]
        )
        reason = options["stop"][0] if done[0].stopped == "until" else None
        finish = "length" if done[0].stopped == "length" else "stop"
        return Output(None, [Completion(done[0].text, done[0].tokens, finish, reason)])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("vllm")
    package.LLM, package.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setattr("stages.evaluate.backends.vllm_engine.lacks_vllm", lambda: "")
    monkeypatch.setattr(LLM, "started", [])


def test_vllm_gives_the_direct_backends_results(stand_in: None, tmp_path: Path) -> None:
    release = make_release(tmp_path / "model")
    splits = {"test": questions(5), "train": questions(9, "t")}
    generated = {**GENERATED, "generation_kwargs": {"until": ["\n", "e"], "max_gen_toks": 9}}
    own = [
        *define(tmp_path / "own", "choices", splits, **CHOICE),
        *define(tmp_path / "own", "texts", splits, **generated),
    ]
    inputs = {
        "checkpoints": (InputFile(release, "mine"),),
        "tokenizer": (InputFile(tmp_path / "model/tokenizer/tokenizer.model", ""),),
        "definitions": tuple(InputFile(path, path.name) for path in own),
    }
    plain = {"tasks": TASKS}
    found = run_stage(EvaluateConfig.model_validate({**plain, "vllm": {"dtype": "float32"}}), inputs, tmp_path / "vllm")
    expected = run_stage(EvaluateConfig.model_validate(plain), inputs, tmp_path / "own engine")
    for mine, theirs in zip(found["results"], expected["results"], strict=True):
        one, other = read_results(mine.path), read_results(theirs.path)
        assert (one.key.backend, other.key.backend) == ("vllm", "own")
        assert one.outcomes == other.outcomes
        assert one.key.prompts == other.key.prompts
    assert [(each["max_model_len"], each["dtype"]) for each in LLM.started] == [(SEQ_LEN, "float32")]


def test_prompt_logprobs_are_of_the_tokens_and_greedy_if_none_is_likelier() -> None:
    places = [{5: Logprob(-1.0), 7: Logprob(-0.5)}, {7: Logprob(-0.25)}]
    assert read_prompt_logprobs(places, [5, 7]) == (-1.25, False)
    assert read_prompt_logprobs(places, [7, 7]) == (-0.75, True)


def test_without_the_package_the_plan_says_what_is_missing(tmp_path: Path) -> None:
    config = EvaluateConfig.model_validate({"tasks": ["perplexity"], "vllm": {}})
    wanted = r"^vllm = .*: must be null: the package `vllm` is not installed here"
    with pytest.raises(ConfigError, match=wanted):
        config.inspect({"checkpoints": ()})
    with pytest.raises(ConfigError, match=wanted):
        start_vllm(tmp_path, VllmSettings(), 64)


def test_checkpoints_of_ours_are_refused(tmp_path: Path) -> None:
    config = EvaluateConfig.model_validate({"tasks": ["perplexity"], "vllm": {}})
    with pytest.raises(ConfigError, match=r"^vllm = .*must be null for checkpoints of ours.*`release` writes"):
        config.inspect({"checkpoints": (InputFile(tmp_path, "final", section="pretrain", about=""),)})
