"""A server of OpenAI's API over a tiny model of ours, by stages/generate; it misbehaves on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from stages.formats.chat.templates import load_template
from stages.generate.generation import Generator
from stages.generate.opening import Opened, open_release
from stages.generate.passes import Passes
from stages.generate.requests import Request
from stages.generate.sampling import Sampling
from stages.model.huggingface.exporting import export_checkpoint
from stages.model.huggingface.importing import load_release
from tests.stages.evaluate.tiny import TEXT, make_checkpoint
from tests.stages.model.folders import make_tokenizer
from tests.stages.teacher.scripted import Reply

SEQ_LEN = 64


def make_release(folder: Path, seq_len: int = SEQ_LEN) -> Path:
    """Write a tiny checkpoint of ours, and its release with our chat template; return the release."""
    tokenizer, template = make_tokenizer(folder / "tokenizer", 340, TEXT.splitlines()), load_template("stagecoach")
    checkpoint = make_checkpoint(folder / "checkpoint", tokenizer, seq_len=seq_len, extra_tokens=template.controls)
    export_checkpoint(checkpoint, folder / "release", tokenizer, template=template)
    return folder / "release"


@dataclass(frozen=True)
class Served:
    """Answers by a model. Use `rule` as the rule of a ScriptedTeacher."""

    opened: Opened
    lock: Lock
    gives_logprobs: bool = True
    takes: int = 10**6
    """Tokens of a prompt and its answer that are not refused."""

    @classmethod
    def over(cls, folder: Path) -> Served:
        return cls(replace(open_release(folder), model=load_release(folder)), Lock())  # not packed

    def but(self, **changes: Any) -> Served:
        return replace(self, **changes)

    def rule(self, body: Mapping[str, Any], _number: int) -> Reply:
        with self.lock:
            return self._reply(body)

    def _reply(self, body: Mapping[str, Any]) -> Reply:
        ids = self._ids(body)
        if len(ids) + int(body.get("max_tokens", 1)) > self.takes:
            return Reply(status=400, text=f"maximum context length is {self.takes} tokens")
        if body.get("echo"):
            return _body(body, "", {"logprobs": self._echo(ids) if self.gives_logprobs else None}, len(ids), 1)
        done = self._generate(ids, body)
        finish = "length" if done.stopped == "length" else "stop"
        return _body(body, done.text, {"finish_reason": finish}, len(ids), len(done.tokens))

    def _ids(self, body: Mapping[str, Any]) -> list[int]:
        if isinstance(body.get("prompt"), list):
            return list(body["prompt"])
        text = body["prompt"] if "prompt" in body else "\n".join(each["content"] for each in body["messages"])
        return [self.opened.first_id, *self.opened.codec.encode(text)]

    @torch.inference_mode()
    def _echo(self, ids: list[int]) -> dict[str, Any]:
        """Return what a server says of the prompt's tokens and of one more."""
        logprobs = torch.log_softmax(self.opened.model.logits(torch.tensor([ids[:-1]]))[0].double(), -1)
        rows = zip(logprobs, ids[1:], strict=True)
        known = [(float(row[token]), {"chosen": float(row[token]), "best": float(row.max())}) for row, token in rows]
        known.append((-0.5, {"generated": -0.5}))
        return {
            "token_logprobs": [None, *(chosen for chosen, _ in known)],
            "top_logprobs": [None, *(top for _, top in known)],
        }

    def _generate(self, ids: list[int], body: Mapping[str, Any]) -> Any:
        sampling = Sampling(max_tokens=body["max_tokens"], until=tuple(body.get("stop", ())))
        passes = Passes(self.opened.model, 4096)
        generator = Generator(passes, self.opened.codec, max_rows=8, batch=256)
        return generator.generate([Request(prompt=tuple(ids), sampling=sampling)])[0]


def _body(body: Mapping[str, Any], text: str, more: Mapping[str, Any], prompt: int, answer: int) -> Reply:
    content = {"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text}
    usage = {"prompt_tokens": prompt, "completion_tokens": answer}
    found = {"choices": [{"index": 0, "finish_reason": "stop", **content, **more}], "usage": usage}
    return Reply(raw=json.dumps(found).encode())
