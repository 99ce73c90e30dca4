"""Trains the backdrop generator on prepared pictures, or on those made of a shop's photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.nets.backdrop_scenery import Scenery, SceneryConfig
from enhancer_worker.nets.manifest import verified_weights
from enhancer_worker.nets.state_files import load_state
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops.adopting import adopt
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.backdrops.brand import is_prepared, prepare_brand, usual_palettes
from enhancer_worker.training.backdrops.dcgan import DCGANGenerator
from enhancer_worker.training.backdrops.discriminators import Discriminator
from enhancer_worker.training.backdrops.module import BackdropModule, without_scenery
from enhancer_worker.training.backdrops.samples import (
    PANELS,
    BackdropBatches,
    Sample,
    read_samples,
)
from enhancer_worker.training.backdrops.scenery import PanelBatches, SceneryModule
from enhancer_worker.training.checks import refuse_unknown_figure
from enhancer_worker.training.config_file import recorded_config
from enhancer_worker.training.data import RunClock
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.runs import CHECKPOINT_NAME, run, warm_start
from shopimg.contract.steps.scene import BRAND

PREPARED = "prepared"
"""Folder within that of a run: training pictures made of photographs."""
SCENERY_PART = 0.7
"""Of the run in which a style is taught."""
SCENERY_OPTIONS: dict[str, Any] = {
    "net": "scenery",
    "batch": 16,
    "learning_rate": 4e-4,
    "penalty": 0.5,
    "stop_on": "",
    "patience": 0,
}
"""For panels: they are small, few photographs are soon known by heart, and what judges the whole
cannot stop a part."""
NAMES = {"s": "backdrop_s", "dcgan": "dcgan", "scenery": "scenery"}
"""Weight name of each `--net`."""
BRAND_NAME = "backdrop_s_brand"
MOST_HELD_OUT = 48
TwoSides = tuple[list[Sample], list[Sample]]
"""Training, and held out."""


def fit(args: BackdropArgs) -> TrainingModule:
    """Run one training and write `backdrop_s`, `backdrop_s_brand`, `scenery` or `dcgan`.

    Raises:
        NoTrainingImagesError: there is nothing to train on.
        TooFewPhotosError: there are photographs, but fewer than twelve.
        TrainingArgsError: what is asked for contradicts what the folder holds.
        WorkerError: the weights to begin with are missing or altered.
    """
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    # Gradients of smooth pictures are so small that their products would be computed by microcode.
    torch.set_flush_denormal(True)
    try:
        if not is_prepared(args.data):
            return _fit_brand(args)
        if args.palettes:
            raise TrainingArgsError("--palettes is for photographs; prepared pictures have theirs")
        if args.net == "scenery":
            panels = read_samples(args.data / PANELS)
            return fit_scenery(args, warm_start(Scenery(SceneryConfig()), args), panels)
        return fit_pictures(args, _begun(args), NAMES[args.net], read_samples(args.data))
    finally:
        torch.set_flush_denormal(False)


def fit_pictures(
    args: BackdropArgs, net: nn.Module, name: str, samples: TwoSides, part: float = 1.0
) -> TrainingModule:
    """Train a generator on pictures and write it by a name, in a part of the run's time."""
    training, held_out = samples

    def build(clock: RunClock) -> BackdropModule:
        return BackdropModule(net, Discriminator(), args, clock)

    batches = BackdropBatches(training, args.batch)
    return run(name, build, batches, held_out_pairs(held_out), args, part=part)


def fit_scenery(
    args: BackdropArgs, net: Scenery, samples: TwoSides, part: float = 1.0
) -> TrainingModule:
    """Train what is behind tables on panels and write it, in a part of the run's time."""
    training, held_out = samples

    def build(clock: RunClock) -> SceneryModule:
        return SceneryModule(net, args, clock)

    judged = [
        HeldOut(sample.source, *PanelBatches([sample], 1)(np.random.default_rng(number), 0))
        for number, sample in enumerate(evenly(held_out))
    ]
    batches = PanelBatches(training, args.batch)
    return run(NAMES["scenery"], build, batches, judged, args, part=part)


def _begun(args: BackdropArgs) -> nn.Module:
    if args.net == "s" and not (args.scenery or args.init_from):
        raise TrainingArgsError(
            "prepared pictures do not teach what is behind tables: name --scenery, the file that "
            "a run with --net scenery has written, or --init-from a generator that has it"
        )
    net = warm_start(build_net(args), args)
    if args.scenery is not None:
        load_state(cast(BackdropGenerator, net).behind, args.scenery, "the scenery")
    return net


def _fit_brand(args: BackdropArgs) -> TrainingModule:
    """Teach a generator the style of a flat folder of photographs: scenery, then the rest."""
    if args.net != "s" or args.scenery is not None:
        raise TrainingArgsError(
            f"{args.data} holds no prepared pictures, and photographs teach --net s as a whole"
        )
    start = args.init_from or verified_weights(NAMES["s"])
    prepared = args.out / PREPARED
    material = prepare_brand(args.data, prepared, args.seed)
    samples = read_samples(prepared)
    colours = args.palettes or usual_palettes(samples[0], np.random.default_rng(args.seed))
    args = replace(args, init_from=start, palettes=colours)
    net = cast(BackdropGenerator, warm_start(build_net(args), args))
    if not recorded_config(start).get("palettes"):
        adopt(net, BRAND, material)
    scenery = args.out / NAMES["scenery"]
    is_resumed = args.resume and (args.out / CHECKPOINT_NAME).exists()
    if not is_resumed:
        _refuse_unknown_figure(args, net, samples[1])
        first = replace(args, out=scenery, **SCENERY_OPTIONS)
        fit_scenery(first, net.behind, read_samples(prepared / PANELS), SCENERY_PART)
    load_state(net.behind, scenery / f"{NAMES['scenery']}.safetensors", "the scenery")
    return fit_pictures(args, net, BRAND_NAME, samples, 1 - SCENERY_PART)


def _refuse_unknown_figure(args: BackdropArgs, net: nn.Module, held_out: Sequence[Sample]) -> None:
    """Look at what shall stop the second part before the first one takes its hours."""
    if args.stop_on:
        with torch.random.fork_rng(devices=[]):
            module = BackdropModule(net, Discriminator(), args, RunClock(0, 1))
        refuse_unknown_figure(args.stop_on, module.figures(held_out_pairs(held_out)))


def build_net(args: BackdropArgs) -> nn.Module:
    """The generator that `--net` names, with fresh weights."""
    if args.net == "dcgan":
        return DCGANGenerator()
    return BackdropGenerator(BackdropGeneratorConfig())


def held_out_pairs(samples: Sequence[Sample]) -> list[HeldOut]:
    """Some of the held-out pictures of which pixels are known, the same each time."""
    pairs = []
    for number, sample in enumerate(evenly([s for s in samples if s.is_paired] or samples)):
        lq, gt = BackdropBatches([sample], 1)(np.random.default_rng(number), 0)
        pairs.append(HeldOut(sample.source, lq, without_scenery(lq, gt)))
    return pairs


def evenly(samples: Sequence[Sample]) -> list[Sample]:
    """At most `MOST_HELD_OUT`, evenly over all, the first and the last among them."""
    count = min(len(samples), MOST_HELD_OUT)
    return [samples[int(at)] for at in np.linspace(0, len(samples) - 1, count)]
