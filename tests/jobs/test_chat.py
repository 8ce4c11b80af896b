"""`launch.py chat`: which section it serves, and the server that it starts and stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from jobs.chat import with_chat
from jobs.plan.cluster import load_cluster
from jobs.plan.recipe import make_recipe, read_recipe
from jobs.runs import Run, open_run, plan_run
from stages.shared.errors import ConfigError
from tests.launching import ROOT, launch
from tests.stages.serve.world import write_models


def run_of(folder: Path, **sections: Any) -> Run:
    recipe = make_recipe({"name": "talk", "about": "", "targets": [*sections], **sections})
    return plan_run(recipe, load_cluster("local"), folder, None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A section that serves models from outside the run."""
    models, tokenizer = write_models(tmp_path_factory.mktemp('it\'s a "model"'))
    folders = {name: str(folder) for name, folder in models.items()}
    return {"stage": "serve", "models": folders, "tokenizer": str(tokenizer)}


def test_a_section_that_serves_is_no_part_of_a_run_with_a_report_and_chat_serves_it(tmp_path: Path) -> None:
    served = {"stage": "serve", "models": "from:pretrain", "tokenizer": "from:tokenizer", "toolbox": ["calendar"]}
    recipe = make_recipe({**read_recipe("pretrain").values, "name": "talk", "served": served})
    run = plan_run(recipe, load_cluster("local"), tmp_path, None)
    assert "served" not in run.graph.jobs
    assert with_chat(run, None).graph.jobs["served"].config.toolbox == ("calendar",)


def test_the_last_section_that_makes_models_is_served_with_its_own_tokenizer(tmp_path: Path) -> None:
    run = plan_run(read_recipe("pretrain"), load_cluster("local"), tmp_path, None)
    made = with_chat(run, None)
    body = made.recipe.values["chat"]
    assert (body["stage"], body["models"], body["tokenizer"]) == ("serve", "from:pretrain", "from:tokenizer")
    assert "chat" in made.graph.jobs
    assert with_chat(run, "pretrain").recipe.values["chat"]["models"] == "from:pretrain"
    assert "chat" not in run.graph.jobs
    with pytest.raises(ConfigError, match="'pretrian': must be a section with models; did you mean 'pretrain'"):
        with_chat(run, "pretrian")


def test_a_run_without_models_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a run with a section that makes models, such as pretrain or sft"):
        with_chat(run_of(tmp_path, sample={"pages": 300}), None)


def test_chat_prints_an_address_that_answers_and_ends_with_a_signal(world: dict[str, Any], tmp_path: Path) -> None:
    run_of(tmp_path, serve=world).save()
    assert [*with_chat(open_run([tmp_path], "talk"), None).graph.jobs] == ["serve"]
    command = [sys.executable, "-u", str(ROOT / "launch.py"), "chat", "talk", "serve", "--runs", str(tmp_path)]
    environment = {**os.environ, "COLUMNS": "300"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as chat:
        assert chat.stdout is not None
        address = next(line.split()[-1] for line in chat.stdout if "Open http" in line)
        body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 3}
        asked = urllib.request.Request(
            f"{address}v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=300) as answer:
            assert json.load(answer)["usage"]["completion_tokens"] <= 3
        chat.send_signal(signal.SIGTERM)
    assert chat.returncode == 0
    refused = launch("chat", "talk", "--set", "serve.models=x", runs=tmp_path, check=2)
    assert "a threshold, and no input" in refused.stderr
