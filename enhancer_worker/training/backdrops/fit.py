"""Trains the backdrop generator on prepared pictures, or on a shop's own photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.nets.backdrop_scenery import Scenery, SceneryConfig
from enhancer_worker.training.args import TrainingArgsError
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.backdrops.brand import is_prepared, read_any
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
from enhancer_worker.training.data import RunClock
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.runs import run, warm_start

NAMES = {"s": "backdrop_s", "dcgan": "dcgan", "scenery": "scenery"}
"""Weight name of each `--net`."""
MOST_HELD_OUT = 48


def fit(args: BackdropArgs) -> TrainingModule:
    """Run one training and write `backdrop_s`, `scenery` or `dcgan`, `.safetensors`."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    # Gradients of smooth pictures are so small that their products would be computed by microcode.
    torch.set_flush_denormal(True)
    try:
        return _fit_scenery(args) if args.net == "scenery" else _fit_pictures(args)
    finally:
        torch.set_flush_denormal(False)


def _fit_pictures(args: BackdropArgs) -> TrainingModule:
    training, held_out = read_any(args.data, args.style)

    def build(clock: RunClock) -> BackdropModule:
        net = warm_start(build_net(args), args)
        if args.scenery is not None:
            cast(BackdropGenerator, net).behind.load_state_dict(load_file(args.scenery))
        return BackdropModule(net, Discriminator(), args, clock, scenery_is_known=is_known)

    is_known = is_prepared(args.data)
    if args.net == "s" and is_known and not (args.scenery or args.init_from):
        raise TrainingArgsError(
            "prepared pictures do not teach what is behind tables: name --scenery, the file that "
            "a run with --net scenery has written, or --init-from a generator that has it"
        )
    batches = BackdropBatches(training, args.batch)
    return run(NAMES[args.net], build, batches, held_out_pairs(held_out), args)


def _fit_scenery(args: BackdropArgs) -> TrainingModule:
    training, held_out = read_samples(args.data / PANELS)

    def build(clock: RunClock) -> SceneryModule:
        return SceneryModule(warm_start(Scenery(SceneryConfig()), args), args, clock)

    judged = [
        HeldOut(sample.source, *PanelBatches([sample], 1)(np.random.default_rng(number), 0))
        for number, sample in enumerate(evenly(held_out))
    ]
    return run(NAMES[args.net], build, PanelBatches(training, args.batch), judged, args)


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
