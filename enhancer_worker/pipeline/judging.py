"""Compares a picture with the upload that it came from: colours are held, text is measured."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Mapping
from typing import Any

from enhancer_worker.pipeline.boxes import Box
from enhancer_worker.pipeline.colour_gate import Colours, unmoved
from enhancer_worker.pipeline.context import Context, Picture
from enhancer_worker.pipeline.text_guard import text_figures
from enhancer_worker.pipeline.text_regions import find_text
from shopimg.contract import StepReport


class Judge:
    """Judges what the steps have made of one upload, while it still shows the same."""

    def __init__(self, original: Picture) -> None:
        """Remember the upload; its colours and texts are looked for when they are needed.

        Args:
            original: as decoded, with colours under transparent pixels.
        """
        self._original = original

    def hold_colours(self, context: Context) -> Context:
        """Correct colours that have moved, and add the figures: after this, pixels are final."""
        if not context.pixels_changed:
            figures = unmoved(context.picture).figures()
            return dataclasses.replace(context, quality={**context.quality, **figures})
        started = time.perf_counter()
        verdict = self._colours.judge(context.picture)
        if verdict is None:
            return context
        details = {"corrected": verdict.corrected}
        report = StepReport("colour_gate", time.perf_counter() - started, details)
        context = dataclasses.replace(context, picture=verdict.picture)
        return _with(context, report, verdict.figures())

    def compare_text(self, context: Context) -> Context:
        """Add the figures of the text in a picture whose colours are held: it is judged then."""
        context = dataclasses.replace(context, judged=True)
        if not context.pixels_changed:
            return context
        started = time.perf_counter()
        runs = [run for report in context.reports for run in report.details.get("runs", ())]
        figures = text_figures(self._original.pixels, context.picture.pixels, self._text, runs)
        report = StepReport("text_guard", time.perf_counter() - started)
        return _with(context, report, figures)

    @functools.cached_property
    def _colours(self) -> Colours:
        return Colours.of(self._original)

    @functools.cached_property
    def _text(self) -> tuple[Box, ...]:
        return find_text(self._original.pixels)


def _with(context: Context, report: StepReport, figures: Mapping[str, Any]) -> Context:
    return dataclasses.replace(
        context,
        reports=(*context.reports, report),
        quality={**context.quality, **figures},
    )
