"""A side of ppo.py in a process of its own: python -m tests.bench.ppo_side SUBJECT ours|theirs WORLD."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.align.ppo.clock import PhaseClock
from stages.align.ppo.config import PpoConfig
from stages.align.ppo.objective import POLICY, REFERENCE, REWARD, VALUE, LearnFromScores
from stages.align.ppo.rollout import Colocated
from stages.align.ppo.rounds import Rounds
from stages.align.prompts import Prompt, Prompts
from stages.formats.chat.chats import text_message
from stages.formats.chat.templates import load_template
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rollouts import read_rollouts
from stages.formats.tokenizer import Tokenizer
from stages.generate.generation import Generator
from stages.generate.memory import BATCH_TOKENS
from stages.generate.passes import Passes
from stages.generate.requests import Request
from stages.generate.sampling import Sampling
from stages.model.checkpoint.load import LoadedModel, build_for_reading, join_group
from stages.model.decoder import initialise
from stages.model.huggingface.tokenizer import write_tokenizer
from stages.shared.task import Task
from stages.train.data.datasets import TrainingData
from stages.train.loop import train
from stages.train.objectives.base import Role
from tests.bench.compare import one_core
from tests.stages.align.ppo.world import settings

PIECES, VOCAB, PROMPTS, UPDATES, ROUNDS_RUN = 300, 1024, 32, 4, 5
SHAPE = {"num_layers": 4, "dim": 192, "num_heads": 6, "num_kv_heads": 6, "ffn_dim": 512, "init_std": 0.02}


def config(response: int, prompt: int = 32) -> PpoConfig:
    """Return the settings of both sides: rounds of 32 prompts, four updates of 8, one epoch."""
    controls = load_template("stagecoach").controls
    more = [f"<|{number}|>" for number in range(VOCAB - PIECES - len(controls))]
    batch = {"global_batch": PROMPTS // UPDATES, "microbatch": PROMPTS // UPDATES, "prompts_per_round": PROMPTS}
    return settings(
        model={**SHAPE, "seq_len": prompt + response, "extra_tokens": [*controls, *more]},
        **{**batch, "rollout_batch": PROMPTS, "max_new_tokens": response, "steps": UPDATES * ROUNDS_RUN},
        **{"lr": 1e-5, "value_lr": 1e-5, "ema": None, "log_every": 1000, "checkpoint_every": 1000},
    )


def contexts(count: int, shortest: int, longest: int) -> list[list[int]]:
    """Return prompts of random tokens, of all lengths equally often."""
    draw = random.Random(3)
    return [[draw.randrange(10, PIECES) for _ in range(draw.randint(shortest, longest))] for _ in range(count)]


def step_ours(world: Path, response: int) -> dict[str, Any]:
    """Train, and leave after the last round, before anything is saved."""
    chosen, folder = config(response), world / str(os.getpid())
    tokenizer = Tokenizer(world / KINDS.tokenizer.file)
    said = (text_message("user", "anything"),)
    prompts = Prompts(tuple(Prompt(str(n), tuple(ids), said) for n, ids in enumerate(contexts(256, 32, 32))), {}, None)
    scorer = chosen.model.model_copy(update={"head": "scalar"})
    frozen: dict[str, Any] = {"frozen": ("*",), "each_step": False}
    roles = {
        POLICY: Role(config=chosen.model),
        VALUE: Role(config=scorer),
        REFERENCE: Role(config=chosen.model, **frozen),
        REWARD: Role(config=scorer, **frozen),
    }
    rounds = Rounds(chosen, prompts, Colocated(chosen, tokenizer, None), folder / "work")
    rounds.clock = PhaseClock(time.process_time)
    ends: list[float] = []

    def progress(step: int) -> None:
        if step % UPDATES == 0:
            ends.append(time.process_time())
        if len(ends) == ROUNDS_RUN:
            files = sorted((folder / "work").rglob("rollouts.jsonl"))[1:]
            tokens = sum(len(rollout.tokens) for file in files for rollout in read_rollouts(file)) / len(files)
            seconds = float(np.median(np.diff(ends)))
            phases = {phase: round(spent, 3) for phase, spent in rounds.clock.finished.items()}
            report({"rate": tokens / seconds, "s": seconds, "phases": phases})
            os._exit(0)

    for name in ("out", "work"):
        (folder / name).mkdir(parents=True)
    task = Task(
        config=chosen,
        **{"step": "", "unit": "all", "inputs": {}, "shared": folder, "run_dir": folder, "progress": progress},
        **{"out": folder / "out", "work": folder / "work"},
    )
    objective = LearnFromScores(chosen, roles, tokenizer.vocab_size)
    train(task, objective, tokenizer, lambda _work: TrainingData(feed=rounds))
    raise AssertionError("the last step was not reported")


def llama(chosen: PpoConfig, kind: Any, **more: Any) -> Any:
    """Return a model of the same shape with random weights."""
    from transformers import LlamaConfig  # noqa: PLC0415

    model = chosen.model
    return kind(
        LlamaConfig(
            vocab_size=VOCAB,
            hidden_size=model.dim,
            intermediate_size=model.ffn,
            num_hidden_layers=model.num_layers,
            num_attention_heads=model.num_heads,
            max_position_embeddings=model.seq_len,
            attn_implementation="sdpa",
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            **more,
        )
    )


def step_theirs(world: Path, response: int) -> dict[str, Any]:
    """Train with TRL's PPOTrainer."""
    from datasets import Dataset  # noqa: PLC0415  (no pin of the project)
    from transformers import (  # noqa: PLC0415
        AutoTokenizer,
        LlamaForCausalLM,
        LlamaForSequenceClassification,
        TrainerCallback,
    )
    from trl.experimental.ppo import PPOConfig, PPOTrainer  # noqa: PLC0415

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Notes the end of each round."""

        def on_step_end(self, *_args: Any, **_options: Any) -> None:
            ends.append(time.process_time())

    chosen, ends = config(response), []
    torch.manual_seed(1)
    (world / "release").mkdir(exist_ok=True)
    write_tokenizer(world / KINDS.tokenizer.file, world / "release", chosen.model, load_template("stagecoach"))
    tokenizer = AutoTokenizer.from_pretrained(world / "release", padding_side="left")
    tokenizer.pad_token_id = 0
    data = Dataset.from_dict({"input_ids": contexts(256, 32, 32)})
    PPOTrainer(
        args=PPOConfig(
            output_dir=str(world / "trl"),
            per_device_train_batch_size=PROMPTS // UPDATES,
            gradient_accumulation_steps=UPDATES,
            num_mini_batches=UPDATES,
            num_ppo_epochs=1,
            local_rollout_forward_batch_size=PROMPTS,
            total_episodes=PROMPTS * ROUNDS_RUN,
            response_length=response,
            temperature=1.0,
            learning_rate=1e-5,
            num_sample_generations=0,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
        processing_class=tokenizer,
        model=llama(chosen, LlamaForCausalLM),
        ref_model=llama(chosen, LlamaForCausalLM),
        reward_model=llama(chosen, LlamaForSequenceClassification, num_labels=1),
        value_model=llama(chosen, LlamaForSequenceClassification, num_labels=1),
        train_dataset=data,
        eval_dataset=data,
        callbacks=[Clock()],
    ).train()
    seconds = float(np.median(np.diff(ends)))
    return {"rate": PROMPTS * response / seconds, "s": seconds}


ROWS, LONGEST, NEW = 32, 96, 64


def generation_ours(world: Path) -> dict[str, Any]:
    """Continue ragged prompts."""
    chosen = config(NEW, LONGEST).model
    join_group()
    model = build_for_reading(chosen, PIECES, torch.float32)
    initialise(model, chosen, seed=1)
    loaded = LoadedModel(model, chosen, PIECES, "", step=0)
    sampling = Sampling(max_tokens=NEW, temperature=1.0, ignore_eos=True)
    tokenizer = Tokenizer(world / KINDS.tokenizer.file)
    requests = [
        Request(prompt=tuple(ids), sampling=sampling, key=str(number))
        for number, ids in enumerate(contexts(ROWS, 8, LONGEST))
    ]

    def once() -> float:
        start = time.process_time()
        passes = Passes(loaded, ROWS * (LONGEST + NEW))
        made = Generator(passes, tokenizer, max_rows=ROWS, batch=BATCH_TOKENS).generate(requests)
        return sum(len(each.tokens) for each in made) / (time.process_time() - start)

    return {"rate": max(once() for _ in range(4))}


def generation_theirs(_world: Path) -> dict[str, Any]:
    """Continue the same prompts with transformers and its cache."""
    from transformers import LlamaForCausalLM  # noqa: PLC0415

    model = llama(config(NEW, LONGEST), LlamaForCausalLM).eval()
    rows = contexts(ROWS, 8, LONGEST)
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])

    def once() -> float:
        start = time.process_time()
        options = {"do_sample": True, "top_k": 0, "max_new_tokens": NEW, "min_new_tokens": NEW, "pad_token_id": 0}
        made = model.generate(input_ids=ids, attention_mask=mask, use_cache=True, **options)
        return (made.size(1) - width) * ROWS / (time.process_time() - start)

    with torch.no_grad():
        return {"rate": max(once() for _ in range(4))}


def report(found: dict[str, Any]) -> None:
    """Print what was measured."""
    print(json.dumps(found), flush=True)


def main() -> None:
    """Measure one side of one subject."""
    subject, side, world = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    one_core()
    torch.set_num_threads(1)
    if subject == "generation":
        report({"ours": generation_ours, "theirs": generation_theirs}[side](world))
    else:
        response = int(subject.removeprefix("step-"))
        report({"ours": step_ours, "theirs": step_theirs}[side](world, response))


if __name__ == "__main__":
    main()
