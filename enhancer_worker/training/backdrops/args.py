"""Knobs of a run that trains a backdrop generator."""

import re
from dataclasses import dataclass, fields
from pathlib import Path

from enhancer_worker.training.args import TrainingArgs
from enhancer_worker.training.backdrops.objectives import OBJECTIVES
from enhancer_worker.training.ranges import FRACTION, NOT_NEGATIVE, Range

NETS = ("s", "scenery", "dcgan")
UNUSED = frozenset(
    {"optimizer", "weight_decay", "l2", "loss", "last_loss", "patch", "last_patch", "last_part"}
    | {"clip_norm"}
)
"""What other runs take, and adversaries have no use for."""
_COLOUR = "#?[0-9a-f]{6}"
_PALETTE = rf"\s*{_COLOUR}( {_COLOUR}){{2}}\s*"


@dataclass(frozen=True, kw_only=True)
class BackdropArgs(TrainingArgs):
    """A run of the backdrop generator."""

    data: Path
    """Folder that `prepare-backdrops` has written; or one with a shop's own photographs."""
    palettes: str = ""
    """Colours of the style brand where a recipe names none: surface, what is behind it, accent, as
    `#rrggbb #rrggbb #rrggbb, ...`; empty: those of the photographs."""
    objective: str = "r3gan"
    """What both nets minimise: r3gan, dcgan or wgan_gp."""
    net: str = "s"
    """s: our generator; scenery: the part of it that draws what is behind tables; dcgan: the one of
    the textbooks, for comparison."""
    scenery: Path | None = None
    """A `.safetensors` file that a run with `--net scenery` has written, to begin with."""
    first_part: float = 0.4
    """Fraction of the run before there is a discriminator: pictures with known conditions only."""
    window_part: float = 0.85
    """Fraction of the run in which a quarter of each picture is painted, four times as fast."""
    known: float = 30.0
    """Weight of the difference from pictures with known conditions and from the palette, beside
    the adversarial loss."""
    palette: float = 0.3
    """Weight of the difference from the palette, beside 1 for known pictures."""
    penalty: float = 0.0
    """Weight of the gradient penalty; 0: as the objective has it."""
    judge_rate: float = 1.0
    """Step size of the discriminator, of the generator's."""
    largest_gradient: float = 5.0
    """L2 norm beyond which a gradient is cut, unitless."""
    batch: int = 8
    """Pictures per step."""
    learning_rate: float = 1e-3
    """Highest Adam step size, unitless."""
    last_learning_rate: float = 2e-5
    """Adam step size at the end of the cosine, unitless."""
    warm_up_steps: int = 50
    """Steps over which the step size grows to its highest."""
    clip_norm: float = 0.0
    """Not for this kind of run: see largest-gradient."""
    ema_decay: float = 0.995
    """Weight of the past in the averaged weights, per step."""

    def ranges(self) -> dict[str, Range]:
        """What each number may be, by field."""
        weights = ("known", "palette", "penalty", "judge_rate", "largest_gradient")
        return (
            super().ranges()
            | dict.fromkeys(("first_part", "window_part"), FRACTION)
            | dict.fromkeys(weights, NOT_NEGATIVE)
        )

    def _mistakes(self) -> tuple[tuple[bool, str], ...]:
        return (
            *super()._mistakes(),
            (
                self.objective not in OBJECTIVES,
                f"--objective is one of {', '.join(OBJECTIVES)}",
            ),
            (self.net not in NETS, f"--net is one of {', '.join(NETS)}"),
            (
                self.scenery is not None and self.net != "s",
                "--scenery is a part of --net s",
            ),
            (
                not re.fullmatch(rf"({_PALETTE}(,{_PALETTE})*)?", self.palettes),
                "--palettes is three colours and more such: #rrggbb #rrggbb #rrggbb, ...",
            ),
            (self.devices != 1, "a backdrop generator trains on one device"),
            *(
                (
                    getattr(self, field.name) != field.default,
                    f"--{field.name.replace('_', '-')} is not for backdrops",
                )
                for field in fields(self)
                if field.name in UNUSED
            ),
        )
