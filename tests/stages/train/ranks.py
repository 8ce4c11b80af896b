"""Runs the pretrain stage on real ranks, and kills them on request: what the training tests drive.

    python -m tests.stages.train.ranks RUN.json RANK

is one rank as a cluster would start it. Most tests fork ranks from a server that has imported everything instead, which
saves the imports of every attempt.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.align.dpo.config import DpoConfig
from stages.align.ppo.config import PpoConfig
from stages.align.reward.config import RewardConfig
from stages.align.sft.config import AlignConfig
from stages.pretrain.config import PretrainConfig
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed, LeaseLost, StagecoachError
from stages.shared.task import Kin, Ranks, Task
from stages.speech.train.config import SpeechTrainConfig
from stages.train.stage import TrainingStage
from stages.vision.contrastive.config import ContrastiveConfig
from stages.vision.qformer.config import QFormerConfig
from stages.vision.train.config import VisionTrainConfig
from tests.stages.forks import fork_server
from tests.stages.train.ranking_config import RankingConfig

CHECKPOINTED = 85
TIMEOUT_S = 240
TINY = {
    "model": {"num_layers": 2, "dim": 64, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 128, "seq_len": 32},
    **{"steps": 50, "global_batch": 8, "microbatch": 2, "lr": 2e-3, "warmup_steps": 5, "checkpoint_every": 10},
}
DEEP = {**TINY["model"], "num_layers": 4}
"""Layers for a pipeline of two stages that interleaves: two for each."""


LEARNED_FROM: dict[str, tuple[type[TrainingStage], str]] = {
    "align.sft": (AlignConfig, "chats"),
    "align.reward": (RewardConfig, "preferences"),
    "align.dpo": (DpoConfig, "preferences"),
    "vision.train": (VisionTrainConfig, "chats"),
    "speech.train": (SpeechTrainConfig, "chats"),
}
"""Stages that train on packed rows, with the field of their data."""


@dataclass(frozen=True)
class Run:
    """One pretraining run: its settings, and what shall happen to it on the way."""

    folder: str
    data: str
    config: dict[str, Any] = field(default_factory=dict)
    stage: str = "pretrain"
    """Or ranking: the objective of tests/stages/train/ranking.py. Or one of LEARNED_FROM, on the rows in the data."""
    continue_from: str = ""
    """Checkpoint of another run to continue from."""
    kin: tuple[str, ...] = ()
    """Folders of earlier runs of the same unit."""
    port: int = 0
    stop_at: int = 0
    """Step during which the last rank, and only it, is asked to stop."""
    die_at: int = 0
    """Step after which a rank gets a SIGKILL, on the spot."""
    bad: dict[str, str] = field(default_factory=dict)
    """What is bad in a step, by its number: noise (its tokens), layer (an output is infinite) or weight (nan)."""
    slow: float = 0.0
    """Seconds that the last rank waits in every attention."""
    die_in: str = ""
    """Part of the first checkpoint in which rank 0 gets a SIGKILL (write, commit, mark, publish), or in
    the outputs (finish), or in the first round of align.ppo (batch, episodes)."""
    lost_by: int | None = None
    """Rank that finds its lease lost."""
    lost_at: int = 1
    """Which time that it looks: once for a checkpoint, rank 0 twice."""

    @property
    def out(self) -> Path:
        """The folder of the run's outputs."""
        return Path(self.folder) / "out"

    @property
    def published(self) -> Path:
        """The folder of what the run publishes on the way."""
        return Path(self.folder) / "published"

    @property
    def checkpoints(self) -> list[str]:
        """Names of the run's checkpoints, in order."""
        return sorted(path.name for path in (Path(self.folder) / "work" / "checkpoints").glob("step-*"))


