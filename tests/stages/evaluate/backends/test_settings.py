"""Which model is asked in which form, and the names of cells and units that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.backends.settings import EndpointSettings
from stages.evaluate.cells import ChatForm
from stages.evaluate.config import EvaluateConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

PIQA = (InputFile(Path("/hf/datasets/baber___piqa/default/0.0.0/x"), ""),)
INPUTS = {
    "checkpoints": tuple(InputFile(Path(name), name) for name in ("base", "instructed")),
    "tokenizer": (InputFile(Path("t"), ""),),
    "datasets": PIQA,
}


def keys(**settings: Any) -> list[str]:
    steps = EvaluateConfig.model_validate({"tasks": ["piqa"], **settings}).plan(INPUTS).steps
    return [unit.key for unit in steps[-1].units]


def test_a_chat_form_is_of_all_models_or_of_those_that_it_names() -> None:
    assert keys(chat=True) == ["base/piqa@chat", "instructed/piqa@chat"]
    assert keys(chat={"models": ["instructed"]}) == ["base/piqa", "instructed/piqa@chat"]
    both = [{"task": "piqa"}, {"task": "piqa", "chat": {"models": ["instructed"], "multiturn": False}}]
    with pytest.raises(ConfigError, match="one or more different tasks"):
        keys(tasks=both)  # the base model would be asked the same twice
    both = [{"task": "piqa", "chat": False}, {"task": "piqa", "chat": {"system": "Be brief."}}]
    assert keys(tasks=both, chat=True)[:2] == ["base/piqa", "base/piqa@chat-system-213c22ed"]


def test_a_suite_and_parts_take_a_chat_form_and_our_own_tasks_stay_plain() -> None:
    config = EvaluateConfig.model_validate(
        {"tasks": [{"task": "suite:perplexity"}, {"task": "piqa", "chat": True, "parts": 2}], "chat": True}
    )
    names = [cell.name for cell in config.cells("x")]
    assert names[0] == "perplexity"
    assert all("@" in name and name.rpartition("@")[2].endswith("chat") for name in names[1:])
    again = EvaluateConfig.model_validate_json(config.model_dump_json())
    assert again.cells("x") == config.cells("x")


def test_the_form_says_turns_template_and_system() -> None:
    form = ChatForm(multiturn=False, template="vicuna", system="x")
    assert form.name == "chat-one-turn-vicuna-system-2d711642"
    assert ChatForm().name == "chat"
    assert ChatForm(template="/some/where/mine.yaml").name == "chat-mine"


def test_a_template_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"template = 'vicunna': must be .*vicuna"):
        keys(chat={"template": "vicunna"})


def test_another_template_file_is_another_unit(tmp_path: Path) -> None:
    def data() -> str:
        config = EvaluateConfig.model_validate({"tasks": ["piqa"], "chat": {"template": str(path)}})
        return config.plan(INPUTS).steps[-1].units[0].data

    path = tmp_path / "mine.yaml"
    path.write_text("user: ['{content}']")
    before = data()
    path.write_text("user: ['{content} ']")
    assert data() != before


def test_an_endpoint_is_asked_in_its_form_beside_checkpoints() -> None:
    endpoints = {
        "plain": {"url": "http://h/v1", "model": "m"},
        "chatty": {"url": "http://h/v1", "model": "m", "api": "chat"},
    }
    with pytest.raises(ConfigError, match=r"^tokenizers = None: must be \{plain: the folder"):
        keys(endpoints=endpoints)
    config = EvaluateConfig.model_validate({"tasks": ["generate", "gsm8k_cot"], "endpoints": endpoints})
    data = (*PIQA, InputFile(Path("/hf/datasets/openai___gsm8k/main/0.0.0/x"), ""))
    found = [unit.key for unit in config.plan({**INPUTS, "datasets": data}).steps[-1].units]
    assert found[-4:] == ["plain/generate", "plain/gsm8k_cot", "chatty/generate", "chatty/gsm8k_cot@chat"]
    with pytest.raises(ConfigError, match=r"^tokenizers = None: must be \{plain: the folder.*or `api: chat`"):
        config.model_copy(update={"chat": ChatForm()}).plan({**INPUTS, "datasets": data})


def test_an_endpoints_identity_has_its_port_and_no_path_or_key() -> None:
    settings = EndpointSettings(url="https://api.host:8443/v1", model="m", revision="7", key_file="/secret")
    assert settings.identity == "m at api.host:8443 (completions, revision 7)"
