"""A teacher's client against the ideal: requests that take 50 ms each, 32 at once, from a server in another process.

python -m tests.bench.teacher [--rounds 3] [--check]

By wall time: the ideal is the waiting alone. Beside it the `openai` client in a plain loop over a semaphore, which
keeps no answer.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import openai

from stages.teacher.meter import Meter
from stages.teacher.request import Request
from stages.teacher.settings import TeacherSettings
from stages.teacher.store import AnswerStore
from stages.teacher.teacher import Teacher
from tests.stages.teacher.scripted import Reply, ScriptedTeacher

REQUESTS, AT_ONCE, DELAY_S = 1000, 32, 0.05
IDEAL_S = -(-REQUESTS // AT_ONCE) * DELAY_S
ASKED = 1.15
"""Most times the ideal."""
ASKED_REQUESTS = [Request(messages=({"role": "user", "content": f"question {n}"},)) for n in range(REQUESTS)]


def serve(pipe: Connection) -> None:
    """Run the server until the pipe says so."""
    with ScriptedTeacher(lambda _body, _number: Reply(delay_s=DELAY_S)) as server:
        pipe.send(server.url)
        pipe.recv()


def ours(url: str) -> None:
    """Ask through a store on disk and a meter."""
    with tempfile.TemporaryDirectory() as name:
        settings = TeacherSettings(url=url, model="m", concurrency=AT_ONCE)
        meter = Meter(Path(name) / "spent.json", "0", settings.budget, None)
        Teacher(settings, AnswerStore(Path(name) / "answers", "0"), meter).ask(ASKED_REQUESTS)


def plain(url: str) -> None:
    """Ask as the client's documentation shows, and keep nothing."""

    async def everything() -> None:
        places = asyncio.Semaphore(AT_ONCE)
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

            async def one(request: Request) -> None:
                async with places:
                    await client.chat.completions.create(model="m", messages=[*map(dict, request.messages)])

            await asyncio.gather(*map(one, ASKED_REQUESTS))

    asyncio.run(everything())


def best(work: Callable[[str], None], url: str, rounds: int) -> float:
    """Return the seconds of the fastest round."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work(url)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> int:
    """Measure, print the table, and with --check end with 1 if it falls short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    server.start()
    url = here.recv()
    took = {"Stagecoach": best(ours, url, options.rounds), "openai in a plain loop": best(plain, url, options.rounds)}
    here.send("stop")
    server.join()
    print(f"{REQUESTS} requests of {DELAY_S * 1000:g} ms, {AT_ONCE} at once; ideal {IDEAL_S:.2f} s")
    for name, seconds in took.items():
        print(f"{name:<24} {seconds:6.2f} s   {seconds / IDEAL_S:.2f} of the ideal")
    ratio = took["Stagecoach"] / IDEAL_S
    if options.check:
        print(f"teacher: got {ratio:.2f}x the ideal, asked at most {ASKED}x")
    return int(options.check and ratio > ASKED)


if __name__ == "__main__":
    sys.exit(main())
