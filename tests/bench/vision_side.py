"""A side of vision.py in a process of its own: python -m tests.bench.vision_side ours|theirs WORLD."""

from __future__ import annotations

import io
import json
import os
import random
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoProcessor, CLIPVisionConfig, CLIPVisionModel, LlavaForConditionalGeneration

from stages.chats.sources import packed_sources
from stages.formats.chat.chats import Chat, write_chats
from stages.formats.chat.templates import PICTURE, load_template
from stages.formats.metrics import read_metrics
from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.huggingface.exporting import export_checkpoint
from stages.pictures.album import Album
from stages.shared.contract import InputFile
from stages.shared.task import Ranks
from stages.train.data.gallery import Gallery
from stages.train.data.pictured import Given, open_gallery, open_pictured
from stages.vision.train.config import VisionTrainConfig
from tests.bench.compare import one_core
from tests.bench.pictures import COCO
from tests.stages.align.sft.world import CONTROLS, write_world
from tests.stages.harness import load_run, make_task, run_unit, unit_folder
from tests.stages.pictures.made import drawn
from tests.stages.vision.train.world import about, settings

PICTURES, ROWS, STEPS = 96, 8, 24
ENCODER = {"picture_size": 64, "patch_size": 16, "num_layers": 4, "dim": 128, "num_heads": 4, "layer": -2}
"""Encoder and decoder have the shapes of the recipe `vision`."""
PIECES = 300
UNUSED = [f"<|unused-{number}|>" for number in range(384 - PIECES - len(CONTROLS) - 1)]
"""They fill the vocabulary up to a multiple of 128: ours counts padding in the softmax, and a release has none."""
SHAPE = {"num_layers": 4, "dim": 192, "num_heads": 6, "num_kv_heads": 6, "ffn_dim": 512, "seq_len": 128}


def config(world: Path) -> VisionTrainConfig:
    """Return the settings of ours; the loop has the same optimizer and learning rates."""
    eyes = {"encoder": ENCODER, "join": {"kind": "mlp"}}
    return settings(
        model={**SHAPE, "extra_tokens": [*CONTROLS, PICTURE, *UNUSED], "eyes": eyes},
        train=["join"],
        encoder_from=str(world / "encoder"),
        optimizer={"weight_decay": 0.0},
        **{"steps": STEPS, "global_batch": ROWS, "microbatch": ROWS, "tensorboard": False, "log_every": 1000},
    )


def inputs(world: Path) -> dict[str, tuple[InputFile, ...]]:
    """Return pictures of COCO's sizes, chats about them with captions of 4 to 24 words, tokenizer and encoder."""
    if not (world / "chats.jsonl").exists():
        write_world(world)
        draw, chats = random.Random(3), []
        with CollectionWriter(world / "pictures") as writer:
            for number in range(PICTURES):
                width, height = COCO[number % len(COCO)]
                stored = io.BytesIO()
                drawn(width, height, number).save(stored, "JPEG", quality=90)
                data = stored.getvalue()
                key = key_of(data)
                writer.add(Picture(key=key, suffix="jpg", data=data, width=width, height=height), number, bytes(48))
                words = draw.choices(["price", "bread", "milk", "Amble", "Corby", "is", "the"], k=draw.randint(4, 24))
                chats.append(Chat(id=str(number), messages=about(key, answer=" ".join(words))))
        write_chats(world / "chats.jsonl", chats)
        torch.manual_seed(0)
        shape = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
        encoder = CLIPVisionModel(CLIPVisionConfig(**shape, image_size=64, patch_size=16))
        encoder.save_pretrained(world / "encoder")
    return {
        "chats": (InputFile(world / "chats.jsonl", "chats", mb=0.1),),
        "pictures": (InputFile(world / "pictures", ""),),
        "tokenizer": (InputFile(world / "tokenizer.model", "", count=PIECES),),
        "encoder_from": (InputFile(world / "encoder", ""),),
    }


def packed(world: Path) -> Path:
    """Return the folder of packed rows, which both sides read."""
    folder = world / "packed"
    if not folder.exists():
        encode, pack, _ = config(world).plan(inputs(world)).steps
        run_unit(config(world), encode, 0, inputs(world), folder)
        run_unit(config(world), pack, 0, inputs(world), folder)
    return folder


