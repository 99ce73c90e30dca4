"""The training loop of the generator: first by pictures with known conditions, then by a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torchvision.utils import make_grid

from enhancer_worker.nets.backdrop_conditions import PALETTE_CODES
from enhancer_worker.nets.backdrop_generator import FIRST_SIDE, BackdropGenerator
from enhancer_worker.nets.backdrop_input import NUMBERS
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE
from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.backdrops.augmenting import COLOURS, augment
from enhancer_worker.training.backdrops.discriminators import LAYOUT_MAPS
from enhancer_worker.training.backdrops.objectives import OBJECTIVES
from enhancer_worker.training.backdrops.samples import codes_of
from enhancer_worker.training.data import Pair, RunClock, shared_by_all
from enhancer_worker.training.loop import HeldOut, Score, TrainingModule, scheduled_rate

SCENERY_CHANNELS = slice(COLOURS + 1, 2 * COLOURS + 1)
SHOWN = 24
_PALETTE = slice(PALETTE_CODES.start, PALETTE_CODES.start + 6)
_MARGIN_ROWS = 10
_FIRST_WEIGHT = 10.0
"""Of the difference from known pixels before there is a judge; only ratios matter to Adam."""


@dataclass(frozen=True)
class Painting:
    """What a generator has made of one batch, and what it is held against."""

    made: Tensor
    """(B, 3, H, W), sRGB."""
    real: Tensor
    """Likewise."""
    layout: Tensor
    """(B, maps, H, W): what the discriminator is shown beside both."""
    codes: Tensor
    """(B, CODES)."""
    losses: dict[str, Tensor]
    """Without a discriminator: `known`, and `palette` where the whole picture is made."""


def known_difference(made: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference where pixels are known.

    Args:
        made: (B, 3, H, W).
        truth: (B, 4 or more, H, W): colours, and how well each pixel is known.
    """
    known = truth[:, COLOURS : COLOURS + 1]
    difference = (made - truth[:, :COLOURS]).abs() * known
    return difference.sum() / (COLOURS * known.sum() + 1)


def known_score(made: Tensor, truth: Tensor) -> dict[str, float]:
    """Mean absolute difference of 255 where pixels are known."""
    return {"l1": 255 * float(known_difference(made.clamp(0, 1), truth))}


