"""The part about a training: curves, batches left out, layers, ranks and sources."""

from __future__ import annotations

import math

from stages.formats.kinds import KINDS
from stages.formats.metrics import further_numbers
from stages.report.figures import Figure
from stages.report.part import Card, Material, Missing, Part, View, not_run
from stages.report.parts.training import summary
from stages.report.parts.training.figures import (
    HELDOUT,
    MetricCurve,
    curve_figure,
    layers_figure,
    loss_figure,
    metric_curve,
)
from stages.report.parts.training.read import TrainingFiles, read
from stages.report.words import number, plural, short, slug
from stages.shared.contract import unique_keys

IN_LOSS_FIGURE = ("heldout",)
"""Further numbers that the figure of the loss shows."""


def show(material: Material) -> View | Missing:
    """Return the training of one section."""
    files = read(material)
    return view(files) if files.rows else not_run(f"section {material.section} has trained no step")


def view(files: TrainingFiles) -> View:
    """Return the training in curves and tables. Pure."""
    curves = further_curves(files)
    training = summary.summarize(files.rows, files.layers, files.ranks)
    note = f"from {number(training.first['loss'])}, in {plural(training.last['step'], 'step')}"
    card = Card(
        id="loss-last",
        label="final loss",
        text=number(training.last["loss"]),
        value=training.last["loss"],
        note=f"{note} over {short(training.last['tokens'])} tokens",
    )
    return View(
        values={"training": training, "readings": files.readings, "curves": curves, "max_bad": summary.MAX_BAD},
        figures=draw(files) | {name: curve.figure for name, curve in curves.items()},
        cards=(card,),
    )


def further_curves(files: TrainingFiles) -> dict[str, MetricCurve]:
    """Return the curve of every number beyond the fixed fields, by the id of its place.

    A number on held-out sequences is a second curve in the figure of the number itself.
    """
    found = [name for name in further_numbers(files.rows) if name not in IN_LOSS_FIGURE]
    names = [name for name in found if name.removeprefix(HELDOUT) == name or name.removeprefix(HELDOUT) not in found]
    ids = unique_keys(f"chart-metric-{slug(name)}" for name in names)
    return {
        place: metric_curve(summary.having(files.rows, name), name, summary.having(files.rows, HELDOUT + name))
        for place, name in zip(ids, names, strict=True)
    }


def draw(files: TrainingFiles) -> dict[str, Figure]:
    """Return the figures that every training has, and those by layer if it measured its layers."""
    rows, good = files.rows, summary.trained(files.rows)
    normed = [row for row in good if math.isfinite(row["grad_norm"])]
    fields = ("grad_norm", "activation_rms") if files.layers else ()
    return {
        "chart-loss": loss_figure(good, summary.bad(rows), summary.having(rows, "heldout")),
        "chart-lr": curve_figure(rows, "lr", "--second", ".3e"),
        "chart-speed": curve_figure(rows, "tokens_per_s", "--kept", ",.0f"),
        "chart-norm": curve_figure(normed, "grad_norm", "--accent", ".4f"),
        **{f"chart-{slug(field)}": layers_figure(summary.layer_grid(files.layers, field)) for field in fields},
    }


PART = Part(
    title="Training",
    kinds=(KINDS.metrics, KINDS.readings, KINDS.layers, KINDS.rank_times),
    show=show,
    card="final loss",
    meanwhile="meanwhile `tensorboard --logdir` of the run's folder draws its curves",
)
