"""The training loop that both networks share: averaging, schedule, gradient health, validation."""

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision.utils import make_grid

from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.data import Pair, RunClock

logger = logging.getLogger(__name__)

Score = Callable[[Tensor, Tensor], dict[str, float]]
MOST_BROKEN_STEPS = 20
IMAGES_SHOWN = 3


class DivergedError(RuntimeError):
    """The gradient was not finite for many steps in a row."""


class HeldOut(NamedTuple):
    """One validation pair; a tuple, because Lightning moves tuples between devices."""

    kind: str
    """What was done to it; scores are averaged per kind."""
    lq: Tensor
    """(1, 3, h, w), float32, [0, 1]."""
    gt: Tensor
    """(1, 3, H, W), float32, [0, 1]."""


def scheduled_rate(progress: float, step: int, args: TrainingArgs) -> float:
    """Adam step size: linear warm-up by steps, then half a cosine over the run.

    Args:
        progress: fraction of the run that has passed, [0, 1].
        step: optimiser steps done.
        args: highest and last rate, and the length of the warm-up.
    """
    wave = 0.5 * (1 + math.cos(math.pi * progress))
    rate = args.last_learning_rate + wave * (args.learning_rate - args.last_learning_rate)
    return rate * min(1.0, (step + 1) / max(1, args.warm_up_steps))


def patch_at(progress: float, args: TrainingArgs) -> int:
    """Patch size of this moment, pixels: larger in the last part of the run."""
    return args.last_patch if progress >= 1 - args.last_part else args.patch


def averaging(decay: float) -> Callable[[Any, Any, Any], None]:
    """Exponential moving average that forgets its first steps quickly.

    Args:
        decay: weight of the past once the average has settled, per step.
    """

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor) -> None:
        settled = min(decay, (1 + float(steps)) / (10 + float(steps)))
        for past, now in zip(averaged, current, strict=True):
            past.lerp_(now, 1 - settled)

    return update


class TrainingModule(lightning.LightningModule):
    """One net, its running average, and how a step goes.

    Args:
        net: the net to train.
        loss: of (result, gt).
        score: validation figures of (result, gt), by name.
        args: the run's arguments.
        clock: tells how much of the run has passed.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        score: Score,
        args: TrainingArgs,
        clock: RunClock,
    ) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)
        self.average = AveragedModel(net, multi_avg_fn=averaging(args.ema_decay))
        self.average.eval()
        self.loss = loss
        self.score = score
        self.args = args
        self.clock = clock
        self.broken_steps = 0
        self._figures: dict[str, list[float]] = {}
        self._shown: list[Tensor] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over the net alone; the average only follows."""
        return torch.optim.Adam(self.net.parameters(), lr=self.args.learning_rate)

    def on_fit_start(self) -> None:
        """Let the clock run, after what earlier parts of the run have spent."""
        self.clock.start(self.clock.elapsed_seconds() if self.clock.step else 0.0)

    def on_train_batch_start(self, batch: Pair, batch_idx: int) -> None:
        """Set the step size of this moment."""
        progress = self.clock.progress()
        rate = scheduled_rate(progress, self.global_step, self.args)
        for group in self.optimizers(use_pl_optimizer=False).param_groups:  # type: ignore[union-attr]
            group["lr"] = rate
        self.log_dict({"schedule/rate": rate, "schedule/progress": progress})

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        lq, gt = batch
        half = self.clock.progress() < self.args.bf16_part
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            result = self.net(lq)
        loss = self.loss(result.float(), gt)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure the gradient, and drop it where it is not finite."""
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self.log("train/gradient_norm", norm)
        if torch.isfinite(norm):
            self.broken_steps = 0
            return
        self.broken_steps += 1
        optimizer.zero_grad(set_to_none=True)
        if self.broken_steps > MOST_BROKEN_STEPS:
            raise DivergedError(f"no finite gradient in {self.broken_steps} steps")

    def on_train_batch_end(self, outputs: Any, batch: Pair, batch_idx: int) -> None:
        """Update the average, and stop when the budget is spent."""
        self.average.update_parameters(self.net)
        self.clock.step = self.global_step
        if self.clock.progress() >= 1:
            self.trainer.should_stop = True

    def on_validation_epoch_start(self) -> None:
        """Forget the figures of the last validation."""
        self._figures, self._shown = {}, []

    def validation_step(self, batch: HeldOut, batch_idx: int) -> None:
        """Judge the averaged net on one pair."""
        result = self.average(batch.lq)
        for name, value in self.score(result, batch.gt).items():
            self._figures.setdefault(f"val/{batch.kind}_{name}", []).append(value)
        if len(self._shown) < IMAGES_SHOWN:
            self._shown.append(_side_by_side(batch, result))

    def on_validation_epoch_end(self) -> None:
        """Log the mean figures and some pictures."""
        means = {name: sum(values) / len(values) for name, values in self._figures.items()}
        self.log_dict(means)
        written = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        logger.info("step %d, %.0f s: %s", self.global_step, self.clock.elapsed_seconds(), written)
        if self._shown and isinstance(self.logger, TensorBoardLogger):
            grid = make_grid(torch.cat(self._shown), nrow=1)
            self.logger.experiment.add_image("val/lq_result_gt", grid, self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time spent, which the schedule depends on."""
        checkpoint["elapsed_seconds"] = self.clock.elapsed_seconds()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the schedule where the run stopped."""
        self.clock.start(float(checkpoint["elapsed_seconds"]))
        self.clock.step = int(checkpoint["global_step"])


class AverageWriter(lightning.Callback):
    """Writes the averaged weights beside the checkpoints after each validation.

    Args:
        path: the `.safetensors` file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write the file."""
        if not trainer.sanity_checking and isinstance(pl_module, TrainingModule):
            write_average(pl_module, self.path)


def write_average(module: TrainingModule, path: Path) -> None:
    """Save the averaged weights, contiguous and without the averaging's own counters."""
    state = module.average.module.state_dict()
    partial = path.with_suffix(".partial")
    save_file({key: value.detach().contiguous() for key, value in state.items()}, partial)
    partial.chmod(0o644)
    partial.replace(path)


def copy_matching(net: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Warm start: copy every tensor whose name and shape match.

    Returns:
        Names of the tensors that kept their own values.
    """
    own = net.state_dict()
    matching = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict(matching, strict=False)
    return sorted(own.keys() - matching.keys())


def _side_by_side(batch: HeldOut, result: Tensor) -> Tensor:
    size = batch.gt.shape[-2:]
    shown: Sequence[Tensor] = (nn.functional.interpolate(batch.lq, size), result, batch.gt)
    return torch.cat([image.clamp(0, 1) for image in shown], dim=3)
