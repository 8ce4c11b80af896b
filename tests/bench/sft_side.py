"""A side of sft.py in a process of its own: python -m tests.bench.sft_side speed|data ours|theirs WORLD."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.align.sft.config import AlignConfig
from stages.chats.encode import EXAMPLES
from stages.formats.chat.packed import PackedRows
from stages.formats.chat.packing import read_packing
from stages.formats.chat.templates import load_template
from stages.formats.kinds import KINDS
from stages.model.huggingface.tokenizer import write_tokenizer
from stages.shared.contract import InputFile
from tests.bench.compare import one_core
from tests.stages.align.sft.world import settings
from tests.stages.harness import load_run, make_task, run_unit, unit_folder

STEPS = 12
SHAPE = {"num_layers": 4, "dim": 192, "num_heads": 6, "num_kv_heads": 6, "ffn_dim": 512, "seq_len": 128}
BATCH = 16


def config() -> AlignConfig:
    """Return the settings of both sides."""
    return settings(
        model=SHAPE, steps=STEPS, global_batch=BATCH, microbatch=BATCH, lr=1e-3, tensorboard=False, log_every=1000
    )


def inputs(world: Path) -> dict[str, tuple[InputFile, ...]]:
    """Return the chats and their tokenizer."""
    return {
        "chats": (InputFile(world / KINDS.chats.file, "chats", mb=1.0),),
        "tokenizer": (InputFile(world / KINDS.tokenizer.file, "", count=300),),
    }


def packed(world: Path) -> Path:
    """Return the folder in which the chats are encoded and packed, once for all rounds."""
    folder = world / "packed"
    if not folder.exists():
        encode, pack, _ = config().plan(inputs(world)).steps
        run_unit(config(), encode, 0, inputs(world), folder)
        run_unit(config(), pack, 0, inputs(world), folder)
    return folder


def speed_ours(world: Path) -> dict[str, Any]:
    """Train, and leave after the last step, before anything is saved."""
    folder = packed(world)
    step = config().plan(inputs(world)).steps[-1]
    times: list[float] = []
    packing = read_packing(unit_folder(folder, "pack", 0) / KINDS.packing.file)
    whole = packing.sources["chats"].tokens

    def progress(number: int) -> None:
        times.append(time.process_time())
        if number == STEPS:
            tokens = BATCH * SHAPE["seq_len"] * packing.fill("chats")
            report({"rate": tokens / median_step(times), "same": whole})
            os._exit(0)

    task = make_task(config(), replace(step, after=()), 0, inputs(world), folder / str(os.getpid()))
    load_run(step)(replace(task, steps={"pack": (unit_folder(folder, "pack", 0),)}, progress=progress))
    raise AssertionError("the last step was not reported")


def speed_theirs(world: Path) -> dict[str, Any]:
    """Train with TRL on the same examples."""
    from datasets import Dataset  # noqa: PLC0415  (no pin of the project)
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, TrainerCallback  # noqa: PLC0415
    from trl import SFTConfig, SFTTrainer  # noqa: PLC0415

    class Clock(TrainerCallback):  # type: ignore[misc]
        """Notes the end of each step."""

        def on_step_end(self, *_args: Any, **_options: Any) -> None:
            times.append(time.process_time())

    torch.set_num_threads(1)
    torch.manual_seed(1)
    model, folder = config().model, packed(world)
    ours = PackedRows(unit_folder(folder, "encode", 0) / EXAMPLES)
    examples = [ours.example(number) for number in range(len(ours))]
    data = Dataset.from_dict(
        {
            "input_ids": [example.tokens.tolist() for example in examples],
            "completion_mask": [example.is_learned.astype(int).tolist() for example in examples],
        }
    )
    llama = LlamaConfig(
        vocab_size=model.num_rows(300),
        hidden_size=model.dim,
        intermediate_size=model.ffn,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_heads,
        num_key_value_heads=model.kv_heads,
        max_position_embeddings=model.seq_len,
        attn_implementation="sdpa",
    )
    times: list[float] = []
    release(world)
    trainer = SFTTrainer(
        model=LlamaForCausalLM(llama),
        args=SFTConfig(
            output_dir=str(world / "trl"),
            max_length=model.seq_len,
            max_steps=STEPS,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-3,
            packing=True,
            packing_strategy="bfd",
            completion_only_loss=True,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(world / "release"),
        callbacks=[Clock()],
    )
    rows = trainer.train_dataset["input_ids"]
    trainer.train()
    return {"rate": BATCH * sum(map(len, rows)) / len(rows) / median_step(times), "same": sum(map(len, rows))}


def release(world: Path) -> None:
    """Write the tokenizer with the chat template, as a release has it."""
    (world / "release").mkdir(exist_ok=True)
    write_tokenizer(world / KINDS.tokenizer.file, world / "release", config().model, load_template("stagecoach"))


def data_ours(world: Path) -> dict[str, Any]:
    """Encode the chats: ids, masks, counts and files."""
    folder = world / str(os.getpid())
    whole = config().model_copy(update={"model": config().model.model_copy(update={"seq_len": 100_000})})
    encode = whole.plan(inputs(world)).steps[0]
    start = time.process_time()
    summary = run_unit(whole, encode, 0, inputs(world), folder)
    seconds = time.process_time() - start
    rows = PackedRows(unit_folder(folder, "encode", 0) / EXAMPLES)
    ids = (rows.example(number).tokens for number in range(len(rows)))
    return {"rate": summary["chats"] / seconds, "same": digest(ids)}


def data_theirs(world: Path) -> dict[str, Any]:
    """Encode the chats by `datasets.map`: ids alone."""
    from datasets import Dataset, disable_progress_bars  # noqa: PLC0415  (no pin of the project)
    from transformers import AutoTokenizer  # noqa: PLC0415

    disable_progress_bars()
    release(world)
    tokenizer = AutoTokenizer.from_pretrained(world / "release")
    with (world / KINDS.chats.file).open(encoding="utf-8") as lines:
        found = [json.loads(line)["messages"] for line in lines]
    messages = [[{"role": each["role"], "content": each["parts"][0]["text"]} for each in chat] for chat in found]
    data = Dataset.from_dict({"messages": messages})

    def encode(row: dict[str, Any]) -> dict[str, Any]:
        return {"input_ids": tokenizer.apply_chat_template(row["messages"], return_dict=False)}

    start = time.process_time()
    encoded = data.map(encode, remove_columns=["messages"])
    seconds = time.process_time() - start
    return {"rate": len(encoded) / seconds, "same": digest(np.array(ids) for ids in encoded["input_ids"])}


def digest(ids: Any) -> str:
    """Return the SHA-256 of the ids of all chats."""
    found = hashlib.sha256()
    for each in ids:
        found.update(each.astype(np.int64).tobytes() + b"|")
    return found.hexdigest()


def median_step(times: Sequence[float]) -> float:
    """Return the median time of the steps after the first."""
    return float(np.median(np.diff(times)))


def report(found: dict[str, Any]) -> None:
    """Print what was measured."""
    print(json.dumps(found), flush=True)


def main() -> None:
    """Run a side."""
    subject, side, world = sys.argv[1:]
    one_core()
    sides = {
        **{("speed", "ours"): speed_ours, ("speed", "theirs"): speed_theirs},
        **{("data", "ours"): data_ours, ("data", "theirs"): data_theirs},
    }
    report(sides[subject, side](Path(world)))


if __name__ == "__main__":
    main()
