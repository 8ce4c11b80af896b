"""A scripted teacher: an HTTP server that speaks OpenAI's chat API, answers by rule, and misbehaves on demand."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server does with one request."""

    text: str = "hello"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str = "stop"
    delay_s: float = 0.0
    hangs: bool = False
    raw: bytes | None = None
    """The body, in place of a completion."""
    cut: bool = False
    """End the connection within the body."""


Rule = Callable[[Mapping[str, Any], int], Reply]
"""Returns the reply to a request's body; the number counts this request's arrivals, from 0."""


def misbehaving(rule: Rule) -> Rule:
    """Return a rule by which each request meets a trouble of its own at first, and then its answer."""
    troubles = (
        Reply(status=429, text="slow down", headers={"Retry-After": "0.01"}),
        Reply(status=500, text="oops"),
        Reply(raw=b"{not json"),
        Reply(raw=b'{"choices": []}'),
        Reply(cut=True),
    )

    def troubled(body: Mapping[str, Any], number: int) -> Reply:
        place = zlib.crc32(body["messages"][-1]["content"].encode()) % len(troubles)
        return troubles[place] if number == 0 else rule(body, number)

    return troubled


class ScriptedTeacher:
    """A context manager around the server: `url` is its base URL while it runs."""

    def __init__(self, rule: Rule = lambda _body, _number: Reply()) -> None:
        self.rule = rule
        self.url = ""
        self.arrivals: Counter[str] = Counter()
        """Requests by their Idempotency-Key."""
        self.charged: Counter[str] = Counter()
        """Requests that were answered with a completion, by their key; the same key again is charged once."""
        self.keys: set[str] = set()
        """API keys that were sent."""
        self.at_once = 0
        self.most_at_once = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> ScriptedTeacher:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._ready.set()
        await self._done.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self._done.is_set():
                await self._request(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._reply(writer, headers, body)
        finally:
            self.at_once -= 1

    async def _reply(self, writer: asyncio.StreamWriter, headers: Mapping[str, str], body: Mapping[str, Any]) -> None:
        name = headers.get("idempotency-key", "")
        reply = self.rule(body, self.arrivals[name])
        self.arrivals[name] += 1
        self.keys.add(headers.get("authorization", "").removeprefix("bearer "))
        await asyncio.sleep(3600 if reply.hangs else reply.delay_s)
        content = _body(reply, body) if reply.raw is None else reply.raw
        if reply.status == 200 and reply.raw is None:
            self.charged[name] = 1
        lines = [
            f"HTTP/1.1 {reply.status} Scripted",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        ]
        lines += [f"{key}: {value}" for key, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if reply.cut:
            writer.write(content[: len(content) // 2])
            raise ConnectionResetError
        writer.write(content)
        await writer.drain()


def _body(reply: Reply, body: Mapping[str, Any]) -> bytes:
    if reply.status != 200:
        return json.dumps({"error": {"message": reply.text, "type": "scripted"}}).encode()
    prompt = sum(len(str(message["content"]).split()) for message in body["messages"])
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": reply.finish}
            ],
            "usage": {"prompt_tokens": prompt, "completion_tokens": len(reply.text.split()), "total_tokens": 0},
        }
    ).encode()
