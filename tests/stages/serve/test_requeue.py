"""A server as a job on a real Slurm: its address is a file, and is right again after a requeue."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path

from stages.formats.kinds import KINDS
from tests.jobs.bench import until
from tests.launching import attempts, launch
from tests.stages.serve.conftest import Models


def answers(address: str) -> bool:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 3}
    sent = urllib.request.Request(
        f"{address}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(sent, timeout=300) as answer:
        return bool(json.load(answer)["usage"]["completion_tokens"] <= 3)


def test_a_requeued_server_offers_its_address_again_and_ends_when_it_is_cancelled(
    testbed: dict[str, str], models: Models, tmp_path: Path
) -> None:
    folders, tokenizer = models
    section = {"stage": "serve", "models": {name: str(path) for name, path in folders.items()}}
    recipe = tmp_path / "talk.yaml"
    recipe.write_text(json.dumps({"serve": {**section, "tokenizer": str(tokenizer)}}))
    launch("run", str(recipe), "--cluster", "testbed", "--name", "talk", runs=tmp_path)
    run = tmp_path / "talk"

    def offered() -> list[Path]:
        return [*run.glob(f"steps/serve/*/published/*/{KINDS.endpoint.file}")]

    until(offered, "the server offers its address")
    first = json.loads(offered()[0].read_text())["address"]
    assert answers(first)
    (served,) = attempts(run, "serve")
    assert served.start is not None
    job = served.start.slurm_id
    subprocess.run(["scontrol", "requeue", job], env={**os.environ, **testbed}, check=True)
    until(lambda: len(attempts(run, "serve")) == 2 and offered(), "the requeued server offers its address")
    again = json.loads(offered()[0].read_text())["address"]
    assert again.rpartition("/")[2] == first.rpartition("/")[2]
    assert answers(again)
    launch("cancel", "talk", runs=tmp_path)
    until(lambda: not offered(), "the address is gone")
