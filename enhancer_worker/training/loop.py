"""The training loop that both networks share: averaging, schedule, gradient health, validation."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision.utils import make_grid

from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.data import Pair, RunClock, shared_by_all
from enhancer_worker.training.losses import LOSSES
from enhancer_worker.training.mistakes import DivergedError
from enhancer_worker.training.optimizers import build_optimizer

logger = logging.getLogger(__name__)

Score = Callable[[Tensor, Tensor], dict[str, float]]
MOST_BROKEN_STEPS = 20
IMAGES_SHOWN = 3
SHOWN_SIZE = (384, 384)


class HeldOut(NamedTuple):
    """One validation pair; a tuple, because Lightning moves tuples between devices."""

    kind: str
    """What was done to it; scores are averaged per kind."""
    lq: Tensor
    """(1, 3, h, w), float32, [0, 1]."""
    gt: Tensor
    """(1, 3, H, W), float32, [0, 1]."""


def scheduled_rate(progress: float, step: int, args: TrainingArgs) -> float:
    """Step size: linear warm-up by steps, then half a cosine over the run.

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
    return args.last_patch if is_last_part(progress, args) else args.patch


def is_last_part(progress: float, args: TrainingArgs) -> bool:
    """Whether the run anneals: larger patches, another loss."""
    return progress >= 1 - args.last_part


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
        score: validation figures of (result, gt), by name.
        args: the run's arguments.
        clock: tells how much of the run has passed.
    """

    def __init__(
        self,
        net: nn.Module,
        score: Score,
        args: TrainingArgs,
        clock: RunClock,
    ) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)
        self.average = AveragedModel(net, multi_avg_fn=averaging(args.ema_decay))
        self.average.eval()
        # Processes that train together wait for the gradients of all that asks for one.
        self.average.requires_grad_(False)
        self.loss = LOSSES[args.loss]
        self.last_loss = LOSSES[args.last_loss]
        self.score = score
        self.args = args
        self.clock = clock
        self.broken_steps = 0
        self.progress = 0.0
        self._random = torch.get_rng_state()
        self._resumed_random: Tensor | None = None
        self._figures: dict[str, list[float]] = {}
        self._shown: list[Tensor] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimise what is trained of the net; the average only follows."""
        return build_optimizer(self.net, self.args)

    def on_fit_start(self) -> None:
        """Let the clock run, after what earlier parts of the run have spent."""
        self.clock.start(self.clock.elapsed_seconds() if self.clock.step else 0.0)

    def on_train_batch_start(self, batch: Pair, batch_idx: int) -> None:
        """Set the step size of this moment."""
        if self._resumed_random is not None:
            # Not before: loaders draw their own seed as they start.
            torch.set_rng_state(self._resumed_random.cpu())
            self._resumed_random = None
        self.progress = shared_by_all(self.clock.progress())
        rate = scheduled_rate(self.progress, self.global_step, self.args)
        for group in self.optimizers(use_pl_optimizer=False).param_groups:  # type: ignore[union-attr]
            group["lr"] = rate
        self.log_dict({"schedule/rate": rate, "schedule/progress": self.progress})

    def training_step(self, batch: Pair, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        lq, gt = batch
        half = self.progress < self.args.bf16_part
        with torch.autocast(lq.device.type, torch.bfloat16, enabled=half):
            result = self.net(lq)
        measure = self.last_loss if is_last_part(self.progress, self.args) else self.loss
        loss = measure(result.float(), gt)
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
        optimizer.zero_grad(set_to_none=True)
        self._count_broken()

    def _count_broken(self) -> None:
        self.broken_steps += 1
        if self.broken_steps > MOST_BROKEN_STEPS:
            steps = f"no finite gradient in {self.broken_steps} steps"
            raise DivergedError(f"{steps}: lower --learning-rate")

    def on_train_batch_end(self, outputs: Any, batch: Pair, batch_idx: int) -> None:
        """Stop when the budget is spent."""
        if shared_by_all(self.clock.progress()) >= 1:
            self.trainer.should_stop = True

    def settle_step(self) -> None:
        """Let the average follow, before anything is written of the step."""
        self.average.update_parameters(self.net)
        self.clock.step = self.global_step
        # Before a validation draws numbers that a resumed run would not draw.
        self._random = torch.get_rng_state()

    @torch.no_grad()
    def figures(self, pairs: Sequence[HeldOut]) -> set[str]:
        """Names of the figures that a validation on these pairs will have.

        It takes one pair of each kind, and leaves the random numbers of the run as they were.
        """
        with torch.random.fork_rng(devices=[]):
            return {
                f"val/{pair.kind}_{name}"
                for pair in {pair.kind: pair for pair in pairs}.values()
                for name in self.score(self.average(pair.lq), pair.gt)
            }

    def on_validation_epoch_start(self) -> None:
        """Forget the figures of the last validation."""
        self._figures, self._shown = {}, []

    def validation_step(self, batch: HeldOut, batch_idx: int) -> None:
        """Judge the averaged net on one pair."""
        result = self.average(batch.lq)
        for name, value in self.score(result, batch.gt).items():
            self._figures.setdefault(f"val/{batch.kind}_{name}", []).append(value)
        if len(self._shown) < IMAGES_SHOWN and result.ndim == 4:
            self._shown.append(self.shown(batch, result))

    def shown(self, batch: HeldOut, result: Tensor) -> Tensor:
        """Source, result and truth side by side: (1, 3, H, W), [0, 1]."""
        return side_by_side(batch.lq, result, batch.gt)

    def on_validation_epoch_end(self) -> None:
        """Log the mean figures and some pictures."""
        means = {name: sum(values) / len(values) for name, values in self._figures.items()}
        self.log_dict(means)
        if self.trainer.is_global_zero:
            text = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
            seconds = self.clock.elapsed_seconds()
            logger.info("step %d, %.0f s: %s", self.global_step, seconds, text)
        if self._shown and isinstance(self.logger, TensorBoardLogger):
            grid = make_grid(torch.cat(self._shown), nrow=1)
            self.logger.experiment.add_image("val/lq_result_gt", grid, self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time spent, which the schedule depends on, and where random numbers stand."""
        checkpoint["elapsed_seconds"] = self.clock.elapsed_seconds()
        checkpoint["random"] = self._random

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the schedule where the run stopped."""
        self.clock.start(float(checkpoint["elapsed_seconds"]))
        self.clock.step = int(checkpoint["global_step"])
        self._resumed_random = checkpoint.get("random")


def copy_matching(net: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Warm start: copy every tensor whose name and shape match.

    Returns:
        Names of the tensors that kept their own values.
    """
    own = net.state_dict()
    matching = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict(matching, strict=False)
    return sorted(own.keys() - matching.keys())


def side_by_side(*pictures: Tensor) -> Tensor:
    """Join pictures (1, 3, H, W) of any sizes in a row, clipped to [0, 1]."""
    shown = [nn.functional.interpolate(picture, SHOWN_SIZE) for picture in pictures]
    return torch.cat(shown, dim=3).clamp(0, 1)
