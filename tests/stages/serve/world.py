"""A tiny model with random weights behind a real server, and calls to it: what the tests of `serve` start from."""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from stages.formats.chat.templates import PICTURE, SOUND, load_template
from stages.formats.documents import DocumentWriter
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.names import STATE
from stages.model.config import ModelConfig
from stages.model.ears import EarsConfig
from stages.model.eyes import EyesConfig
from stages.serve.config import ServeConfig
from stages.serve.http.server import Files, Server
from stages.shared.files import read_json, write_json
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train
from tests.stages.align.sft.world import chats
from tests.stages.evaluate.seeing import EYES
from tests.stages.model.saved import save_untrained, seal
from tests.stages.speech.train.world import EARS

CONTROLS = load_template("stagecoach").controls
SHAPE: dict[str, Any] = {"num_layers": 2, "dim": 64, "num_heads": 4, "ffn_dim": 128, "seq_len": 640, "init_std": 0.1}
SMALL = ModelConfig(**SHAPE)
CHATS: dict[str, Any] = {"extra_tokens": CONTROLS}
TOKEN = "a-token"
NAME, SEEING, HEARING = "tiny", "seeing", "hearing"
QUESTION = [{"role": "user", "content": "What is the price of bread in Dover?"}]
ADD = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}, "word": {"type": "string", "maxLength": 12}},
    "required": ["a", "word"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": ADD}},
    {"type": "function", "function": {"name": "now"}},
]


def write_models(folder: Path, shape: ModelConfig = SMALL) -> tuple[dict[str, Path], Path]:
    """Write models that chat, that complete texts, that see and that hear, and their tokenizer; return all."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = folder / KINDS.tokenizer.file
    texts = [message.text for chat in chats(200, seed=9) for message in chat.messages]
    tokenizer.write_bytes(train(texts, TokenizerConfig(documents="unused", vocab_size=300)))
    read = Tokenizer(tokenizer)
    found = {}
    sees = {"extra_tokens": (*CONTROLS, PICTURE), "eyes": EyesConfig.model_validate(EYES)}
    ears = EarsConfig.model_validate({**EARS, "join": {"kind": "mlp", "init_std": 0.5}})
    hears = {"extra_tokens": (*CONTROLS, SOUND), "ears": ears}
    made: dict[str, dict[str, Any]] = {NAME: CHATS, "other": CHATS, "base": {"extra_tokens": ()}}
    made |= {SEEING: sees, HEARING: hears}
    for seed, (name, changes) in enumerate(made.items()):
        found[name] = folder / name
        save_untrained(found[name], shape.model_copy(update=changes), seed=seed + 1, vocab_size=read.vocab_size)
        state = read_json(found[name] / STATE)
        write_json(found[name] / STATE, state | {"tokenizer_sha256": read.sha256})
        seal(found[name])
    return found, tokenizer


def corpus_of(folder: Path, texts: Sequence[str]) -> list[Path]:
    """Write texts as a file of documents."""
    with DocumentWriter(folder / KINDS.documents.file) as writer:
        for number, text in enumerate(texts):
            writer.write({"id": str(number), "text": text})
    return [folder / KINDS.documents.file]


def settings(**changes: Any) -> ServeConfig:
    given = {"models": "x", "tokenizer": "x", **({"corpus": "x"} if "search" in changes.get("toolbox", ()) else {})}
    return ServeConfig.model_validate({**given, **changes})


@contextmanager
def serving(models: dict[str, Path], tokenizer: Path, corpus: Sequence[Path] = (), **changes: Any) -> Iterator[Server]:
    """Serve while the context lasts, once the first model is loaded."""
    ready, stop = threading.Event(), threading.Event()
    files = Files(models=models, tokenizer=tokenizer, corpus=corpus)
    with Server(files, settings(**changes), tokenizer.parent, TOKEN) as server:
        thread = threading.Thread(target=server.run, args=(stop.is_set, ready.set))
        thread.start()
        try:
            while not ready.wait(0.05):
                assert thread.is_alive()
            yield server
        finally:
            stop.set()
            thread.join()


def call(
    server: Server, path: str, body: Any = None, *, method: str | None = None, **headers: str
) -> tuple[int, Any, http.client.HTTPMessage]:
    """Send a request with the token; return status, JSON or text, and headers. `body` is JSON, or bytes as they are."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    sent = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method or ("GET" if body is None else "POST"), path, data, sent)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if text.startswith("{") else text, answer.headers


def data_url(data: bytes) -> str:
    """Return a picture as the API takes it."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def png(colour: tuple[int, int, int], size: tuple[int, int] = (9, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def showing(*pictures: bytes, text: str = "Which colour?") -> dict[str, Any]:
    """Return a message of a user with pictures."""
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": data_url(each)}} for each in pictures]
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


def ask(server: Server, **changes: Any) -> tuple[int, Any]:
    """Ask for a greedy answer of a few tokens, with changes; return status and JSON."""
    body = {"model": NAME, "messages": QUESTION, "temperature": 0, "max_tokens": 12, **changes}
    status, answer, _ = call(server, "/v1/chat/completions", body)
    return status, answer
