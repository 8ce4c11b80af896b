"""The verb `budget`: what Chinchilla buys with parameters, tokens or GPU-hours, and with longer training."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rich.table import Table

from stages.shared.errors import ConfigError, nearest
from stages.shared.machine import GPUS
from stages.shared.numbers import short
from stages.train.planner.budget import Budget, of_gpu_hours, of_parameters, of_tokens
from stages.train.planner.tokens import parse_tokens

FACTORS = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Times Chinchilla's tokens, besides the one that is asked for."""
SOURCE = (
    "operations = 6 x parameters x tokens; tokens = factor x Chinchilla's for the parameters (arXiv:2203.15556, "
    "table 3). A factor above 1 is a smaller model, trained for longer: dearer to train, cheaper to use."
)


def budgets(arguments: argparse.Namespace) -> list[Budget]:
    """Return the budgets by factor, the one that is asked for first. Raises ConfigError."""
    given = {name: value for name in ("parameters", "tokens", "gpu_hours") if (value := getattr(arguments, name))}
    if len(given) != 1:
        raise ConfigError("budget", sorted(given), "one of --parameters 7B, --tokens 1T and --gpu-hours 10k")
    ((name, text),) = given.items()
    peak(arguments.gpu)
    try:
        amount = float(parse_tokens(text))
    except ConfigError:
        raise ConfigError(f"--{name.replace('_', '-')}", text, "a number, such as 7B, 1.4T or 10k") from None
    if amount <= 0 or arguments.factor <= 0 or not 0 < arguments.mfu <= 1:
        wanted = "above 0, as --factor; and --mfu from 0 to 1"
        raise ConfigError("budget", {name: amount, "factor": arguments.factor, "mfu": arguments.mfu}, wanted)
    return [_budget(name, amount, factor, arguments) for factor in dict.fromkeys((arguments.factor, *FACTORS))]


def _budget(name: str, amount: float, factor: float, arguments: argparse.Namespace) -> Budget:
    if name == "gpu_hours":
        return of_gpu_hours(amount, peak(arguments.gpu), arguments.mfu, factor)
    return of_parameters(amount, factor) if name == "parameters" else of_tokens(amount, factor)


def peak(gpu: str) -> float:
    """Return the TFLOP/s of a type of GPU. Raises ConfigError for an unknown one."""
    if gpu not in GPUS:
        raise ConfigError("--gpu", gpu, f"a known type; {nearest(gpu, sorted(GPUS))}")
    return GPUS[gpu]["tflops"]


def tables(arguments: argparse.Namespace) -> Iterator[Table | str]:
    """Yield the table of budgets, and the formula with its source."""
    found = budgets(arguments)
    table = Table(title=f"{arguments.gpu} at {arguments.mfu:.0%} of its peak", title_justify="left")
    for head in ("factor", "parameters", "tokens", "tokens a parameter", "operations", "GPU-hours"):
        table.add_column(head, justify="right")
    for each in found:
        hours = each.gpu_hours(peak(arguments.gpu), arguments.mfu)
        ratio = each.tokens / each.parameters
        cells = (f"{each.factor:.3g}", short(each.parameters), short(each.tokens), f"{ratio:.1f}")
        table.add_row(*cells, f"{each.operations:.2e}", f"{hours:,.0f}")
    yield table
    yield SOURCE