class BackdropModule(TrainingModule):
    """A generator, its running average, and a discriminator.

    Args:
        net: the generator.
        judge: the discriminator.
        args: the run's arguments.
        clock: tells how much of the run has passed.
        score: judges what the averaged net has made of held-out pictures.
    """

    def __init__(
        self,
        net: nn.Module,
        judge: nn.Module,
        args: BackdropArgs,
        clock: RunClock,
        score: Score = known_score,
    ) -> None:
        super().__init__(net, score, args, clock)
        self.automatic_optimization = False
        self.judge = judge
        self.choice = args
        self.objective = OBJECTIVES[args.objective]

    def configure_optimizers(self) -> Any:
        """Adam for both, with the short memory that adversaries need."""
        args: TrainingArgs = self.args
        return [
            torch.optim.Adam(part.parameters(), lr=args.learning_rate, betas=betas)
            for part, betas in ((self.net, (0.5, 0.99)), (self.judge, (0.0, 0.99)))
        ]

    def on_train_batch_start(self, batch: Pair, batch_idx: int) -> None:
        """Set both step sizes of this moment."""
        self.progress = shared_by_all(self.clock.progress())
        rate = scheduled_rate(self.progress, self.global_step, self.args)
        generator, discriminator = self._optimizers()
        for group in generator.param_groups:
            group["lr"] = rate
        for group in discriminator.param_groups:
            group["lr"] = rate * self.choice.judge_rate
        self.log_dict({"schedule/rate": rate, "schedule/progress": self.progress})

    def training_step(self, batch: Pair, batch_idx: int) -> None:  # type: ignore[override]
        """One step of the generator, and before it one of the discriminator where it takes part."""
        painting = self._paint(*batch)
        losses = dict(painting.losses)
        known = losses["known"] + self.choice.palette * losses.get("palette", 0.0)
        if self.has_judge:
            made, real = (
                torch.cat([colours, painting.layout], dim=1)
                for colours in (painting.made, painting.real)
            )
            losses |= self._adversarial(real, made, painting.codes)
            total = losses["generator"] + self.choice.known * known
        else:
            total = _FIRST_WEIGHT * known
        self._descend(total, self.net, 0)
        self._tell(losses)

    @property
    def has_judge(self) -> bool:
        """Whether the discriminator takes part already."""
        return self.progress >= self.choice.first_part

    def _tell(self, losses: dict[str, Tensor]) -> None:
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})

    def _paint(self, planes: Tensor, truth: Tensor) -> Painting:
        """Paint a batch, or in most of the run a window of it."""
        codes, losses = codes_of(planes), {}
        is_whole = self.progress >= self.choice.window_part
        if not isinstance(self.net, BackdropGenerator):
            with self._mixed():
                made = self.net(planes)
            made, layout = made.float(), planes[:, list(LAYOUT_MAPS)]
            truth = without_scenery(planes, truth)
        else:
            made, layout, truth = self._painted(planes, truth, is_whole=is_whole)
        if made.shape[-1] == SIDE:
            losses["palette"] = palette_difference(made, planes)
        losses["known"] = known_difference(made, truth)
        return Painting(made, truth[:, :COLOURS], layout, codes, losses)

    def _painted(
        self, planes: Tensor, truth: Tensor, *, is_whole: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Paint one quarter of each picture, the same of all, at a quarter of the cost; or all.

        It is painted before the scenery of the training pictures, not before the net's own: then
        all of a picture with a photograph behind its table is known.

        Returns:
            What was made, the layout maps and the truth there.
        """
        net = cast(BackdropGenerator, self.net)
        maps, numbers = planes[:, : len(MAPS)], planes[:, len(MAPS)].flatten(1)[:, :NUMBERS]
        cells = SIDE // FIRST_SIDE
        size = FIRST_SIDE if is_whole else FIRST_SIDE // 2
        top, left = torch.randint(0, FIRST_SIDE - size + 1, (2,)).tolist()
        coarse, fine = (
            (..., slice(top * n, (top + size) * n), slice(left * n, (left + size) * n))
            for n in (1, cells)
        )
        with self._mixed():
            scenery = truth[:, SCENERY_CHANNELS][fine]
            made = net.paint(maps[fine], numbers, net.constant[coarse], scenery)
        return made.float(), maps[:, list(LAYOUT_MAPS)][fine], truth[fine]

    def _adversarial(self, real: Tensor, made: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Train the discriminator, and tell the generator's loss.

        Args:
            real: (B, C, H, W): pictures and layout maps.
            made: likewise.
            codes: (B, CODES).
        """
        found = self._judge_loss(real, made.detach(), codes)
        self._descend(found, self.judge, 1)
        self.judge.requires_grad_(False)
        fake = self._scores(augment(made), codes)
        with torch.no_grad():
            real_scores = self._scores(augment(real), codes)
        loss = self.objective.generator(real_scores, fake)
        self.judge.requires_grad_(True)
        margin = (real_scores - fake.detach()).mean()
        return {"judge": found, "generator": loss, "margin": margin}

    def _judge_loss(self, real: Tensor, made: Tensor, codes: Tensor) -> Tensor:
        real, made = augment(real), augment(made)
        both = self._scores(torch.cat([real, made]), torch.cat([codes, codes]))
        loss = self.objective.discriminator(*both.chunk(2))
        objective = self.objective
        if objective.weight and self.clock.step % objective.every == 0:
            # In full precision: it is a gradient of a gradient.
            penalty = objective.penalty(lambda seen: self.judge(seen, codes), real, made)
            weight = self.choice.penalty or objective.weight
            loss = loss + weight * objective.every * penalty
            self.log("train/penalty", penalty.detach())
        return loss

    def _scores(self, seen: Tensor, codes: Tensor) -> Tensor:
        with self._mixed():
            scores: Tensor = self.judge(seen, codes)
        return scores.float()

    def _mixed(self) -> torch.autocast:
        half = self.progress < self.args.bf16_part
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _descend(self, loss: Tensor, part: nn.Module, number: int) -> None:
        optimizer = self._optimizers()[number]
        optimizer.zero_grad(set_to_none=True)
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(part.parameters(), self.choice.largest_gradient)
        self.log(f"train/gradient_norm_{number}", norm)
        if not torch.isfinite(norm):
            self._count_broken()
            return
        self.broken_steps = 0
        # Only the generator's steps are counted by the trainer, so they go through its wrapper.
        wrapped: Any = self.optimizers()
        (wrapped[number] if number == 0 else optimizer).step()

    def _optimizers(self) -> Any:
        return self.optimizers(use_pl_optimizer=False)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Nothing: gradients were measured and cut before."""

    def validation_step(self, batch: HeldOut, batch_idx: int) -> None:
        """Judge the averaged generator on one held-out picture."""
        made = self.average(batch.lq)
        for name, value in self.score(made, batch.gt).items():
            self._figures.setdefault(f"val/{batch.kind}_{name}", []).append(value)
        if len(self._shown) < SHOWN:
            self._shown.append(torch.cat([made, batch.gt[:, :COLOURS]], dim=3).clamp(0, 1))

    def on_validation_epoch_end(self) -> None:
        """Log the figures, and a grid of made and real pictures side by side."""
        shown, self._shown = self._shown, []
        super().on_validation_epoch_end()
        if shown and isinstance(self.logger, TensorBoardLogger):
            grid = make_grid(torch.cat(shown), nrow=4)
            self.logger.experiment.add_image("val/made_real", grid, self.global_step)


def without_scenery(planes: Tensor, truth: Tensor) -> Tensor:
    """Of pictures with scenery, take only the surface for known, for a net that is not given it.

    Args:
        planes: (B, PLANES, H, W), input.
        truth: (B, 7, H, W), of `BackdropBatches`.
    """
    has_scenery = truth[:, SCENERY_CHANNELS].abs().amax((1, 2, 3), keepdim=True) > 0
    known = truth[:, COLOURS : COLOURS + 1]
    known = torch.where(has_scenery, known * planes[:, :1], known)
    return torch.cat([truth[:, :COLOURS], known, truth[:, SCENERY_CHANNELS]], dim=1)


def palette_difference(made: Tensor, planes: Tensor) -> Tensor:
    """Mean absolute difference of both regions' mean colours from the palette.

    Args:
        made: (B, 3, H, W), sRGB, about [0, 1].
        planes: (B, PLANES, H, W), the input that it was made of.
    """
    wanted = (codes_of(planes)[:, _PALETTE] + 1) / 2
    surface = planes[:, :1]
    below = _without_border(surface)
    above = _without_border(1 - surface)
    means = [(made * region).sum((2, 3)) / (region.sum((2, 3)) + 1e-6) for region in (below, above)]
    return (torch.cat(means, dim=1) - wanted).abs().mean()


def _without_border(region: Tensor) -> Tensor:
    """Leave out rows next to the other region, as `measure_palette` does."""
    size = (2 * _MARGIN_ROWS + 1, 1)
    return -nn.functional.max_pool2d(-region, size, stride=1, padding=(_MARGIN_ROWS, 0))
