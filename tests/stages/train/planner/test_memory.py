"""The planner's memory against what torch reports, and the published formulas it is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.model.config import LoraConfig
from stages.train.planner.memory import device_memory, layer_bytes, stage_weights
from stages.train.planner.shape import Layout, Shape, Workload
from tests.stages.train.planner.allocated import VOCABULARY, peak, peaks, write_many_words
from tests.stages.train.ranks import Run, settings

MODEL = {"num_layers": 8, "dim": 256, "num_heads": 8, "num_kv_heads": 4, "ffn_dim": 768, "seq_len": 128}
SETTINGS = {"model": MODEL, "steps": 10, "global_batch": 16, "microbatch": 4, "warmup_steps": 1}
MEASURED: dict[str, dict[str, Any]] = {
    "one process": {},
    "tensor parallel": {"layout": {"tp": 2}},
    "pipeline": {"layout": {"pp": 2}},
    "data parallel in bfloat16": {"layout": {"dp": 2}, "dtype": "bf16"},
    "tensor parallel in a pipeline": {"layout": {"tp": 2, "pp": 2}},
    "tensor and sequence parallel": {"layout": {"tp": 2, "sp": True}},
    "interleaved pipeline": {"layout": {"pp": 2, "interleave": 2}},
    "recomputed in full": {"layout": {"recompute": "full"}, "microbatch": 8},
    "recomputed in part": {"layout": {"recompute": "selective"}},
    "optimizer offloaded, in bfloat16": {"layout": {"offload": ("optimizer",)}, "dtype": "bf16"},
    "adapters": {"model": {**MODEL, "lora": {}}},
    "adapters of all matrices and tables, in bfloat16": {
        "model": {**MODEL, "lora": {"targets": ["qkv", "proj", "fc1", "fc2"], "embeddings": True}},
        **{"layout": {"tp": 2}, "dtype": "bf16"},
    },
    "experts": {"model": {**MODEL, "ffn_dim": 256, "moe": {"num_experts": 4, "top_k": 2}}},
}


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_many_words(tmp_path_factory.mktemp("words")))


@pytest.mark.parametrize("changes", MEASURED.values(), ids=MEASURED)
def test_predicted_memory_is_what_torch_reports(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    run = Run(str(tmp_path / "run"), words, {**SETTINGS, **changes})
    config = settings(run)
    predicted = device_memory(config.workload(VOCABULARY), config.planned_layout, on_gpu=False)
    measured = max(peaks(run))
    parts = {name: round(size / 1e6, 1) for name, size in predicted.parts().items()}
    print(f"measured {measured / 1e6:.1f} MB, predicted {predicted.allocated / 1e6:.1f}: {parts}")
    assert measured == pytest.approx(predicted.allocated, rel=0.1)


def test_a_release_that_torch_does_not_report_is_found_by_its_address() -> None:
    reports = [(1, "", 10, 5), (2, "", 20, 7), (3, "", 20, 3), (4, "", 20, -3), (5, "end", 0, 0), (6, "", 30, 6)]
    assert peak(reports, {"end": [(0, 100)]}) == 12  # the second address was given out again: 7 went unheard
    assert peak([(1, "", 10, 5), (2, "end", 0, 0), (3, "", 30, 6)], {"end": [(20, 40)]}) == 6  # 10 is nobody's now
    assert peak([(1, "", 10, 5), (2, "end", 0, 0), (3, "", 30, 6)], {"end": [(0, 40)]}) == 11


def test_adapters_alone_have_gradients_and_an_optimizers_state() -> None:
    lora = LoraConfig(rank=8, targets=("qkv", "fc1", "fc2"))
    shape = replace(LLAMA.shape, lora=lora)
    memory = device_memory(replace(LLAMA, shape=shape), Layout(), on_gpu=True)
    # qkv: 4096 to 3 x 4096; fc1: 4096 to 2 x 11008; fc2: 11008 to 4096.
    adapters = 32 * 8 * (4 * 4096 + 4096 + 2 * 11008 + 11008 + 4096)
    assert memory.weights == 2 * (LLAMA.shape.parameters + adapters)
    assert (memory.gradients, memory.optimizer) == (4 * adapters, 12 * adapters)
    assert (shape.trained, LLAMA.shape.trained) == (adapters, LLAMA.shape.parameters)
    split = device_memory(replace(LLAMA, shape=shape), Layout(tp=8, pp=4), on_gpu=True)
    assert split.gradients == 4 * 8 * 8 * (3 * 4096 + (3 * 4096 + 3 * 11008) / 8)
    with_tables = replace(shape, lora=LoraConfig(rank=8, targets=lora.targets, embeddings=True))
    memory = device_memory(replace(LLAMA, shape=with_tables), Layout(), on_gpu=True)
    assert memory.gradients == 4 * (adapters + 2 * 32_000 * 4096)


def test_a_frozen_matrix_keeps_its_input_only_for_its_adapter() -> None:
    def kept(*targets: Any) -> float:
        lora = LoraConfig(rank=8, targets=targets)
        return layer_bytes(replace(LLAMA, shape=replace(SHAPE, lora=lora)), Layout()) / 2048 / 2

    whole = layer_bytes(LLAMA, Layout()) / 2048 / 2
    assert whole - kept("proj") == 2 * 4096 + 11008 - 8  # what norms and the activation give
    assert whole - kept("qkv", "proj", "fc1", "fc2") == -4 * 8


SHAPE = Shape(num_layers=32, dim=4096, num_heads=32, num_kv_heads=32, head_dim=128, ffn=11008, seq_len=2048)
LLAMA = Workload(shape=replace(SHAPE, vocab_size=32_000), global_batch=512, dtype="bf16")


def on_gpu(**layout: Any) -> Any:
    return device_memory(LLAMA, Layout(**layout), on_gpu=True)


def test_weights_gradients_and_optimizer_take_18_bytes_a_parameter_as_zero_counts_them_with_float32_gradients() -> None:
    alone, weights = on_gpu(), LLAMA.shape.parameters
    assert (alone.weights, alone.gradients, alone.optimizer) == (2 * weights, 4 * weights, 12 * weights)


@pytest.mark.parametrize(
    ("zero", "parts"), [(1, (2, 4, 12 / 64)), (2, (2, 4 / 64, 12 / 64)), (3, (2 / 64, 4 / 64, 12 / 64))]
)
def test_each_stage_of_zero_shares_out_one_part_more(zero: int, parts: tuple[float, ...]) -> None:
    memory = on_gpu(dp=64, zero=zero)
    found = (memory.weights, memory.gradients, memory.optimizer)
    assert found == pytest.approx([bytes_a_weight * LLAMA.shape.parameters for bytes_a_weight in parts])


def test_a_layer_keeps_what_korthikanti_counts_for_the_modules_that_run_here() -> None:
    # Per token, 16-bit, in units of dim: two norms of 2 (in, out), query, key, value and attention's output;
    # 3 of ffn (gate, up and their product).
    per_token = 2 * (4 + 4) * 4096 + 2 * 3 * 11008 + 4 * 32  # and a float32 log-sum-exp a head
    assert layer_bytes(LLAMA, Layout()) == 2048 * per_token


def test_sequence_parallelism_splits_what_tensor_parallelism_leaves_whole() -> None:
    whole, split = (layer_bytes(LLAMA, Layout(tp=8, sp=sp)) for sp in (False, True))
    assert whole - split == pytest.approx(2048 * 2 * 4 * 4096 * 7 / 8)


def test_recomputing_keeps_the_layers_inputs_and_one_layer_at_a_time() -> None:
    recomputed = on_gpu(dp=8, recompute="full")
    final_norm, inputs = 2 * 2 * 2048 * 4096, 2 * 2048 * 4096
    assert recomputed.activations == 31 * inputs + final_norm + layer_bytes(LLAMA, Layout())


def test_recomputing_a_part_forgets_what_norms_and_activations_give() -> None:
    whole, selective = (layer_bytes(LLAMA, Layout(recompute=again)) for again in ("none", "selective"))
    assert whole - selective == 2048 * 2 * (2 * 4096 + 11008)
    moe = replace(LLAMA, shape=replace(SHAPE, experts=8, top_k=2))
    whole, selective = (layer_bytes(moe, Layout(recompute=again)) for again in ("none", "selective"))
    assert whole - selective == 2048 * 2 * 2 * 4096  # experts keep theirs


def test_without_a_gpu_the_reduction_of_gradients_may_be_the_fullest_moment() -> None:
    work = replace(LLAMA, shape=replace(LLAMA.shape, seq_len=16))
    memory = device_memory(work, Layout(dp=8), on_gpu=False)
    assert (memory.activations, memory.buffers) == (0, memory.gradients)


def test_the_first_stage_of_a_pipeline_holds_a_microbatch_for_each_stage_and_more_where_stages_interleave() -> None:
    plain, one = on_gpu(pp=8, dp=8), on_gpu(dp=8)
    assert plain.activations == pytest.approx(one.activations, rel=0.01)  # 8 microbatches of an eighth of the layers
    assert on_gpu(pp=8, dp=8, interleave=2).activations == pytest.approx(one.activations * (1 + 7 / 16), rel=0.01)
    assert on_gpu(pp=8, dp=64, interleave=2).activations == pytest.approx(one.activations, rel=0.01)  # all at once
    assert on_gpu(pp=8, dp=512).activations == pytest.approx(one.activations / 8, rel=0.05)  # a single microbatch


def test_what_is_offloaded_takes_nothing_but_a_layer_at_a_time() -> None:
    memory = on_gpu(dp=64, offload=("optimizer", "activations"))
    assert memory.optimizer == 0
    assert memory.activations == layer_bytes(LLAMA, Layout()) + 2 * 2 * 2048 * 4096


def test_where_an_offloaded_optimizers_weights_come_back_may_be_the_fullest_moment() -> None:
    memory = on_gpu(recompute="full", offload=("optimizer",))
    assert (memory.activations, memory.buffers) == (0, 4 * LLAMA.shape.parameters)


def test_a_gpu_has_something_that_torch_does_not_count() -> None:
    memory = on_gpu()
    assert memory.outside > 1e9
    assert memory.allocated == memory.total - memory.outside


def test_experts_are_split_by_expert_parallelism_and_their_state_by_what_is_left_of_data_parallelism() -> None:
    shape = replace(SHAPE, experts=8, top_k=2, vocab_size=32_000)
    dense, experts = stage_weights(shape, Layout(), 0)
    assert dense + experts == shape.parameters
    split = device_memory(replace(LLAMA, shape=shape), Layout(dp=16, ep=8), on_gpu=True)
    assert split.weights == 2 * (dense + experts / 8)
    assert split.optimizer == pytest.approx(12 * (dense / 16 + experts / 8 / 2))
