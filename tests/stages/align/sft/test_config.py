"""Settings of `align`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from tests.stages.align.sft.world import CONTROLS, settings

World = Mapping[str, tuple[InputFile, ...]]


def test_chats_are_encoded_by_file_and_packed_once_before_the_training(world: World) -> None:
    plan = settings().plan(world)
    encode, pack, sft = plan.steps
    assert [len(step.units) for step in plan.steps] == [3, 1, 1]
    assert (pack.after[0].step, sft.after[0].step, sft.resumes) == ("encode", "pack", True)
    assert "lr" not in {*encode.uses, *pack.uses}
    assert {"learn", "too_long", "heldout"} <= {*encode.uses}
    made = {output.kind.name: output.step for output in plan.outputs}
    assert made["checkpoint"] == "sft"
    assert made[KINDS.packing.name] == "pack"


def test_one_more_file_changes_no_other_units_key(world: World) -> None:
    fewer = settings().plan({**world, "chats": world["chats"][1:]}).steps[0]
    keys = [unit.key for unit in settings().plan(world).steps[0].units]
    assert [unit.key for unit in fewer.units] == keys[1:]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "stagecoch"}, "template = 'stagecoch': must be"),
        ({"model": {"extra_tokens": []}}, "model.extra_tokens"),
        ({"model": {"extra_tokens": [*CONTROLS[:-1]]}}, "<|end|> too"),
        ({"model": {"head": "scalar"}}, "model.head"),
        ({"heldout_batches": 1}, "heldout = 0.0: must be above 0 with heldout_batches"),
        ({"mixture": {"large": 1.0}}, "mixture"),
        ({"model": {"lora": {}}}, "model.lora"),
        ({"model": {"lora": {}}, "init_from": "x", "engine": "deepspeed"}, "engine = 'deepspeed': must be megatron"),
        ({"model": {"lora": {"targets": ["fc1"]}, "moe": {}}, "init_from": "x"}, "model.lora.targets"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(changes: dict[str, Any], message: str, world: World) -> None:
    with pytest.raises(ConfigError, match=message.replace("|", r"\|")):
        settings(**changes).plan(world)


def test_new_tokens_that_adapters_would_leave_untrained_are_refused(world: World) -> None:
    start = settings().plan(world)
    about = next(output.about for output in start.outputs if output.source == "final")
    base = InputFile(Path("/run/final"), "final", section="base", kind="checkpoint", about=about)
    inputs = {**world, "tokenizer": (), "continue_from": (base,)}
    given: dict[str, Any] = {"continue_from": "x", "continue_with": "weights"}
    settings(model={"lora": {}}, **given).inspect(inputs)
    more = {"extra_tokens": [*CONTROLS, "<|more|>"]}
    settings(model={**more, "lora": {"embeddings": True}}, **given).inspect(inputs)
    with pytest.raises(ConfigError, match=r"model\.lora\.embeddings = False: must be true with tokens .*<\|more\|>"):
        settings(model={**more, "lora": {}}, **given).inspect(inputs)


def test_another_template_is_another_encoding(world: World, tmp_path: Path) -> None:
    shipped = settings().plan(world).steps[0].data
    own = tmp_path / "own.yaml"
    own.write_text(Path("templates/chat/stagecoach.yaml").read_text("utf-8") + "# ours\n", encoding="utf-8")
    assert settings(template=str(own)).plan(world).steps[0].data != shipped


def test_the_training_alone_has_a_forecast(world: World) -> None:
    machine = Machine()
    assert settings().forecast("encode", world, machine) is None
    assert settings().forecast("sft", world, machine) is not None
