"""Passes of steps through a model in any layout: tensor parallel, over pipeline stages, with experts apart.

Every rank of a model is given the same steps in the same order. Logits are gathered: all tensor parallel ranks of the
last pipeline stage hold the same numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.tensor_parallel import gather_from_tensor_model_parallel_region
from torch import Tensor

from stages.generate.features import Features
from stages.generate.layout import EngineLayout
from stages.generate.memory import BLOCK_SLOTS
from stages.generate.plan import PlannedStep, seen_by
from stages.model import device, parallel
from stages.model.checkpoint.load import LoadedModel
from stages.model.layers.steps import Cache, Step

# Shape suffixes: N = new tokens, S = scored tokens, D = width of the residual stream, V = vocabulary.

_IN_FLIGHT = 4
"""Messages a stage that are sent before the first has to have arrived."""


def layout() -> EngineLayout:
    """Return the layout of this process's group."""
    return EngineLayout(
        tp=parallel_state.get_tensor_model_parallel_world_size(),
        pp=parallel_state.get_pipeline_model_parallel_world_size(),
        ep=parallel_state.get_expert_model_parallel_world_size(),
    )


class Passes:
    """A model with a cache of its own."""

    def __init__(self, model: LoadedModel, slots: int, features: Features | None = None) -> None:
        """Take no memory yet: the cache's `slots` come with the first step. `features` are for ids below 0."""
        if model.config.head != "lm":
            raise ValueError(f"a model with head {model.config.head} has no logits")
        self.model = model
        self.features = features or Features()
        # The fused kernel holds scores of 16 bits in more; matrix products would round them.
        is_exact = device.device().type == "cpu" and model.dtype in (torch.float32, torch.float64)
        self.cache = Cache(slots, positions=model.config.seq_len, block=BLOCK_SLOTS if is_exact else None)
        self.tokens = 0
        """Tokens computed so far."""
        self.is_last = parallel_state.is_pipeline_last_stage()
        self.num_stages = parallel_state.get_pipeline_model_parallel_world_size()
        self._sent: deque[tuple[dist.Work, Tensor]] = deque()

    @torch.inference_mode()
    def advance(self, planned: PlannedStep, scored: Sequence[int]) -> Tensor | None:
        """Return the hidden states [S, D] of the step's tokens `scored`, which ascend.

        None where this is not the last stage.
        """
        place, chosen = device.device(), scored or [0]
        columns = torch.tensor([planned.tokens, planned.positions, planned.slots], device=place)
        tokens_N, positions_N, slots_N = columns.unbind()
        seen, is_whole = planned.visits.seen(), len(chosen) == len(planned.tokens)
        step = Step(
            cache=self.cache,
            positions=positions_N,
            slots=slots_N,
            seen=seen,
            scored=None if is_whole else torch.tensor(chosen, device=place),
            seen_by_scored=seen if is_whole else seen_by(seen, chosen),
        )
        if parallel_state.is_pipeline_first_stage():
            hidden = self.model.model.advance(tokens_N, step, features=self.features.spliced(planned.tokens))
        else:
            hidden = self.model.model.advance(tokens_N, step, self._received(len(planned.tokens)))
        for start, to, count in planned.copies:
            self.cache.copy(start, to, count)
        self.tokens += len(planned.tokens)
        if self.is_last:
            return hidden[: len(scored)]
        self._send(hidden)
        return None

    @torch.inference_mode()
    def logits(self, hidden_SD: Tensor) -> Tensor:
        """Return float32 logits [S, V]. Collective among tensor parallel ranks."""
        logits_SV: Tensor = gather_from_tensor_model_parallel_region(self.model.model.logits(hidden_SD))
        return logits_SV[:, : self.model.num_outputs].float()

    def alike(self, numbers: Tensor) -> Tensor:
        """Return the numbers of the first of the ranks that share out the experts, on each of them.

        These ranks compute the same to the last bits alone. With different tokens they would wait for each other.
        """
        numbers = numbers.to(device.device())
        if parallel_state.get_expert_model_parallel_world_size() > 1:
            group = parallel_state.get_expert_model_parallel_group()
            dist.broadcast(numbers, dist.get_global_rank(group, 0), group=group)
        return numbers

    def shared(self, numbers: Tensor) -> Tensor:
        """Return the last stage's numbers, on every rank. `numbers` has their shape and type everywhere."""
        numbers = self.alike(numbers)
        if self.num_stages > 1:
            last = parallel_state.get_pipeline_model_parallel_last_rank()
            dist.broadcast(numbers, last, group=parallel_state.get_pipeline_model_parallel_group())
        return numbers

    def post(self, numbers: Tensor) -> None:
        """Send numbers on the host from the last stage to the others, which `collect` them. Does not wait."""
        group, last = parallel_state.get_pipeline_model_parallel_group(), self.num_stages - 1
        for stage in range(last):
            self._keep(dist.isend(numbers, dist.get_global_rank(group, stage), group=parallel.host_group()), numbers)

    def collect(self, shape: tuple[int, ...]) -> Tensor:
        """Return float64 numbers that the last stage posted, in the order of its posts."""
        numbers = torch.empty(shape, dtype=torch.float64)
        dist.recv(numbers, parallel_state.get_pipeline_model_parallel_last_rank(), group=parallel.host_group())
        return numbers

    def _send(self, hidden_ND: Tensor) -> None:
        """Send to the next stage. Does not wait: the next step is computed meanwhile."""
        hidden_ND = hidden_ND.contiguous()
        self._keep(dist.isend(hidden_ND, parallel_state.get_pipeline_model_parallel_next_rank()), hidden_ND)

    def wait_for_sent(self) -> None:
        """Return once all that was sent has arrived: only then may this process leave its group."""
        self._hold(0)

    def _keep(self, work: dist.Work | None, tensor: Tensor) -> None:
        """Hold what is being sent until it has arrived, the last few at least."""
        if work is not None:
            self._sent.append((work, tensor))
        self._hold(_IN_FLIGHT * self.num_stages)

    def _hold(self, count: int) -> None:
        while len(self._sent) > count:
            self._sent.popleft()[0].wait()

    def _received(self, tokens: int) -> Tensor:
        config = self.model.model.config
        hidden_ND = torch.empty((tokens, config.hidden_size), dtype=config.pipeline_dtype, device=device.device())
        dist.recv(hidden_ND, parallel_state.get_pipeline_model_parallel_prev_rank())
        return hidden_ND
