"""AdamW and activations in the host's memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stages.train.engines.offload import HostAdamW, activations_on_host


def optimizers(of: list[Tensor]) -> tuple[torch.optim.AdamW, HostAdamW]:
    """Return torch's AdamW and ours for the same weights, of which the last is a float32 copy of 16-bit ones."""
    settings = {"lr": 0.01, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
    same = torch.optim.AdamW([weight.clone() for weight in of], fused=True, **settings)
    return same, HostAdamW(torch.optim.AdamW(of, **settings), copies=of[-1:])


def weights() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for shape in ((4, 3), (7,))]


def step(theirs: torch.optim.AdamW, ours: HostAdamW, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for one, other in zip(theirs.param_groups[0]["params"], ours.param_groups[0]["params"], strict=True):
        one.grad = torch.randn(one.shape, generator=generator)
        other.grad = one.grad.clone()
    for optimizer in (theirs, ours):
        optimizer.param_groups[0]["lr"] = 0.01 * number
        optimizer.step()


def test_its_updates_are_torchs() -> None:
    theirs, ours = optimizers(weights())
    for number in range(1, 4):
        step(theirs, ours, number)
        for one, other in zip(theirs.param_groups[0]["params"], ours.param_groups[0]["params"], strict=True):
            assert torch.equal(one, other)
            assert torch.equal(theirs.state[one]["exp_avg_sq"], ours.state[other]["exp_avg_sq"])
        ours.free()


def test_between_updates_copies_of_16_bit_weights_hold_no_memory() -> None:
    whole, copy = weights()
    expected = copy.clone()
    _, ours = optimizers([whole, copy])
    assert (whole.untyped_storage().nbytes(), copy.untyped_storage().nbytes()) == (48, 0)
    ours.restore()
    assert torch.equal(copy, expected)
    ours.free()
    assert copy.untyped_storage().nbytes() == 0


def test_a_checkpoint_is_read_into_the_hosts_weights() -> None:
    theirs, ours = optimizers(weights())
    for weight in ours.param_groups[0]["params"]:
        ours.host_of(weight).fill_(0.5)
    for weight in theirs.param_groups[0]["params"]:
        weight.fill_(0.5)
    step(theirs, ours, 1)
    assert all(map(torch.equal, theirs.param_groups[0]["params"], ours.param_groups[0]["params"]))


def test_activations_are_copied_and_weights_are_not() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(64, 96), nn.SiLU(), nn.Linear(96, 32))
    x = torch.randn(40, 64, requires_grad=True)
    kept: list[Tensor] = []
    gradients = []
    for on_host in (False, True):
        if on_host:
            with activations_on_host(model.parameters()):
                y = model(x)
        else:
            y = model(x)
        kept = saved_by(y)
        gradients.append(torch.autograd.grad(y.square().sum(), [x, *model.parameters()]))
        addresses = {tensor.untyped_storage().data_ptr() for tensor in kept}
        assert (x.untyped_storage().data_ptr() in addresses) is not on_host
        assert model[2].weight.untyped_storage().data_ptr() in addresses
    assert all(map(torch.equal, *gradients))


def saved_by(output: Tensor) -> list[Tensor]:
    """Return what the graph behind an output keeps, as the backward pass would get it."""
    found, nodes = [], [output.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None:
            continue
        found += [getattr(node, name) for name in dir(node) if name.startswith("_saved_")]
        nodes += [parent for parent, _ in node.next_functions]
    return [tensor for tensor in found if isinstance(tensor, Tensor)]
