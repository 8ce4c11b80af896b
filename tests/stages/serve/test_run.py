"""The step of `serve`: offers its address once it answers, keeps its token over attempts, and stops when asked."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stages.serve.http.server import Files, Server
from stages.serve.run import TOKEN, serve
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from tests.stages.harness import make_task
from tests.stages.serve.conftest import Models
from tests.stages.serve.world import settings


def inputs_of(models: Models) -> dict[str, tuple[InputFile, ...]]:
    folders, tokenizer = models
    files = tuple(InputFile(folder, name) for name, folder in folders.items())
    return {"models": files, "tokenizer": (InputFile(tokenizer, "", count=300),)}


def attempt(models: Models, folder: Path) -> str:
    """Serve until the address is offered and has answered once; return the address."""
    inputs, stop, offered = inputs_of(models), threading.Event(), list[str]()
    config = settings()
    task = make_task(config, config.plan(inputs).steps[0], 0, inputs, folder)

    def offer(address: str) -> None:
        offered.append(address)
        threading.Thread(target=ask, args=(address,)).start()

    def ask(address: str) -> None:
        try:
            parts = urlsplit(address)
            connection = HTTPConnection(str(parts.hostname), parts.port, timeout=300)
            connection.request("GET", f"{parts.path}/v1/models")
            assert connection.getresponse().status == 200
        finally:
            stop.set()

    assert serve(replace(task, serve=offer, should_stop=stop.is_set)) == {}
    assert (task.work / TOKEN).read_text() in offered[0]
    task.out.rmdir()
    return offered[0]


def test_an_address_is_offered_and_is_the_same_after_a_requeue(models: Models, tmp_path: Path) -> None:
    first = attempt(models, tmp_path)
    assert attempt(models, tmp_path).rpartition("/")[2] == first.rpartition("/")[2]


def test_a_model_that_cannot_be_loaded_ends_the_service_with_its_error(models: Models, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    files = Files(models={"broken": tmp_path / "broken"}, tokenizer=models[1])
    with Server(files, settings(), tmp_path, "x") as server:  # noqa: SIM117
        with pytest.raises(DataError, match="broken"):
            server.run(lambda: False)


def test_a_port_that_is_set_and_taken_is_an_error_and_the_runs_own_port_gives_way(
    models: Models, tmp_path: Path
) -> None:
    files = Files(models=models[0], tokenizer=models[1])
    with Server(files, settings(), tmp_path, "x") as one, Server(files, settings(), tmp_path, "x") as other:
        assert one.port != other.port
        with pytest.raises(ConfigError, match=f"port = {one.port}: must be free on this machine"):
            Server(files, settings(port=one.port), tmp_path, "x")
    with pytest.raises(ConfigError, match=r"host = .203\.0\.113\.7.: must be"):
        Server(files, settings(host="203.0.113.7"), tmp_path, "x")


_PROBE = """
import sys
from pathlib import Path
from stages.serve.config import ServeConfig
from stages.serve.http.server import Files, Server
model, tokenizer, run_dir = map(Path, sys.argv[1:])
config = ServeConfig(models=str(model), tokenizer=str(tokenizer))
with Server(Files(models={"model": model}, tokenizer=tokenizer), config, run_dir, "x") as server:
    ready = []
    server.run(lambda: bool(ready), lambda: ready.append(True))
sys.exit(bool({"torch._dynamo", "torch._inductor", "sympy"} & sys.modules.keys()))
"""


def test_a_server_starts_without_the_compiler(models: Models, tmp_path: Path) -> None:
    folder = next(iter(models[0].values()))
    probe = [sys.executable, "-W", "ignore", "-c", _PROBE, folder, models[1], tmp_path]
    assert subprocess.run(probe, env={"CUDA_VISIBLE_DEVICES": ""}, check=False).returncode == 0
