from pathlib import Path
from typing import Any

import pytest

from stages.benchmarks.config import BenchmarksConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

FILES = tuple(
    InputFile(Path("/data", name), family)
    for family, name in (
        ("piqa", "valid.jsonl"),
        ("piqa", "valid-labels.lst"),
        ("arc", "ARC-Easy.test.json"),
        ("arc", "ARC-Challenge.test.json"),
    )
)


def test_a_unit_is_one_data_set_and_reads_its_own_files() -> None:
    plan = BenchmarksConfig(tasks=("piqa", "arc_easy", "ai2_arc")).plan({"files": FILES})
    read = {unit.key: [file.path.name for file in unit.inputs["files"]] for unit in plan.steps[0].units}
    assert read == {
        "baber___piqa/default": ["valid.jsonl", "valid-labels.lst"],
        "allenai___ai2_arc/ARC-Easy": ["ARC-Easy.test.json"],
        "allenai___ai2_arc/ARC-Challenge": ["ARC-Challenge.test.json"],
    }
    assert plan.outputs[0].file == "datasets/baber___piqa/default/0.0.0/prepared"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": ["piqqa"]}, r"^tasks = 'piqqa': must be a task of lm-eval; did you mean 'piqa'\?"),
        ({"tasks": []}, "one or more tasks with a data set"),
        ({"tasks": ["gsm8k"]}, r"^files = .*: must be files of openai/gsm8k \(main\) under 'gsm8k'"),
        ({"tasks": ["hellaswag"]}, "because Rowan/hellaswag has no known files; or set `fetch: true`"),
        ({"tasks": ["piqa"], "carve": {"pika": 3}}, r"^carve = 'pika': .* did you mean 'piqa'\?"),
    ],
)
def test_what_cannot_be_prepared_is_refused_while_planning(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BenchmarksConfig.model_validate(settings).plan({"files": FILES})


def test_files_of_a_family_that_is_none_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^files = 'pika': .* did you mean 'piqa'\?"):
        BenchmarksConfig(tasks=("piqa",)).plan({"files": (*FILES, InputFile(Path("/data/x"), "pika"))})


def test_what_has_no_files_can_be_fetched() -> None:
    plan = BenchmarksConfig(tasks=("hellaswag", "piqa"), fetch=True).plan({"files": FILES})
    assert [len(unit.inputs["files"]) for unit in plan.steps[0].units] == [0, 2]
