"""Trains the backdrop generator on prepared pictures, or on those made of a shop's photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.nets.backdrop_scenery import Scenery, SceneryConfig
from enhancer_worker.nets.manifest import verified_weights
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
from enhancer_worker.training.data import RunClock
from enhancer_worker.training.loop import HeldOut, TrainingModule
from enhancer_worker.training.runs import run, warm_start
from shopimg.contract.steps.scene import BRAND

BRAND_NAME = "backdrop_brand"
PREPARED = "prepared"
"""Folder within that of a run: training pictures made of photographs."""
SCENERY_PART = 0.5
"""Of the hours in which a style is taught."""
SCENERY_OPTIONS: dict[str, Any] = {"batch": 16, "learning_rate": 5e-4, "penalty": 0.5}
"""For panels: they are small, and few photographs are soon known by heart."""
NAMES = {"s": "backdrop_s", "dcgan": "dcgan", "scenery": "scenery"}
"""Weight name of each `--net`."""
MOST_HELD_OUT = 48


def fit(args: BackdropArgs) -> TrainingModule:
    """Run one training and write `backdrop_s`, `backdrop_brand`, `scenery` or `dcgan`, a file each.

    Raises:
        NoTrainingImagesError: there is nothing to train on.
        TooFewPhotosError: there are photographs, but fewer than twelve.
        TrainingArgsError: what is asked for contradicts what the folder holds.
    """
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    # Gradients of smooth pictures are so small that their products would be computed by microcode.
    torch.set_flush_denormal(True)
    try:
        if args.net == "scenery":
            return fit_scenery(args, warm_start(Scenery(SceneryConfig()), args))
        if is_prepared(args.data):
            return fit_pictures(args, _begun(args), NAMES[args.net])
        return _fit_brand(args)
    finally:
        torch.set_flush_denormal(False)


def fit_pictures(args: BackdropArgs, net: nn.Module, name: str) -> TrainingModule:
    """Train a generator on prepared pictures and write it by a name."""
    training, held_out = read_samples(args.data)

    def build(clock: RunClock) -> BackdropModule:
        return BackdropModule(net, Discriminator(), args, clock)

    return run(name, build, BackdropBatches(training, args.batch), held_out_pairs(held_out), args)


def fit_scenery(args: BackdropArgs, net: Scenery) -> TrainingModule:
    """Train what is behind tables on prepared panels and write it."""
    training, held_out = read_samples(args.data / PANELS)

    def build(clock: RunClock) -> SceneryModule:
        return SceneryModule(net, args, clock)

    judged = [
        HeldOut(sample.source, *PanelBatches([sample], 1)(np.random.default_rng(number), 0))
        for number, sample in enumerate(evenly(held_out))
    ]
    return run(NAMES["scenery"], build, PanelBatches(training, args.batch), judged, args)


def _begun(args: BackdropArgs) -> nn.Module:
    if args.net == "s" and not (args.scenery or args.init_from):
        raise TrainingArgsError(
            "prepared pictures do not teach what is behind tables: name --scenery, the file that "
            "a run with --net scenery has written, or --init-from a generator that has it"
        )
    net = warm_start(build_net(args), args)
    if args.scenery is not None:
        cast(BackdropGenerator, net).behind.load_state_dict(load_file(args.scenery))
    return net


def _fit_brand(args: BackdropArgs) -> TrainingModule:
    """Teach a generator the style of a flat folder of photographs: scenery, then the rest."""
    if args.net != "s" or args.scenery is not None:
        raise TrainingArgsError("photographs teach --net s, and its scenery with it")
    prepared = args.out / PREPARED
    material = prepare_brand(args.data, prepared, args.seed)
    start = args.init_from or verified_weights(NAMES["s"])
    both = replace(args, data=prepared, init_from=start)
    net = cast(BackdropGenerator, warm_start(build_net(both), both))
    adopt(net, BRAND, material)
    first = replace(
        both, out=args.out / NAMES["scenery"], hours=args.hours * SCENERY_PART, **SCENERY_OPTIONS
    )
    fit_scenery(first, net.behind)
    net.behind.load_state_dict(load_file(first.out / f"{NAMES['scenery']}.safetensors"))
    palettes = args.palettes or usual_palettes(read_samples(prepared)[0])
    rest = replace(both, hours=args.hours * (1 - SCENERY_PART), palettes=palettes)
    return fit_pictures(rest, net, BRAND_NAME)


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
