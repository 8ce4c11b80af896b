"""The checks in their order: each asks for processes and adds rows to the report. Light: no torch."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from stages.shared.files import read_json
from tests.gpu.cases import HALF, LARGE, MEDIUM, NARROW, PLAIN, SMALL, VARIANTS, Settings, Variant, merged
from tests.gpu.children import Answer, Children
from tests.gpu.rows import Report, Row, Verdict

REFERENCE = Path(__file__).parent / "reference.json"


@dataclass
class Bench:
    """What every check needs."""

    children: Children
    report: Report
    digest: str = ""
    """Of the made-up data."""
    large: bool = False
    """Whether there is a GPU, and the trainings that want one have their own sizes; else the small one."""
    trained: int = 0

    @property
    def data(self) -> Path:
        """The folder of the made-up data."""
        return self.children.folder / "data"

    def size(self, wanted: Settings) -> Settings:
        """Return a size, or the small one with its steps where there is no GPU."""
        kept = ("steps", "checkpoint_every", "dtype")
        return wanted if self.large else {**SMALL, **{name: wanted[name] for name in kept if name in wanted}}

    def train(self, settings: Settings, limit_s: float, **order: Any) -> Answer:
        """Have a process train, in a folder of its own unless `work` names one."""
        return self.children.ask("train", self.order(settings, **order), limit_s)

    def order(self, settings: Settings, **more: Any) -> dict[str, Any]:
        """Return the order of a training."""
        self.trained += 1
        work = more.pop("work", None) or self.children.folder / f"training-{self.trained}"
        return {"settings": settings, "data": str(self.data), "work": str(work), **more}

    def add(self, check: str, case: str, answer: Answer, verdict: Verdict, note: str = "") -> None:
        """Add the row of an answer; one that did not come is a failure, or skipped where the time is up."""
        values = answer.values
        if answer.problem:
            is_late = self.children.left_s <= 0
            verdict, note = ("skipped", "no time is left") if is_late else ("FAILED", answer.problem)
            values = {**values, "log": answer.log}
        self.report.add(
            Row(
                check=check,
                case=case,
                verdict=verdict,
                seconds=values.get("seconds"),
                memory_mb=values.get("memory_mb"),
                planned_mb=values.get("planned_mb"),
                note=note,
                values=values,
            )
        )


def data(bench: Bench) -> bool:
    """Write the data that all trainings read; return whether it is there. Side effect: sets its digest."""
    answer = bench.children.ask("data", {"folder": str(bench.data)}, 120)
    bench.digest = answer.values.get("digest", "")
    if answer.problem:
        bench.add("data", "made up", answer, "FAILED")
    return bool(bench.digest)


def versions(bench: Bench) -> None:
    """Which software, device and kernels there are. Side effect: sets whether there is a GPU."""
    answer = bench.children.ask("versions", {}, 60)
    if answer.problem:
        bench.add("versions", "found", answer, "FAILED")
        bench.children.without("PYTORCH_CUDA_ALLOC_CONF")  # some virtual machines cannot map memory in segments
        answer = bench.children.ask("versions", {}, 60)
    found = answer.values
    bench.large = found.get("has_gpu", False)
    note = ", ".join(str(found.get(name)) for name in ("device", "python", "torch", "numpy"))
    bench.add("versions", "found", answer, "measured", note)
    for name, value in found.items():
        if name.startswith("attention, "):
            is_found = isinstance(value, dict)
            note = "; ".join(f"{key} {', '.join(kernels)}" for key, kernels in value.items()) if is_found else value
            bench.report.add(Row(check="versions", case=name, verdict="measured", note=note))


def losses(bench: Bench) -> None:
    """Whether the losses are those of a CPU."""
    for variant in (PLAIN, NARROW):
        _against_reference(bench, "losses", variant)


def _against_reference(bench: Bench, check: str, variant: Variant) -> None:
    answer = bench.train(merged(SMALL, variant.settings), 60)
    wanted = read_json(REFERENCE)
    if wanted["data"] != bench.digest:
        bench.add(check, variant.name, answer, "FAILED", "the made-up data differs: run --write-reference on a CPU")
        return
    apart = _apart(answer.values.get("losses", ()), wanted["losses"][variant.reference])
    verdict: Verdict = "ok" if apart <= variant.tolerance else "FAILED"
    bench.add(check, variant.name, answer, verdict, f"losses {apart:.1e} nats off (most {variant.tolerance:g})")


def _apart(ours: Any, theirs: list[float]) -> float:
    if len(ours) != len(theirs):
        return float("inf")
    return max(abs(float(a) - b) for a, b in zip(ours, theirs, strict=True))


def repeats(bench: Bench) -> None:
    """Whether a training has the same weights again, and after a kill -9."""
    settings = {**merged(SMALL, NARROW.settings if bench.large else {}), "checkpoint_every": 2}
    first = bench.train(settings, 60, finishes=True)
    bench.add("repeats", "first", first, "measured")
    again = bench.train(settings, 60, finishes=True)
    bench.add("repeats", "again", again, *_same(first, again))
    work = bench.children.folder / "killed"
    killed = bench.train(settings, 60, finishes=True, work=work, die_at=5)
    if killed.code != -signal.SIGKILL:
        bench.add("repeats", "killed", killed, "FAILED", "was to be killed after step 5 and was not")
        return
    resumed = bench.train(settings, 60, finishes=True, work=work)
    verdict, note = _same(first, resumed)
    if not resumed.values.get("resumed_at"):
        verdict, note = "FAILED", "began at step 1: there was no checkpoint"
    bench.add("repeats", "killed at 5, resumed", resumed, verdict, note)


def _same(first: Answer, other: Answer) -> tuple[Verdict, str]:
    ours, theirs = (str(answer.values.get("weights")) for answer in (first, other))
    return ("ok", f"weights {ours[:12]}") if ours == theirs else ("FAILED", f"weights {theirs[:12]}, not {ours[:12]}")


def variants(bench: Bench) -> None:
    """Whether each way to train has the CPU's losses."""
    for variant in VARIANTS:
        if bench.large or variant.on_cpu:
            _against_reference(bench, "variants", variant)


