"""The parts of a step's time, each against a case computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.model.config import LoraConfig
from stages.shared.machine import Machine
from stages.train.planner.memory import layer_bytes
from stages.train.planner.shape import Layout, Workload
from stages.train.planner.speed import CORE_FLOPS, Assumptions, StepTime, update_operations, update_time
from tests.stages.train.planner.llama import A100, LLAMA, NODES

WORK: Workload = LLAMA["7B"].work
SHAPE = WORK.shape
BARE = Assumptions(products=0.5, touches=0.0, links=1.0, overlap=False)
"""Half of the peak, nothing between products, links at their data sheet's rate."""
TOKENS = 2048
ATTENTION = 6 * 32 * 2048 * 4096


def bare(assume: Assumptions = BARE, work: Workload = WORK, machine: Machine = NODES, **layout: object) -> StepTime:
    return update_time(work, Layout(**layout), machine, assume)  # type: ignore[arg-type]


def test_a_token_takes_six_operations_a_weight_and_those_of_the_causal_scores() -> None:
    weights = SHAPE.parameters - SHAPE.embedding - (2 * 32 + 1) * 4096  # neither look-up nor norms multiply matrices
    assert update_operations(WORK) == WORK.tokens * (6 * weights + ATTENTION)


def test_a_frozen_weight_takes_four_operations_and_an_adapters_six() -> None:
    blocks, adapters = SHAPE.used - SHAPE.embedding, 32 * 16 * (4096 + 3 * 4096 + 2 * 4096)
    frozen, tables = (replace(WORK, shape=replace(SHAPE, lora=LoraConfig(embeddings=each))) for each in (False, True))
    found = WORK.tokens * (4 * blocks + 4 * SHAPE.embedding + 6 * adapters + ATTENTION)
    assert update_operations(frozen) == found
    assert update_operations(tables) == found + WORK.tokens * 2 * SHAPE.embedding
    assert bare(dp=2048, work=frozen).compute == pytest.approx(found / 2048 / (312e12 * 0.5))
    assert bare(dp=2048, work=frozen).data < bare(dp=2048).data / 100
    assert bare(dp=2048, work=frozen).optimizer < bare(dp=2048).optimizer / 100


def test_compute_is_operations_over_the_share_of_the_peak_and_the_bytes_between_them() -> None:
    plain = bare(dp=2048)
    assert plain.compute == pytest.approx(update_operations(WORK) / 2048 / (312e12 * 0.5))
    between = bare(replace(BARE, touches=6.0), dp=2048).compute - plain.compute
    assert between == pytest.approx(6 * 32 * layer_bytes(WORK, Layout()) / 2039e9)


def test_recomputing_in_full_takes_eight_operations_a_weight_in_place_of_six() -> None:
    blocks = SHAPE.used - SHAPE.embedding
    more = bare(dp=2048, recompute="full").compute - bare(dp=2048).compute
    assert more == pytest.approx(TOKENS * (2 * blocks + ATTENTION / 3) / (312e12 * 0.5))


def test_what_is_recomputed_is_moved_once_more_and_what_is_offloaded_there_and_back() -> None:
    moving = replace(BARE, touches=6.0)
    more = bare(moving, dp=2048, recompute="selective").compute - bare(moving, dp=2048).compute
    forgotten = layer_bytes(WORK, Layout()) - layer_bytes(WORK, Layout(recompute="selective"))
    assert more == pytest.approx(2 * 32 * forgotten / 2039e9)
    away = bare(dp=2048, offload=("activations",)).compute - bare(dp=2048).compute
    assert away == pytest.approx(2 * 32 * layer_bytes(WORK, Layout()) / 20e9)
    alone = Machine(cores=4)
    assert bare(machine=alone, offload=("activations",)) == bare(machine=alone)


def test_tensor_parallelism_reduces_every_layers_output_four_times_a_microbatch() -> None:
    ring = 2 * 7 / 8 * 2 * TOKENS * 4096 / 300e9
    assert bare(tp=8, dp=256).tensor == pytest.approx(8 * 32 * 4 * ring)
    assert bare(tp=8, dp=256, recompute="full").tensor == pytest.approx(8 * 32 * 6 * ring)


def test_the_bubble_is_the_stages_before_the_first_microbatch_comes_back() -> None:
    step = bare(pp=4, dp=512)
    stage = step.compute / 4  # four microbatches
    sends = 4 * 2 * 2 * TOKENS * 4096 / 25e9  # each GPU to its own neighbour, there and back
    assert step.pipeline == pytest.approx(3 * stage + sends)
    assert bare(pp=4, dp=512, interleave=4).pipeline == pytest.approx(3 * stage / 4 + 4 * sends)


def test_gradients_and_weights_move_once_a_step_and_are_hidden_as_far_as_a_microbatch_lasts() -> None:
    shown = bare(dp=2048)
    network = 8 * 25e9  # the eight GPUs of a node share a ring, and bring their network
    assert shown.data == pytest.approx(2047 / 2048 * SHAPE.parameters * (4 + 2) / network)
    hidden = bare(replace(BARE, overlap=True), dp=2048)
    reduce, gather = (2047 / 2048 * SHAPE.parameters * width / network for width in (4, 2))
    assert hidden.data == pytest.approx(
        max(0, reduce - 2 / 3 * hidden.compute) + max(0, gather - hidden.compute / 3), abs=1e-9
    )
    assert bare(dp=2048, zero=3).data > shown.data


def test_the_optimizer_is_shared_out_and_slower_where_it_is_offloaded() -> None:
    one, many = bare(dp=8).optimizer, bare(dp=64).optimizer
    assert one == pytest.approx(8 * many)
    assert many == pytest.approx(30 * SHAPE.parameters / 64 / 2039e9)
    assert bare(dp=64, offload=("optimizer",)).optimizer > 50 * many


def test_experts_and_context_parallelism_have_collectives_of_their_own() -> None:
    moe = replace(WORK, shape=replace(SHAPE, experts=8, top_k=2))
    alltoall = 7 / 8 * 2 * 2 * TOKENS * 4096 / 300e9
    assert bare(work=moe, dp=2048, ep=8).tensor == pytest.approx(32 * 4 * alltoall)
    assert bare(dp=1024, cp=2).tensor > 0


def test_without_a_gpu_a_rank_computes_on_its_cores() -> None:
    step = bare(work=replace(WORK, dtype="fp32"), machine=Machine(cores=4), dp=2048)
    assert step.compute == pytest.approx(update_operations(WORK) / 2048 / (4 * CORE_FLOPS))
    assert sum(step.parts().values()) == step.total


def test_float32_is_slow_on_a_gpu_and_the_assumptions_can_be_said() -> None:
    assert bare(work=replace(WORK, dtype="fp32"), dp=2048).compute == pytest.approx(16 * bare(dp=2048).compute)
    assert "52% of the peak" in str(Assumptions())
    assert "nothing overlapped" in str(BARE)
    assert A100.tflops == 312
