"""Starts and resumes a training run: seeds, Lightning trainer, checkpoints, logs."""

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import lightning
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import nn
from torch.utils.data import DataLoader, Dataset

from enhancer_worker.nets.state_files import read_state
from enhancer_worker.training.args import TrainingArgs, TrainingArgsError
from enhancer_worker.training.averages import AverageWriter, StepSettler
from enhancer_worker.training.budget_bar import BudgetBar
from enhancer_worker.training.checkpoints import TimedCheckpoint
from enhancer_worker.training.checks import one_line, refuse_unknown_figure, resumable_step
from enhancer_worker.training.config_file import write_config
from enhancer_worker.training.data import BatchStream, Pair, RunClock
from enhancer_worker.training.loop import (
    HeldOut,
    TrainingModule,
    copy_matching,
    patch_at,
)

logger = logging.getLogger(__name__)

CHECKPOINT_NAME = "last.ckpt"
LOG_EVERY_STEPS = 50
NetT = TypeVar("NetT", bound=nn.Module)
MakeBatch = Callable[[np.random.Generator, int], Pair]


class HeldOutPairs(Dataset[HeldOut]):
    """Validation pairs, one at a time.

    Args:
        pairs: the pairs, made once.
    """

    def __init__(self, pairs: Sequence[HeldOut]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> HeldOut:
        return self._pairs[index]


def warm_start(net: NetT, args: TrainingArgs) -> NetT:
    """Copy what fits from `args.init_from`, if given.

    Raises:
        TrainingArgsError: nothing fits.
        WorkerError: the file is missing or damaged.
    """
    if args.init_from is not None:
        kept = copy_matching(net, read_state(args.init_from))
        if len(kept) == len(net.state_dict()):
            raise TrainingArgsError(
                f"{args.init_from} is of another kind of network: nothing in it fits this one"
            )
        logger.info("warm start from %s; fresh: %s", args.init_from.name, ", ".join(kept) or "-")
    return net


def run(
    name: str,
    build_module: Callable[[RunClock], TrainingModule],
    make_batch: MakeBatch,
    held_out: Sequence[HeldOut],
    args: TrainingArgs,
    also_write: Callable[[nn.Module], None] | None = None,
    part: float = 1.0,
) -> TrainingModule:
    """Train until the budget is spent and write the averaged weights.

    Args:
        name: weight name; the result is `args.out / f"{name}.safetensors"`.
        build_module: makes the module around the run's clock.
        make_batch: draws one (lq, gt) batch.
        held_out: validation pairs.
        args: the run's arguments.
        also_write: called with the averaged net each time it was written.
        part: of the hours and steps of the arguments, for one of several nets that they train.

    Returns:
        The trained module.

    Raises:
        TrainingArgsError: there is no such device or figure to stop on, or the checkpoint to
            resume from is damaged or of another network or optimizer.
    """
    torch.set_num_threads(args.threads)
    # A tenth of ten steps may be a little more than one by floating point.
    most_steps = math.ceil(round(args.max_steps * part, 6))
    clock = RunClock(args.hours * 3600 * part, most_steps)
    module = build_module(clock)
    checkpoint = args.out / CHECKPOINT_NAME
    resumed = checkpoint if args.resume and checkpoint.exists() else None
    if args.stop_on:
        refuse_unknown_figure(args.stop_on, module.figures(held_out))
    first_step = resumable_step(checkpoint, module) if resumed else 0
    stream = BatchStream(
        make_batch, lambda step: patch_at(clock.progress(step), args), args.seed, first_step
    )
    writer = AverageWriter(args.out / f"{name}.safetensors", args, also_write)
    keeper = TimedCheckpoint(checkpoint, args.checkpoint_minutes)
    trainer = _trainer(args, most_steps, [StepSettler(), keeper, writer, BudgetBar()])
    args.out.mkdir(parents=True, exist_ok=True)
    rank_zero_only(write_config)(args, args.out)
    with warnings.catch_warnings():
        # The averaged weights are meant to be in that mode; the others are about Lightning itself.
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training")
        warnings.filterwarnings("ignore", category=FutureWarning, module="lightning")
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        trainer.fit(
            module,
            DataLoader(stream, batch_size=None, num_workers=args.loaders),
            DataLoader(HeldOutPairs(held_out), batch_size=None),
            ckpt_path=resumed,
            weights_only=True if resumed else None,
        )
    keeper.write(trainer)
    return module


def _trainer(args: TrainingArgs, most_steps: int, callbacks: list[Callback]) -> lightning.Trainer:
    interval = args.validate_steps or timedelta(minutes=args.validate_minutes)
    logs = TensorBoardLogger(args.out, name="logs", version="")
    try:
        return lightning.Trainer(
            accelerator=args.accelerator,
            devices=args.devices,
            strategy=args.strategy,
            # Each process judges all held-out pairs, so all take the same decisions.
            use_distributed_sampler=False,
            deterministic="warn" if args.deterministic else None,
            max_steps=most_steps or -1,
            max_epochs=-1,
            val_check_interval=interval,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=args.clip_norm,
            log_every_n_steps=LOG_EVERY_STEPS,
            logger=logs,
            callbacks=callbacks,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
    except (MisconfigurationException, ValueError) as err:
        given = f"--accelerator {args.accelerator} --devices {args.devices}"
        words = f"{given} --strategy {args.strategy} cannot run here: {one_line(err)}"
        raise TrainingArgsError(words) from err
