"""The server beside transformers' `generate` behind the same server: tokens a second and time to the first token.

    python -m tests.bench.serve [--check]

16 clients of OpenAI's own library ask at once, each for a stream. One model, one core, greedy; the sides alternate. The
other side answers one request at a time, as a server over `generate` does that is not written for batches: its requests
wait for their turn. Both sides have the same answers, which is checked. Clients run on the same core as the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.generate.requests import Continuation, Growth, Request
from stages.generate.text import RowText
from stages.model.config import ModelConfig
from stages.model.huggingface.exporting import export_checkpoint
from stages.serve import answering
from stages.serve.answering import Answering
from stages.serve.config import ServeConfig
from stages.serve.http.server import Files, Server
from stages.serve.models import Model, loader
from stages.serve.talks import Setting
from stages.tokenizer.hf import to_tokenizer_json
from stages.toolbox.box import Toolbox
from tests.bench.compare import Comparison, add_options, one_core, show
from tests.stages.serve.world import CONTROLS, NAME, TOKEN, serving, write_models

CLIENTS, TOKENS, ASKED = 16, 48, 3.0
MODEL = ModelConfig(num_layers=6, dim=384, num_heads=6, ffn_dim=1024, seq_len=640, extra_tokens=CONTROLS)
Round = tuple[float, float, list[str]]
"""Tokens a second, mean seconds to the first token, texts."""


class Stock:
    """transformers' `generate` in the place of an engine."""

    def __init__(self, release: Path, tokenizer: Tokenizer) -> None:
        self._model: Any = AutoModelForCausalLM.from_pretrained(release, local_files_only=True).eval()
        self._tokenizer, self._turns = tokenizer, ThreadPoolExecutor(1)

    def submit(self, request: Request) -> Future[Continuation]:
        """Answer when all that came before is answered."""
        return self._turns.submit(self._answer, request)

    @torch.inference_mode()
    def _answer(self, request: Request) -> Continuation:
        text = RowText(self._tokenizer, request.prompt, ())
        tokens: list[int] = []

        class Streamer(BaseStreamer):  # type: ignore[misc]
            def put(self, value: torch.Tensor) -> None:
                if value.dim() == 1:
                    tokens.append(int(value[0]))
                    text.add(tokens[-1])
                    if request.hook:
                        request.hook(Growth(tokens, text.text))

            def end(self) -> None:
                pass

        limit = request.sampling.max_tokens
        ids = torch.tensor([request.prompt])
        options = {"max_new_tokens": limit, "do_sample": False, "eos_token_id": [self._tokenizer.eos_id, *request.ends]}
        self._model.generate(ids, attention_mask=torch.ones_like(ids), streamer=Streamer(), pad_token_id=0, **options)
        return Continuation(text=text.finish(), tokens=tuple(tokens), stopped="length")

    def __exit__(self, *error: object) -> None:
        """End."""
        self._turns.shutdown()


@contextlib.contextmanager
def stock_engine(release: Path) -> Iterator[None]:
    """Serve with transformers in the place of the engine while the context lasts."""
    ours = answering.open_answering

    def opened(files: Files, config: ServeConfig, run_dir: Path) -> Answering:
        load = loader(files.models, files.tokenizer, config)

        def stock(name: str) -> Model:
            model = load(name)
            model.close()
            model.front = Stock(release, model.tokenizer)  # type: ignore[assignment]
            return model

        return Answering([*files.models], stock, Setting(limits=config.limits, toolbox=Toolbox([])))

    answering.open_answering = opened
    try:
        yield
    finally:
        answering.open_answering = ours


def ask_all(server: Server, number: int) -> Round:
    """Have all clients ask at once."""
    return asyncio.run(_ask_all(f"http://127.0.0.1:{server.port}/{TOKEN}/v1", number))


async def _ask_all(url: str, number: int) -> Round:
    async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0, timeout=600) as client:
        start = time.perf_counter()

        async def one(place: int) -> tuple[float, int, str]:
            message: Any = {"role": "user", "content": f"What is the price of {number} lamps in Dover, {place}?"}
            first, tokens, texts = 0.0, 0, []
            stream = await client.chat.completions.create(
                model=NAME,
                messages=[message],
                temperature=0,
                max_tokens=TOKENS,
                stream=True,
                stream_options={"include_usage": True},
            )
            async for piece in stream:
                if piece.usage:
                    tokens = piece.usage.completion_tokens
                elif piece.choices[0].delta.content:
                    first = first or time.perf_counter() - start
                    texts.append(piece.choices[0].delta.content)
            return first, tokens, "".join(texts)

        found = await asyncio.gather(*map(one, range(CLIENTS)))
    taken = time.perf_counter() - start
    firsts, tokens, texts = zip(*found, strict=True)
    return sum(tokens) / taken, sum(firsts) / CLIENTS, [*texts]


def compare(rounds: int) -> list[Comparison]:
    """Measure both sides, alternating."""
    one_core()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        models, tokenizer = write_models(folder / "models", MODEL)
        tokenizer.with_name(TOKENIZER_JSON).write_text(to_tokenizer_json(tokenizer.read_bytes()), encoding="utf-8")
        export_checkpoint(models[NAME], folder / "release", tokenizer)
        one = {NAME: models[NAME]}
        ours = stack.enter_context(serving(one, tokenizer))
        with stock_engine(folder / "release"):
            theirs = stack.enter_context(serving(one, tokenizer))
        pairs = [(ask_all(ours, number), ask_all(theirs, number)) for number in range(rounds + 1)]
    if any(own[2] != other[2] for own, other in pairs):
        raise AssertionError("other answers")
    measured = pairs[1:]  # the first round warms up
    rates = [max(pair[side][0] for pair in measured) for side in (0, 1)]
    firsts = [min(pair[side][1] for pair in measured) for side in (0, 1)]
    note = f"first token after {firsts[0]:.2f} s and {firsts[1]:.2f} s; {CLIENTS} clients, the same answers"
    return [
        Comparison("tokens", "tokens", rates[0], rates[1], "generate", ASKED, note),
        Comparison("first token", "answers", 1 / firsts[0], 1 / firsts[1], "generate", ASKED, note),
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"server": compare}
    add_options(parser, list(parts))
    return show(parts, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