def settings(run: Run) -> TrainingStage:
    """Return the run's settings over the tiny defaults."""
    changed = {**TINY, **run.config}
    if run.stage == "pretrain":
        return PretrainConfig(tokens="unused", tokenizer="unused", **changed)
    if run.stage in LEARNED_FROM:
        kind, field = LEARNED_FROM[run.stage]
        start = {"continue_from": "unused"} if run.continue_from else {}
        return kind.model_validate({field: "unused", "tokenizer": "unused", **start, **changed})
    if run.stage == "align.ppo":
        return PpoConfig(prompts="unused", tokenizer="unused", **changed)
    if run.stage == "vision.contrastive":
        return ContrastiveConfig(pictures="unused", tokenizer="unused", **changed)
    if run.stage == "vision.qformer":
        return QFormerConfig(pictures="unused", tokenizer="unused", **changed)
    model = {**changed["model"], "head": "scalar"}
    return RankingConfig(pairs="unused", tokenizer="unused", **{**changed, "model": model})


def start(run: Run, target: Callable[[Run, int], None] | None = None) -> list[Any]:
    """Start every rank of an attempt, forked from the server, and return the processes; each is `work` or a target."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        run = replace(run, port=probe.getsockname()[1])
    for name in ("out", "work"):
        (Path(run.folder) / name).mkdir(parents=True, exist_ok=True)
    server = fork_server()
    ranks = [server.Process(target=target or work, args=(run, rank)) for rank in range(settings(run).layout.ranks)]
    for rank in ranks:
        rank.start()
    return ranks


def finish(ranks: list[Any]) -> list[int]:
    """Wait for every rank; return their exit codes. When one dies its peers fail by themselves."""
    deadline = time.monotonic() + TIMEOUT_S
    for rank in ranks:
        rank.join(max(0.0, deadline - time.monotonic()))
    alive = [rank for rank in ranks if rank.is_alive()]
    kill(alive)
    if alive:
        raise TimeoutError(f"{len(alive)} of {len(ranks)} ranks still ran after {TIMEOUT_S} s")
    return [rank.exitcode for rank in ranks]


def kill(ranks: list[Any]) -> None:
    """Kill every rank at once, as a dying node does."""
    for rank in ranks:
        rank.kill()
    for rank in ranks:
        rank.join()


def train(run: Run) -> list[int]:
    """Run one attempt to its end; return the ranks' exit codes."""
    return finish(start(run))


def train_through_kills(run: Run, kills: int, seed: int) -> int:
    """Run to the end, with a SIGKILL to one rank or to all at `kills` random moments on the way.

    The first half of them wait for a checkpoint that is being written. Returns how many left one half written.
    """
    draw, half_written = random.Random(seed), 0
    for number in range(kills):
        ranks, waits = start(run), number < kills // 2
        if waits:
            wait_for_write(run, ranks)
            time.sleep(draw.uniform(0, 0.02))
        else:
            time.sleep(draw.uniform(0.5, 2.5))
        if draw.random() < 0.5:
            kill([draw.choice(ranks)])
            time.sleep(draw.uniform(0, 0.5))  # peers fail by themselves; those that still wait for it to come do not
        kill(ranks)
        half_written += waits and bool(being_written(run))
        for path in sorted(run.out.rglob("*"), reverse=True):  # the worker gives each attempt an empty folder
            path.rmdir() if path.is_dir() else path.unlink()
    assert train(run) == [0] * settings(run).layout.ranks
    return half_written


def being_written(run: Run) -> list[Path]:
    """Return the folders of checkpoints that are not committed."""
    return list((Path(run.folder) / "work" / "checkpoints").glob(".step-*"))


def wait_for_write(run: Run, ranks: list[Any]) -> None:
    """Return once a checkpoint is being written that was not when this was called, or when a rank has ended."""
    left = set(being_written(run))
    while not set(being_written(run)) - left and all(rank.is_alive() for rank in ranks):
        left &= set(being_written(run))  # the next attempt removes what the last one left
        time.sleep(0.0005)


