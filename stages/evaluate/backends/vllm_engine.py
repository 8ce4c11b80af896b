"""The backend of vLLM, in the process of a unit, for folders of Hugging Face. `vllm` is no pin of ours.

vLLM gets token ids, so first token, borders and cuts are those of the other backends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from stages.evaluate.answers import Answers
from stages.evaluate.backends.settings import VllmSettings, lacks_vllm
from stages.evaluate.backends.windows import SERVED, Prompt, Scored, Window, WindowLM, Written
from stages.generate.opening import Description
from stages.shared.errors import ConfigError

_GROUP = 512
"""Requests that are answered, and kept, together: vLLM batches within them."""


class VllmLM(WindowLM):
    """A folder of Hugging Face in vLLM."""

    def __init__(self, engine: Any, described: Description, answers: Answers) -> None:
        """`engine` is a `vllm.LLM`; see `start_vllm`."""
        super().__init__(described.codec, described.first_id, described.seq_len, described.seq_len - SERVED)
        self._engine, self._answers = engine, answers

    def score_windows(self, windows: list[Window]) -> list[Scored]:
        """Return the score of each window's second part."""
        found: list[Scored] = []
        for start in range(0, len(windows), _GROUP):
            group = windows[start : start + _GROUP]
            kept = self._answers.ask("vllm score", group, partial(self._score_group, group))
            found += [(logprob, is_greedy) for logprob, is_greedy in kept]
        return found

    def _score_group(self, windows: Sequence[Window]) -> list[Scored]:
        options = {"temperature": 0.0, "max_tokens": 1, "prompt_logprobs": 1, "detokenize": False}
        outputs = self._ask([(*given, *wanted) for given, wanted in windows], [options] * len(windows))
        return [
            read_prompt_logprobs(output.prompt_logprobs[-len(wanted) :], wanted)
            for output, (_, wanted) in zip(outputs, windows, strict=True)
        ]

    def write(self, prompts: list[Prompt]) -> list[Written]:
        """Return the continuation of each prompt."""
        found: list[Written] = []
        for start in range(0, len(prompts), _GROUP):
            group = prompts[start : start + _GROUP]
            rows = [[asdict(each.sampling), each.ids, each.draw, *each.ends] for each in group]
            kept = self._answers.ask("vllm write", rows, partial(self._write_group, group))
            found += [Written(**each | {"ids": tuple(each["ids"])}) for each in kept]
        return found

    def _write_group(self, prompts: Sequence[Prompt]) -> list[dict[str, Any]]:
        outputs = self._ask([prompt.ids for prompt in prompts], [_options(prompt) for prompt in prompts])
        return [asdict(_read_text(output.outputs[0], prompt)) for output, prompt in zip(outputs, prompts, strict=True)]

    def _ask(self, prompts: Sequence[Sequence[int]], options: Sequence[Mapping[str, Any]]) -> list[Any]:
        from vllm import SamplingParams  # noqa: PLC0415  an optional package

        asked = [{"prompt_token_ids": [*ids]} for ids in prompts]
        return [*self._engine.generate(asked, [SamplingParams(**each) for each in options], use_tqdm=False)]


@lru_cache(maxsize=1)  # the units of an element share its start
def start_vllm(folder: Path, settings: VllmSettings, seq_len: int) -> Any:
    """Return a `vllm.LLM` over a folder. Raises ConfigError where vLLM is not installed."""
    if lack := lacks_vllm():
        raise ConfigError("vllm", settings.model_dump(), f"null: {lack}")
    from vllm import LLM  # noqa: PLC0415  an optional package

    return LLM(
        model=str(folder),
        dtype=settings.dtype,
        tensor_parallel_size=settings.tensor_parallel,
        gpu_memory_utilization=settings.gpu_memory,
        max_model_len=seq_len,
        trust_remote_code=False,
        seed=0,
    )


def read_prompt_logprobs(places: Sequence[Mapping[int, Any]], tokens: Sequence[int]) -> Scored:
    """Return the score of tokens; a place holds the log probability of its own token and of the likeliest one."""
    chosen = [float(place[token].logprob) for place, token in zip(places, tokens, strict=True)]
    best = [max(float(each.logprob) for each in place.values()) for place in places]
    return sum(chosen), all(one >= most for one, most in zip(chosen, best, strict=True))


def _options(prompt: Prompt) -> dict[str, Any]:
    sampling = prompt.sampling
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "seed": prompt.draw if sampling.temperature else None,
        "stop": [stop for stop in sampling.until if stop],
        "stop_token_ids": [*prompt.ends],
    }


def _read_text(output: Any, prompt: Prompt) -> Written:
    """Return a continuation. vLLM stops at one stop text or token, and leaves it out of the text."""
    is_text = isinstance(output.stop_reason, str)
    stopped = "length" if output.finish_reason == "length" else "until" if is_text else "eos"
    return Written(output.text, len(output.token_ids), stopped, tuple(output.token_ids))