def costs(bench: Bench) -> None:
    """Seconds a step and memory of each way to train, against the plan."""
    for variant in (PLAIN, NARROW, *VARIANTS):
        dtype = variant.settings.get("dtype", "fp32" if variant is PLAIN else "bf16")
        settings = {**merged(bench.size(MEDIUM), variant.settings), "dtype": dtype}
        if bench.large and dtype == "fp32":
            settings["microbatch"] = 4
        bench.add("costs", variant.name, bench.train(settings, 45), "measured")


def utilisation(bench: Bench) -> None:
    """The share of the GPU's peak at 1.2 B parameters, with each suspected sink switched, beside a plain loop."""
    size = bench.size(LARGE)
    loose = {**size, "deterministic": False}
    cases: list[tuple[str, Settings, dict[str, Any]]] = [
        ("ours", size, {"profiled": True}),
        ("deterministic off", loose, {"profiled": True}),
        ("cuDNN attention", loose, {"sinks": ["cuDNN attention"]}),
        ("compiled norm, RoPE, SwiGLU", loose, {"sinks": ["compiled norm, RoPE, SwiGLU"]}),
        ("Megatron's norm of the gradient", loose, {"sinks": ["Megatron's norm of the gradient"]}),
    ]
    for name, settings, order in cases:
        answer = bench.train(settings, 75, **order)
        bench.add("utilisation", name, answer, "measured", _rate(bench, answer))


def plain_loop(bench: Bench) -> None:
    """The same model in a plain loop on transformers, compiled."""
    answer = bench.children.ask("plain", {"settings": bench.size(LARGE)}, 120)
    bench.add("plain loop", "compiled", answer, "measured", _rate(bench, answer))


def _rate(bench: Bench, answer: Answer) -> str:
    values, ours = answer.values, (row.seconds for row in bench.report.rows if row.check == "utilisation")
    usual = next(ours, None)
    parts = [f"{values['tokens_s']:,.0f} tokens/s"] if "tokens_s" in values else []
    if "utilisation" in values:
        parts.append(f"{values['utilisation']:.1%} of the peak, planned {values['planned_s']:.3f} s")
    if usual and values.get("seconds"):
        parts.append(f"{usual / values['seconds']:.2f}x of ours by default")
    if values.get("idle") is not None:
        parts.append(f"idle {values['idle']:.0%}")
    return "; ".join(parts)


def checkpoints(bench: Bench) -> None:
    """Seconds that a checkpoint holds the training up, in the background and at once."""
    for name, is_async in (("in the background", True), ("at once", False)):
        answer = bench.train({**bench.size(HALF), "checkpoint_async": is_async, "checkpoint_keep": 1}, 90)
        every = HALF["checkpoint_every"]
        steps = answer.values.get("steps", [])
        note = ""
        if len(steps) > every:
            usual = median(steps[2:every])
            lost = sum(steps[every:]) - usual * (len(steps) - every)
            answer.values["lost_s"] = lost
            note = f"{lost:.2f} s lost, {lost / usual:.1f} steps"
        bench.add("checkpoints", name, answer, "measured", note)


def generation(bench: Bench) -> None:
    """Tokens a second of generation and of evaluation."""
    settings = {**bench.size(MEDIUM), "steps": 3}
    answer = bench.children.ask("generate", bench.order(settings, batch_tokens=16_384), 60)
    found = answer.values
    note = (
        f"generation {found['generated_tokens_s']:,.0f} tokens/s, evaluation {found['scored_tokens_s']:,.0f}"
        if found
        else ""
    )
    bench.add("generation", "a loaded model", answer, "measured", note)


CHECKS: dict[str, Callable[[Bench], None]] = {
    "losses": losses,
    "repeats": repeats,
    "utilisation": utilisation,
    "plain loop": plain_loop,
    "variants": variants,
    "costs": costs,
    "checkpoints": checkpoints,
    "generation": generation,
}
"""In the order in which they are wanted, should the time be too short. `versions` comes before all."""
EVERYWHERE = ("losses", "repeats", "variants")
"""Those that also a CPU can do."""
