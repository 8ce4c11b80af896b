"""A training stage's plan: its outputs, and where it may start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest

from stages.formats.pieces import read_pieces
from stages.model.config import ModelConfig
from stages.model.huggingface.config import to_config_json
from stages.model.huggingface.tensors import shapes, slices
from stages.shared.contract import InputFile, StagePlan
from stages.shared.errors import ConfigError, DataError
from stages.shared.files import sha256_file, write_json
from tests.stages.train.ranking_config import RankingConfig

PAIRS = {"pairs": (InputFile(Path("pairs.jsonl"), "pairs"),)}


def plan(inputs: dict[str, tuple[InputFile, ...]] | None = None, **settings: Any) -> StagePlan:
    return RankingConfig(pairs="x", tokenizer="x", steps=250, **settings).plan(PAIRS | (inputs or {}))


def outputs_of_pretraining(*names: str) -> tuple[InputFile, ...]:
    return tuple(InputFile(Path("pre") / name, name, section="pre") for name in names)


def test_a_training_that_cannot_repeat_itself_is_another_one() -> None:
    assert "deterministic" not in plan().steps[0].uses
    assert "deterministic" in plan(deterministic=False).steps[0].uses
    assert "timeout_min" not in plan(timeout_min=60).steps[0].uses


def test_a_stage_brings_its_data_its_settings_and_its_function() -> None:
    (step,) = plan().steps
    assert (step.run, step.reads) == ("tests.stages.train.ranking:run", ("pairs", "tokenizer"))
    assert {"model", "frozen", "mixture", "seed"} <= set(step.uses)
    assert not {"pairs", "tokenizer", "checkpoint_every", "init_from"} & set(step.uses)


def kept(plan: StagePlan) -> list[tuple[str, str, str]]:
    return [(output.name, output.source, output.kind.name) for output in plan.outputs if output.during]


def test_checkpoints_that_are_kept_are_outputs_during_the_training() -> None:
    assert kept(plan()) == [("step-0000250", "step-250", "state")]
    assert kept(plan(checkpoint_keep_at_end=["best"])) == []
    several = plan(checkpoint_keep_every=100)
    assert kept(several) == [
        ("step-0000100", "step-100", "checkpoint"),
        ("step-0000200", "step-200", "checkpoint"),
        ("step-0000100", "step-100", "state"),
        ("step-0000200", "step-200", "state"),
        ("step-0000250", "step-250", "state"),
    ]
    assert "checkpoint_keep_every" in several.steps[0].uses
    assert several.steps[0].disk_mb > plan().steps[0].disk_mb * 1.5 > plan(checkpoint_keep_at_end=[]).steps[0].disk_mb


def test_of_a_section_the_last_checkpoint_is_continued_or_the_one_that_is_named() -> None:
    section = {"continue_from": outputs_of_pretraining("step-0000100", "step-0000200")}
    for settings, name in (({}, "step-0000200"), ({"continue_step": 100}, "step-0000100")):
        found = plan(section, continue_from="from:pre", **settings)
        (unit,) = found.steps[0].units
        assert [file.source for file in unit.inputs["continue_from"]] == [name]
        assert "continue_from" in found.steps[0].reads
    with pytest.raises(
        ConfigError, match=r"continue_step = 150: must be a step whose checkpoint pre keeps \(for example"
    ):
        plan(section, continue_from="from:pre", continue_step=150)
    with pytest.raises(ConfigError, match="continue_step = 150: must be absent without continue_from"):
        plan(continue_step=150)


def test_what_another_training_has_done_is_no_output_and_no_cost() -> None:
    folder = {"continue_from": (InputFile(Path("there/step-0000200"), "a"),)}
    rest = plan(folder, continue_from="there/step-0000200", checkpoint_keep_every=100)
    assert [name for name, _, _ in kept(rest)] == ["step-0000250"]
    assert rest.steps[0].core_seconds == pytest.approx(plan().steps[0].core_seconds / 5)
    alone = plan(folder, continue_from="there/step-0000200", continue_with="weights")
    assert alone.steps[0].core_seconds == plan().steps[0].core_seconds


def test_where_nothing_is_left_to_do_the_plan_says_so() -> None:
    folder = {"continue_from": (InputFile(Path("there/step-0000250"), "a"),)}
    with pytest.raises(ConfigError, match="steps = 250: must be more than the 250 that continue_from has done"):
        plan(folder, continue_from="there/step-0000250")
    weights = {"continue_from": (InputFile(Path("there/final"), "a"),)}
    with pytest.raises(ConfigError, match=r"continue_from = 'there/final': must be a checkpoint `step-\.\.\.`"):
        plan(weights, continue_from="there/final")
    assert plan(weights, continue_from="there/final", continue_with="weights")


def test_one_folder_to_start_from_is_enough() -> None:
    two = (InputFile(Path("a"), "a"), InputFile(Path("b"), "b"))
    for field in ("init_from", "continue_from"):
        with pytest.raises(ConfigError, match=f"{field} = '\\*': must be one folder, not 2"):
            plan({field: two}, **{field: "*"})
    with pytest.raises(ConfigError, match="init_from = 'a': must be absent with continue_from"):
        plan({"init_from": two[:1], "continue_from": two[:1]}, init_from="a", continue_from="b")


def inspect(folder: Path, field: str, tokenizer: Path | None = None, **settings: Any) -> None:
    config = RankingConfig(pairs="x", tokenizer="x", steps=250, **{field: str(folder)}, **settings)
    tokenizers = (
        (InputFile(tokenizer, ""),) if tokenizer else (InputFile(Path("not made yet"), "", section="tokenizer"),)
    )
    config.inspect({field: (InputFile(folder, "a"),), "tokenizer": tokenizers})


SMALL: dict[str, Any] = {"num_layers": 1, "dim": 64, "num_heads": 4, "seq_len": 64}


def write_release(folder: Path, vocab_size: int = 300) -> None:
    """Write a folder of transformers with headers of tensors, and nothing in them but their size."""
    model = ModelConfig(**SMALL)
    write_json(folder / "config.json", to_config_json(model, vocab_size, "float32", bos_id=1, eos_id=2))
    sizes = {
        name: shape
        for part in slices(model)
        for name, shape in zip(part.names, shapes(model, part, vocab_size), strict=True)
    }
    header, place = {}, 0
    for name, shape in sizes.items():
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place := place + 2 * prod(shape)]}
    written = json.dumps(header).encode()
    content = len(written).to_bytes(8, "little") + written + bytes(place)
    (folder / "model.safetensors").write_bytes(content)


def edit_header(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    edit(header)
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + content[8 + length :])


def test_weights_of_another_shape_are_refused_before_anything_is_queued(tmp_path: Path) -> None:
    write_release(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    inspect(tmp_path, "init_from", model=SMALL)
    with pytest.raises(
        DataError, match=r"another shape than the recipe's\. Give the recipe's model section num_layers: 1"
    ):
        inspect(tmp_path, "init_from", model=SMALL | {"num_layers": 3})
    write_json(tmp_path / "config.json", described | {"model_type": "gemma"})
    with pytest.raises(DataError, match=r"model_type 'gemma'\. Use llama or mixtral"):
        inspect(tmp_path, "init_from")
    with pytest.raises(DataError, match=r"config\.json: unreadable"):
        inspect(tmp_path / "absent", "init_from")


NORM = "model.norm.weight"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda header: header.pop(NORM), r"lacks tensor model\.norm\.weight"),
        (lambda header: header.update(extra=header[NORM]), r"has an unknown tensor extra"),
        (
            lambda header: header[NORM].update(shape=[32]),
            r":model\.norm\.weight: shape \[32\]\. config.json says \[64\]",
        ),
        (
            lambda header: header[NORM].update(dtype="I8"),
            r":model\.norm\.weight: type I8\. Use weights that are not quan",
        ),
        (
            lambda header: header["lm_head.weight"].update(data_offsets=[0, 9**9]),
            r"unreadable \(\d+ bytes where its hea",
        ),
        (lambda header: header.update({NORM: 3}), r"model\.safetensors: unreadable"),
    ],
)
def test_tensors_are_compared_by_their_headers(edit: Any, message: str, tmp_path: Path) -> None:
    write_release(tmp_path)
    edit_header(tmp_path, edit)
    with pytest.raises(DataError, match=message):
        inspect(tmp_path, "init_from", model=SMALL)


@pytest.mark.parametrize("content", [b"", b"\x03", b"\x05\0\0\0\0\0\0\0[1,2]", b"\xff" * 30, b"\x02\0\0\0\0\0\0\0{"])
def test_a_file_that_is_no_safetensors_is_named(content: bytes, tmp_path: Path) -> None:
    write_release(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"model\.safetensors: unreadable"):
        inspect(tmp_path, "init_from", model=SMALL)


def test_the_folders_pieces_are_compared_with_the_tokenizers(tmp_path: Path, corpus: str) -> None:
    write_release(tmp_path)
    ours = Path(corpus) / "tokenizer.model"
    pieces = read_pieces(ours)
    inspect(tmp_path, "init_from", ours, model=SMALL)  # a folder may have none
    vocab = {piece: number for number, piece in enumerate(pieces)}
    fast: dict[str, Any] = {"model": {"type": "BPE", "vocab": vocab}, "added_tokens": [{"id": 300, "content": "[PAD]"}]}
    for content in (fast, fast | {"model": {"type": "Unigram", "vocab": [[piece, 0.0] for piece in pieces]}}):
        write_json(tmp_path / "tokenizer.json", content)
        inspect(tmp_path, "init_from", ours, model=SMALL)
    write_json(tmp_path / "tokenizer.json", fast | {"added_tokens": [{"id": 7, "content": "[PAD]"}]})
    with pytest.raises(DataError, match=r"tokenizer\.json: piece 7 is '\[PAD\]', and '.*' in the tokenizer of this"):
        inspect(tmp_path, "init_from", ours, model=SMALL)
    inspect(tmp_path, "init_from", model=SMALL)  # the run makes its tokenizer: the job compares
    shutil.copy(ours, tmp_path / "tokenizer.model")
    inspect(tmp_path, "init_from", ours, model=SMALL)
    for added in ({"[PAD]": 299}, {"[PAD]": "299"}):
        write_json(tmp_path / "added_tokens.json", added)
        with pytest.raises(DataError, match=r"added_tokens\.json: (piece 299 is '\[PAD\]'|'299' is no id)"):
            inspect(tmp_path, "init_from", ours, model=SMALL)


def write_checkpoint(folder: Path, tokenizer: str, **changes: Any) -> None:
    """Write the JSON files of a checkpoint."""
    state = {
        **{"model": ModelConfig(**SMALL).model_dump(mode="json"), "vocab_size": 300, "dtype": "fp32", "step": 100},
        **{"tokenizer_sha256": tokenizer, "identity": {"layout": {"tp": 1}}},
    }
    write_json(folder / "complete.json", {})
    write_json(folder / "state.json", state | changes)


def test_a_checkpoint_of_another_shape_too(tmp_path: Path, corpus: str) -> None:
    folder, ours = tmp_path / "step-0000100", Path(corpus) / "tokenizer.model"
    with pytest.raises(DataError, match=r"no complete checkpoint \(complete\.json is missing\)"):
        inspect(folder, "continue_from")
    write_checkpoint(folder, sha256_file(ours))
    inspect(folder, "continue_from", ours, model=SMALL)
    inspect(folder, "continue_from", ours, model=SMALL | {"head": "scalar"}, continue_with="weights")
    for settings in ({"model": SMALL | {"num_layers": 3}}, {"model": SMALL | {"head": "scalar"}}):
        with pytest.raises(DataError, match="a checkpoint of another model: model"):
            inspect(folder, "continue_from", **settings)
    with pytest.raises(DataError, match="another shape than the recipe's"):
        inspect(folder, "continue_from", model=SMALL | {"num_layers": 3}, continue_with="weights")
    with pytest.raises(
        DataError, match=r"dtype is 'fp32' there, 'bf16' here\. Set what it has, or continue_with weights"
    ):
        inspect(folder, "continue_from", model=SMALL, dtype="bf16")
    inspect(folder, "continue_from", model=SMALL, dtype="bf16", continue_with="weights")


@pytest.mark.parametrize("taken", ["everything", "weights"])
def test_a_checkpoint_of_another_tokenizer_or_with_a_damaged_state_is_refused(
    taken: str, tmp_path: Path, corpus: str
) -> None:
    folder, ours = tmp_path / "step-0000100", Path(corpus) / "tokenizer.model"
    write_checkpoint(folder, "another digest")
    inspect(folder, "continue_from", model=SMALL, continue_with=taken)
    with pytest.raises(DataError, match=r"trained with another tokenizer\. Set `tokenizer` to that of its training"):
        inspect(folder, "continue_from", ours, model=SMALL, continue_with=taken)
    for changes in ({"model": {"dim": -1}}, {"dtype": "int8"}, {"step": None}, {"model": [3]}):
        write_checkpoint(folder, "x", **changes)
        with pytest.raises(DataError, match=r"state\.json lacks or misstates"):
            inspect(folder, "continue_from", model=SMALL, continue_with=taken)


def test_what_transformers_has_not_is_said_with_the_outputs() -> None:
    found = {output.name: dict(output.unfit) for output in plan(model={"norm": "layernorm"}).outputs}
    assert found["final"] == {"release": "model.norm layernorm: LLaMA and Mixtral have rmsnorm"}
