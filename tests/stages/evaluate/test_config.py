from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.config import EvaluateConfig, GenerateConfig
from stages.formats.kinds import KINDS
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile, Unit
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import sha256_file, write_json

FILE = (InputFile(Path("file"), ""),)
INPUTS = {
    "checkpoints": tuple(InputFile(Path(name), name) for name in ("final", "untrained")),
    "tokenizer": FILE,
    "heldout": FILE,
    "facts": FILE,
}


def units(inputs: dict[str, tuple[InputFile, ...]], **settings: Any) -> dict[str, Unit]:
    (step,) = EvaluateConfig(**settings).plan(inputs).steps
    return {unit.key: unit for unit in step.units}


def test_a_unit_is_one_checkpoint_and_one_task() -> None:
    plan = EvaluateConfig(tasks=("perplexity", "generate", "hellaswag")).plan(INPUTS)
    (step,) = plan.steps
    assert [unit.key for unit in step.units] == [
        "final/perplexity", "final/generate", "final/hellaswag",
        "untrained/perplexity", "untrained/generate", "untrained/hellaswag",
    ]  # fmt: skip
    found = [(output.unit, output.source, output.file) for output in plan.outputs if output.kind != KINDS.samples]
    assert found[:3] == [
        ("final/perplexity", "final", "results.json"),
        ("final/generate", "final", "generations.jsonl"),
        ("final/hellaswag", "final", "results.json"),
    ]


def test_one_more_task_leaves_every_other_unit_as_it_is() -> None:
    before = units(INPUTS, tasks=("perplexity",))
    for more in ("facts", "generate", "hellaswag"):
        after = units(INPUTS, tasks=(more, "perplexity"))
        assert {key: after[key] for key in before} == before
        assert after.keys() - before.keys() == {f"final/{more}", f"untrained/{more}"}


def test_a_task_that_brings_its_own_data_leaves_every_other_unit_as_it_is() -> None:
    without = {name: files for name, files in INPUTS.items() if name != "facts"}
    before = units(without, tasks=("perplexity", "generate"))
    after = units(INPUTS, tasks=("perplexity", "generate", "facts"))
    assert {key: after[key] for key in before} == before


def test_one_more_checkpoint_leaves_every_other_unit_as_it_is() -> None:
    before = units(INPUTS, tasks=("perplexity", "generate"))
    step = InputFile(Path("step-0000100"), "step-0000100")
    after = units({**INPUTS, "checkpoints": (step, *INPUTS["checkpoints"])}, tasks=("perplexity", "generate"))
    assert {key: after[key] for key in before} == before
    assert after.keys() - before.keys() == {"step-0000100/perplexity", "step-0000100/generate"}


def test_a_unit_reads_its_checkpoint_and_its_tasks_data_alone() -> None:
    found = units(INPUTS, tasks=("perplexity", "facts", "generate", "hellaswag"))
    hidden = {key: {field for field, files in unit.inputs.items() if not files} for key, unit in found.items()}
    assert {key: hidden[f"final/{key}"] for key in ("perplexity", "facts", "generate", "hellaswag")} == {
        "perplexity": {"facts"},
        "facts": {"heldout"},
        "generate": {"heldout", "facts"},
        "hellaswag": {"heldout", "facts"},
    }
    assert found["untrained/facts"].inputs["checkpoints"] == INPUTS["checkpoints"][1:]


def test_a_unit_uses_the_settings_of_its_task_alone() -> None:
    found = units(INPUTS, tasks=("perplexity", "facts", "generate", "hellaswag"))
    assert {key.partition("/")[2]: unit.uses for key, unit in found.items()} == {
        "perplexity": ("perplexity",),
        "facts": (),
        "generate": ("generate",),
        "hellaswag": ("num_fewshot", "limit"),
    }


def test_checkpoints_of_one_source_have_keys_of_their_own() -> None:
    two = tuple(InputFile(Path(folder), "final") for folder in ("a", "b"))
    assert list(units({**INPUTS, "checkpoints": two})) == ["final/perplexity", "final~2/perplexity"]


@pytest.mark.parametrize(
    ("config", "inputs", "message"),
    [
        (EvaluateConfig(tasks=()), INPUTS, "one or more different"),
        (EvaluateConfig(tasks=("facts", "facts")), INPUTS, "one or more different"),
        (EvaluateConfig(tasks=("facts",)), {**INPUTS, "facts": ()}, r"^facts = None: must be a file.* remove 'facts'"),
        (EvaluateConfig(), {**INPUTS, "heldout": ()}, r"^heldout = None: must be a file"),
        (EvaluateConfig(), {**INPUTS, "checkpoints": ()}, "at least one checkpoint"),
        (EvaluateConfig(), {**INPUTS, "tokenizer": FILE * 2}, "exactly one tokenizer file, found 2"),
        (EvaluateConfig(tasks=("generate",), generate=GenerateConfig(prompts=())), INPUTS, "at least one prompt"),
    ],
)
def test_settings_that_cannot_work_are_refused_while_planning(
    config: EvaluateConfig, inputs: dict[str, tuple[InputFile, ...]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        config.plan(inputs)


def test_a_checkpoint_of_another_tokenizer_is_refused_by_the_plan(tmp_path: Path) -> None:
    (tmp_path / "x.model").write_bytes(b"pieces")
    (tmp_path / "y.model").write_bytes(b"others")
    tokenizers = [(InputFile(tmp_path / name, ""),) for name in ("x.model", "y.model")]
    about = PlannedModel(model=ModelConfig(), dtype="fp32", tokenizer=str(tmp_path / "x.model")).text()
    to_come = (InputFile(Path("not made"), "final", section="pretrain", about=about),)
    here = tmp_path / "final"
    write_json(here / "complete.json", {})
    state = {"model": {}, "vocab_size": 3, "dtype": "fp32", "step": 1}
    write_json(here / "state.json", {**state, "tokenizer_sha256": sha256_file(tmp_path / "x.model")})
    for checkpoints in (to_come, (InputFile(here, "final"),)):
        EvaluateConfig().inspect({"checkpoints": checkpoints, "tokenizer": tokenizers[0]})
        with pytest.raises(DataError, match=r"final: trained with another tokenizer\. Set `tokenizer` to that of its"):
            EvaluateConfig().inspect({"checkpoints": checkpoints, "tokenizer": tokenizers[1]})