def work(run: Run, rank: int) -> None:
    """Be one rank: run the stage and end with the code that the worker would."""
    gc.freeze()  # a collection that looks through all that the server has imported takes most of a second
    task = make_task(run, rank)
    # Imported late: the launching test needs no torch, and the server has it already.
    module, _, function = task.config.run.partition(":")
    run_stage = getattr(import_module(module), function)
    if run.die_in and rank == 0:
        plant(run.die_in)
    if run.bad:
        plant_bad(run)
    if run.slow and rank + 1 == settings(run).layout.ranks:
        slow_down(run.slow)
    try:
        summary = run_stage(task)
    except Checkpointed:
        sys.exit(CHECKPOINTED)
    except StagecoachError as error:
        (Path(run.folder) / f"error-{rank}.txt").write_text(str(error), "utf-8")
        print(error, file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    if rank == 0:
        (Path(run.folder) / "summary.json").write_text(json.dumps(summary), "utf-8")


def make_task(run: Run, rank: int) -> Task[TrainingStage]:
    """Return one rank's task, with the hooks that stop or kill it."""
    config = settings(run)
    last = rank == config.layout.ranks - 1
    now, looks = [0], [0]

    def progress(step: int) -> None:
        now[0] = step
        if run.die_at and step == run.die_at and last:
            die()

    def check_lease() -> None:
        if run.die_in == "commit" and rank == 0:
            die()
        looks[0] += 1
        if run.lost_by == rank and looks[0] >= run.lost_at:
            raise LeaseLost("another process has the lease")

    def publish(path: Path, name: str) -> None:
        shutil.rmtree(run.published / name, ignore_errors=True)
        run.published.mkdir(exist_ok=True)
        path.rename(run.published / name)
        if run.die_in == "publish":
            die()

    folder = Path(run.folder)
    data = Path(run.data)
    packed = [InputFile(path, path.stem[5:]) for path in sorted(data.glob("rows-*.bin"))]
    return Task(
        config=config,
        step="",
        unit="all",
        inputs={
            "tokens": tuple(InputFile(path, path.stem) for path in sorted(data.glob("*.bin"))),
            **{field: tuple(packed) for _, field in LEARNED_FROM.values()},
            "tokenizer": (InputFile(data / "tokenizer.model", ""),),
            "pictures": (InputFile(data / "pictures", "made"),),
            "sounds": (InputFile(data / "sounds", "made"),),
            "prompts": tuple(InputFile(path, path.stem) for path in sorted(data.glob("prompts*.jsonl"))),
            **{
                name: (InputFile(Path(getattr(config, name)), ""),)
                for name in ("rule", "policy", "reward", "encoder_from", "join_from")
                if getattr(config, name, None)
            },
            "continue_from": (InputFile(Path(run.continue_from), ""),) if run.continue_from else (),
        },
        steps={"pack": (data,)},
        out=folder / "out",
        work=folder / "work",
        shared=folder / "shared",
        run_dir=folder,
        ranks=Ranks(rank=rank, world_size=config.layout.ranks, local_rank=rank, master_port=run.port),
        should_stop=lambda: bool(run.stop_at) and last and now[0] + 1 >= run.stop_at,
        progress=progress,
        check_lease=check_lease,
        publish=publish,
        kin=lambda: [
            Kin(out=Path(each) / "out", work=Path(each) / "work", published=Path(each) / "published")
            for each in run.kin
        ],
    )


def plant(part: str) -> None:
    """Make this process die in a part of the next checkpoint."""
    from stages.model.checkpoint.saving import Draft  # noqa: PLC0415
    from stages.train import loop  # noqa: PLC0415
    from stages.train.state import checkpoints  # noqa: PLC0415

    write = Draft.write

    def cut_short(draft: Draft) -> None:
        write(draft)
        tensors = next(draft.folder.glob("*.distcp"))
        tensors.write_bytes(tensors.read_bytes()[:1000])
        die()

    if part == "write":
        Draft.write = cut_short  # type: ignore[method-assign]
    elif part == "mark":
        checkpoints.mark = lambda *_args: die()
    elif part == "finish":
        loop.save_weights = lambda *_args: die()
    elif part in ("batch", "episodes"):
        plant_in_round(part)


def plant_in_round(part: str) -> None:
    """Make this process die in a round of align.ppo: in its second batch of responses, or before its mark."""
    from stages.align import sampling  # noqa: PLC0415
    from stages.align.ppo import rounds  # noqa: PLC0415
    from stages.formats.reinforcement import rollouts  # noqa: PLC0415

    if part == "episodes":
        rounds.write_json = lambda *_args: die()  # type: ignore[attr-defined]
        return
    write, written = rollouts.write_rollouts, [0]

    def cut_short(path: Path, *rest: Any) -> None:
        write(path, *rest)
        written[0] += 1
        if written[0] == 2:
            path.unlink()  # the arrays are there, the lines are not
            die()

    sampling.write_rollouts = cut_short  # type: ignore[attr-defined]


def plant_bad(run: Run) -> None:
    """Make the steps of run.bad bad, each time that they are run: the second layer's weight only once."""
    import torch  # noqa: PLC0415
    from megatron.core import parallel_state  # noqa: PLC0415

    from stages.train import models  # noqa: PLC0415

    build, microbatches = models.build_engine, models.microbatches
    left, now, chunks = dict(run.bad), [""], []

    def bad_batches(samples: Any, *rest: Any) -> Any:
        step = str(samples.first // settings(run).global_batch + 1)
        now[0] = run.bad.get(step, "")
        if left.pop(step, "") == "weight":
            for layer in layers():
                layer.mlp.linear_fc2.weight.data[0, 0] = float("nan")
        draw = torch.Generator().manual_seed(samples.first)
        for batch in microbatches(samples, *rest):
            if now[0] == "noise":
                batch["tokens"] = torch.randint(300, batch["tokens"].shape, generator=draw)
                batch["labels"] = torch.randint(300, batch["labels"].shape, generator=draw)
            yield batch

    def layers() -> list[Any]:
        last = parallel_state.get_tensor_model_parallel_rank() + 1 == settings(run).layout.tp
        return [layer for chunk in chunks for layer in chunk.decoder.layers if layer.layer_number == 2 and last]

    def spoil(_module: Any, _inputs: Any, output: Any) -> Any:
        return (output[0] * float("inf"), *output[1:]) if now[0] == "layer" else output

    def build_bad(*args: Any) -> Any:
        engine = build(*args)
        chunks.extend(engine.chunks)
        for layer in layers():
            layer.mlp.linear_fc1.register_forward_hook(spoil)
        return engine

    models.build_engine, models.microbatches = build_bad, bad_batches


def slow_down(seconds: float) -> None:
    """Make this process slow in attention, as a bad processor would."""
    from stages.model.layers.attention import CausalAttention  # noqa: PLC0415

    forward = CausalAttention.forward

    def slowly(*args: Any, **options: Any) -> Any:
        time.sleep(seconds)
        return forward(*args, **options)

    CausalAttention.forward = slowly


def die() -> None:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


def left_out(run: Run) -> list[dict[str, Any]]:
    """Return the rows of a run, finished or not, whose batches were left out."""
    lines = (Path(run.folder) / "work" / "metrics.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if "left_out" in row]


def losses(run: Run) -> list[float]:
    """Return a finished run's losses, step by step."""
    return [json.loads(line)["loss"] for line in (run.out / "metrics.jsonl").read_text("utf-8").splitlines()]


def digest(run: Run) -> str:
    """Return a finished run's digest of weights."""
    return (run.out / "weights.sha256").read_text("utf-8")


def write_run(run: Run) -> Path:
    """Write a run as the file that `python -m` takes."""
    path = Path(run.folder) / "run.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(run)), "utf-8")
    return path


if __name__ == "__main__":
    work(Run(**json.loads(Path(sys.argv[1]).read_text("utf-8"))), int(sys.argv[2]))
