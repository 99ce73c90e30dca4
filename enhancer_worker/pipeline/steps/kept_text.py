"""Draws text again with the faithful network, after one that invents detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.runner import Finish
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.boxes import Box
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.pipeline.text_guard import keep_text
from shopimg.contract import RecipeError


def redraw_text(
    source: NDArray[np.uint8],
    result: NDArray[np.uint8],
    boxes: Sequence[Box],
    scale: int,
    finish: Finish | None,
    tools: Tools,
) -> tuple[list[LoadedNet], dict[str, Any]]:
    """Put the faithful network's pixels where there is text.

    Args:
        source: (h, w, 3), uint8, RGB: what was enlarged.
        result: (scale * h, scale * w, 3), uint8, RGB, changed in place.
        boxes: text of the source.
        scale: output pixels per source pixel along one axis.
        finish: what the enlargement does to a network's result.
        tools: engine and deadline.

    Returns:
        The networks that ran, and what the report of the run should say; empty without text, and
        where no faithful network ships: the figures of the result then show what became of it.
    """
    try:
        net = tools.engine.net("upscale", scale, "faithful")
    except RecipeError:
        return [], {}

    def draw(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return tools.engine.run(net, part, tools.deadline, finish).pixels

    kept = keep_text(source, result, boxes, net.geometry, draw)
    if kept is None:
        return [], {}
    figures = {"edges_unguarded": kept.edges_unguarded, "edges": kept.edges}
    return [net], {"text": {"network": net.name, "regions": kept.regions, **figures}}
