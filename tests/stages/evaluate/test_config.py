from pathlib import Path

import pytest

from stages.evaluate.config import EvaluateConfig, GenerateConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

FILE = (InputFile(Path("file"), ""),)
INPUTS = {
    "checkpoints": tuple(InputFile(Path(name), name) for name in ("final", "untrained")),
    "tokenizer": FILE,
    "heldout": FILE,
    "facts": FILE,
}


def test_one_array_element_for_each_checkpoint_and_task() -> None:
    plan = EvaluateConfig(tasks=("perplexity", "generate", "hellaswag")).plan(INPUTS)
    (step,) = plan.steps
    assert (step.shards, step.reads) == (6, ("checkpoints", "tokenizer", "heldout"))
    found = [(o.shard, o.source, o.kind) for o in plan.outputs if o.kind != "samples"]
    assert found == [
        (0, "final", "results"), (1, "final", "generations"), (2, "final", "results"),
        (3, "untrained", "results"), (4, "untrained", "generations"), (5, "untrained", "results"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "inputs", "message"),
    [
        (EvaluateConfig(tasks=()), INPUTS, "one or more different"),
        (EvaluateConfig(tasks=("facts", "facts")), INPUTS, "one or more different"),
        (EvaluateConfig(tasks=("facts",)), {**INPUTS, "facts": ()}, r"evaluate\.facts is None.*take 'facts' out"),
        (EvaluateConfig(), {**INPUTS, "heldout": ()}, r"evaluate\.heldout"),
        (EvaluateConfig(), {**INPUTS, "checkpoints": ()}, "at least one checkpoint"),
        (EvaluateConfig(), {**INPUTS, "tokenizer": FILE * 2}, "exactly one tokenizer file, found 2"),
        (EvaluateConfig(tasks=("generate",), generate=GenerateConfig(prompts=())), INPUTS, "at least one prompt"),
    ],
)
def test_what_cannot_work_is_refused_while_planning(config: EvaluateConfig, inputs: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.plan(inputs)
