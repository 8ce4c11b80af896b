"""Services as endpoints: the URL and the token come from the service's file, and a URL that is set is kept."""

from __future__ import annotations

import json
from pathlib import Path

from stages.conductor.services import reached
from stages.conductor.settings import EndpointSettings
from stages.shared.contract import InputFile
from stages.tools.conduct.config import ConductConfig
from tests.stages.harness import make_task


def test_a_service_has_its_url_and_its_token_as_key(tmp_path: Path) -> None:
    address = tmp_path / "address.json"
    address.write_text(json.dumps({"address": "http://node7:2345/secret"}))
    inputs = {"requests": (InputFile(tmp_path / "r", "r"),), "services": (InputFile(address, "controller"),)}
    config = ConductConfig(requests="r", controller={"model": "m"}, services={"controller": "from:served"})
    task = make_task(config, config.plan(inputs).steps[0], 0, inputs, tmp_path)
    found = reached(task, "controller", config.controller)
    assert (found.url, found.key_file) == ("http://node7:2345/v1", str(task.work / "controller.key"))
    key = task.work / "controller.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("secret", 0o600)
    own = EndpointSettings(url="http://h/v1", model="m")
    assert reached(task, "controller", own) is own