def ours(world: Path) -> dict[str, Any]:
    """Train; write the model as a LLaVA as it was before the first step."""
    folder, times = packed(world), [0.0]
    step = config(world).plan(inputs(world)).steps[-1]
    task = make_task(config(world), replace(step, after=()), 0, inputs(world), folder / str(os.getpid()))
    features = Gallery.features

    def timed(gallery: Gallery, *given: Any) -> torch.Tensor:
        times[0] = times[0] or time.process_time()  # the first step begins
        return features(gallery, *given)

    Gallery.features = timed  # type: ignore[method-assign]
    done = [0.0]

    def progress(number: int) -> None:
        if number == STEPS:
            done[0] = time.process_time()

    load_run(step)(replace(task, steps={"pack": (unit_folder(folder, "pack", 0),)}, progress=progress))
    parallel.start(Ranks())  # the training has ended its own
    export_checkpoint(
        task.out / "untrained", world / "release", world / "tokenizer.model", template=load_template("stagecoach")
    )
    losses = [row["loss"] for row in read_metrics(task.out / "metrics.jsonl")]
    samples = sum(map(len, samples_of(world)))
    return {"rate": samples / (done[0] - times[0]), "losses": losses}


@dataclass(frozen=True)
class Sample:
    """A chat about one picture, as transformers' loop takes it."""

    ids: torch.Tensor
    labels: torch.Tensor
    key: str


def samples_of(world: Path) -> list[list[Sample]]:
    """Return the samples of each step, those of the rows that ours takes."""
    made, given = config(world), inputs(world)
    tokenizer, eyes = Tokenizer(given["tokenizer"][0].path), made.model.eyes
    assert eyes is not None
    sources = packed_sources({"chats": None}, unit_folder(packed(world), "pack", 0), None)
    gallery = open_gallery(sources, Album([world / "pictures"]), eyes, 1)
    gallery.is_cached = True  # nothing is decoded ahead
    picture_id = made.model.token_id(PICTURE, tokenizer.vocab_size)
    data = open_pictured(sources, made, Given(gallery, picture_id), "each_step")
    steps = []
    for step in range(STEPS):
        rows = data.feed.take(step, {}, None)[0]  # type: ignore[arg-type]  # an order needs no state
        steps.append([sample for row in rows for sample in _apart(row, gallery)])
    return steps


def _apart(row: dict[str, torch.Tensor], gallery: Gallery) -> list[Sample]:
    """Return the samples of a packed row."""
    learned = torch.where(row["loss_mask"] > 0, row["labels"], -100)
    labels = torch.cat([torch.tensor([-100]), learned[:-1]])
    keys, found, start = row["units"].tolist(), [], 0
    for length in row["document_lengths"].tolist():
        part = slice(start, start + length)
        start += length
        if row["is_placed"][part].any():  # the last one may be padding
            key = gallery.keys[keys[len(found)]].decode()
            found.append(Sample(row["tokens"][part], labels[part], key))
    return found


def theirs(world: Path) -> dict[str, Any]:
    """Train with a plain loop over LlavaForConditionalGeneration."""
    torch.set_num_threads(1)
    made = config(world)
    model = LlavaForConditionalGeneration.from_pretrained(world / "release")
    processor = AutoProcessor.from_pretrained(world / "release").image_processor
    for name, weight in model.named_parameters():
        weight.requires_grad_("multi_modal_projector" in name)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    chosen = made.optimizer
    optimizer = torch.optim.AdamW(trained, betas=(chosen.beta1, chosen.beta2), eps=chosen.eps, weight_decay=0.0)
    steps = samples_of(world)
    files = {}
    album = Album([world / "pictures"])
    for sample in (each for step in steps for each in step):
        collection, place = album._place(sample.key)
        files[sample.key] = collection[place].data
    losses = []
    start = time.process_time()
    for number, samples in enumerate(steps, start=1):
        images = [Image.open(io.BytesIO(files[sample.key])).convert("RGB") for sample in samples]
        lengths = torch.tensor([len(sample.ids) for sample in samples])
        found = model(
            input_ids=pad_sequence([sample.ids for sample in samples], batch_first=True),
            attention_mask=(torch.arange(int(lengths.max())) < lengths[:, None]).long(),
            labels=pad_sequence([sample.labels for sample in samples], batch_first=True, padding_value=-100),
            pixel_values=processor(images, return_tensors="pt")["pixel_values"],
        )
        found.loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, chosen.clip_grad)
        for group in optimizer.param_groups:
            group["lr"] = made.schedule.learning_rate(number)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(found.loss.item())
    seconds = time.process_time() - start
    return {"rate": sum(map(len, steps)) / seconds, "losses": losses}


def main() -> None:
    """Run a side."""
    side, world = sys.argv[1], Path(sys.argv[2])
    one_core()
    parallel.start(Ranks())
    print(json.dumps({"ours": ours, "theirs": theirs}[side](world)), flush=True)


if __name__ == "__main__":
    main()
