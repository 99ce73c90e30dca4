"""Which part of the network's square frame becomes a frame of another shape."""

from __future__ import annotations

from dataclasses import dataclass

LEARNED_HORIZONS = (0.25, 0.62)
"""Lowest and highest horizon that the network has seen, share of its frame from the bottom."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the network's frame."""

    horizon: float
    """Horizon to ask the network for, share of its whole frame from the bottom."""
    left: float
    """Share of the frame."""
    top: float
    """Share of the frame."""
    width: float
    """Share of the frame."""
    height: float
    """Share of the frame."""


def choose_window(horizon: float, width: int, height: int) -> Window:
    """Choose the largest window whose horizon is where it is wanted.

    Args:
        horizon: wanted, share of the delivered frame from its bottom, above 0, below 1.
        width: of the delivered frame, pixels.
        height: likewise.

    >>> choose_window(0.5, 1000, 500)
    Window(horizon=0.5, left=0.0, top=0.25, width=1.0, height=0.5)
    """
    tall = min(1.0, height / width)
    lowest, highest = LEARNED_HORIZONS
    own = min(max(horizon * tall + (1 - tall) / 2, lowest), highest)
    fitting = min(tall, own / horizon, (1 - own) / (1 - horizon))
    share = fitting * width / height
    bottom = own - horizon * fitting
    return Window(own, (1 - share) / 2, 1 - bottom - fitting, share, fitting)
