"""The loss against torch's, whole and split over real ranks."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stages.model import parallel
from stages.model.layers.cross_entropy import cross_entropy
from stages.shared.task import Ranks

PIECES = 40
Z_LOSS = 0.03


@pytest.fixture(autouse=True)
def group() -> dist.ProcessGroup:
    parallel.start(Ranks())
    return dist.group.WORLD


def draw(dtype: torch.dtype, scale: float = 5.0, pieces: int = PIECES, rows: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, labels, and weights for the sum of the losses."""
    seed = torch.Generator().manual_seed(1)
    logits = (scale * torch.randn(rows, 3, pieces, generator=seed)).to(dtype).requires_grad_()
    return logits, torch.randint(pieces, (rows, 3), generator=seed), torch.rand(rows, 3, generator=seed)


def reference(logits: Tensor, labels: Tensor, weights: Tensor, z_loss: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return the losses, and the gradient of the weighted sum of losses and z-losses, in float64."""
    exact = logits.detach().double().requires_grad_()
    losses = F.cross_entropy(exact.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels)
    (weights * (losses + z_loss * exact.logsumexp(-1).square())).sum().backward()
    return losses.detach(), exact.grad


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)], ids=str)
@pytest.mark.parametrize("z_loss", [0.0, Z_LOSS])
def test_losses_and_gradients_are_torchs(
    group: dist.ProcessGroup, dtype: torch.dtype, within: float, z_loss: float
) -> None:
    logits, labels, weights = draw(dtype)
    losses = cross_entropy(logits * 1, labels, group, z_loss)
    right, gradient = reference(logits, labels, weights, z_loss)
    assert losses.dtype == torch.float32
    assert (losses - right).abs().max() < 1e-5
    (found,) = torch.autograd.grad((losses * weights).sum(), logits)
    assert found.dtype == dtype
    assert (found - gradient).abs().max() < within


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_large_logits_do_not_overflow(group: dist.ProcessGroup, shift: float) -> None:
    logits, labels, weights = draw(torch.float32, scale=100.0)
    losses = cross_entropy(logits + shift, labels, group)
    right, gradient = reference(logits + shift, labels, weights)
    assert (losses - right).abs().max() < 1e-2
    (found,) = torch.autograd.grad((losses * weights).sum(), logits)
    assert (found - gradient).abs().max() < 1e-2


def test_a_large_vocabulary_is_taken_in_parts(group: dist.ProcessGroup) -> None:
    logits, labels, weights = draw(torch.float32, pieces=50_000)  # 21 rows: five parts
    losses = cross_entropy(logits * 1, labels, group)
    right, gradient = reference(logits, labels, weights)
    assert (losses - right).abs().max() < 1e-4
    (found,) = torch.autograd.grad((losses * weights).sum(), logits)
    assert (found - gradient).abs().max() < 1e-5


def test_the_gradient_is_written_over_the_logits_and_a_second_one_is_refused(group: dist.ProcessGroup) -> None:
    logits, labels, weights = draw(torch.float32)
    product = logits * 1
    losses = cross_entropy(product, labels, group)
    (gradient,) = torch.autograd.grad(losses, product, weights, retain_graph=True)
    assert gradient.data_ptr() == product.data_ptr()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(losses, product, weights)


def _share(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    logits, labels, weights = draw(torch.float32)
    mine = logits.detach().chunk(2, dim=-1)[rank].contiguous().requires_grad_()
    losses = cross_entropy(mine * 1, labels, dist.group.WORLD, Z_LOSS)
    losses.backward(weights)
    torch.save([losses.detach(), mine.grad], f"{folder}/{rank}")
    dist.destroy_process_group()


def test_two_ranks_have_the_losses_of_one_and_each_its_part_of_the_gradient(tmp_path: str) -> None:
    torch.multiprocessing.spawn(_share, (str(tmp_path),), nprocs=2)
    logits, labels, weights = draw(torch.float32)
    right, gradient = reference(logits, labels, weights, Z_LOSS)
    for rank, part in enumerate(gradient.chunk(2, dim=-1)):
        losses, found = torch.load(f"{tmp_path}/{rank}", weights_only=True)
        assert (losses - right).abs().max() < 1e-5
        assert (found - part).abs().max() < 1e-5
