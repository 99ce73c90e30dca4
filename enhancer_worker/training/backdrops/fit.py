"""Trains the backdrop generator on prepared pictures, or on a shop's own photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.backdrops.brand import is_prepared, read_any
from enhancer_worker.training.backdrops.dcgan import DCGANGenerator
from enhancer_worker.training.backdrops.discriminators import Discriminator
from enhancer_worker.training.backdrops.module import BackdropModule
from enhancer_worker.training.backdrops.samples import BackdropBatches, Sample
from enhancer_worker.training.backdrops.scenery import fit_scenery
from enhancer_worker.training.data import RunClock
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.runs import run, warm_start

NAMES = {"s": "backdrop_s", "dcgan": "dcgan"}
"""Weight name of each `--net`."""
MOST_HELD_OUT = 48


def fit(args: BackdropArgs) -> TrainingModule:
    """Run one training and write `backdrop_s.safetensors`, or `dcgan.safetensors`."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    training, held_out = read_any(args.data, args.style)

    def build(clock: RunClock) -> BackdropModule:
        net = warm_start(build_net(args), args)
        is_new = args.init_from is None or not is_prepared(args.data)
        if isinstance(net, BackdropGenerator) and is_new:
            fit_scenery(net, training)
        return BackdropModule(net, Discriminator(), args, clock)

    batches = BackdropBatches(training, args.batch)
    # Gradients of smooth pictures are so small that their products would be computed by microcode.
    torch.set_flush_denormal(True)
    try:
        return run(NAMES[args.net], build, batches, held_out_pairs(held_out), args)
    finally:
        torch.set_flush_denormal(False)


def build_net(args: BackdropArgs) -> nn.Module:
    """The generator that `--net` names, with fresh weights."""
    if args.net == "dcgan":
        return DCGANGenerator()
    return BackdropGenerator(BackdropGeneratorConfig())


def held_out_pairs(samples: Sequence[Sample], most: int = MOST_HELD_OUT) -> list[HeldOut]:
    """Some of the held-out pictures, the same each time, evenly over all."""
    step = max(1, len(samples) // most)
    pairs = []
    for number, sample in enumerate(samples[::step][:most]):
        lq, gt = BackdropBatches([sample], 1)(np.random.default_rng(number), 0)
        pairs.append(HeldOut(sample.source, lq, gt))
    return pairs
