"""Writes the file of a finished picture and checks what the file shows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.context import Context, Picture
from enhancer_worker.pipeline.encode import EncodedFile, encode, encode_mask
from enhancer_worker.pipeline.locks import check_locks
from shopimg.contract import Backdrop, EnhancedImage, Output, Step, StepReport
from shopimg.contract.provenance import xmp_packet


@dataclass(frozen=True, slots=True)
class Written:
    """A file, and what was found out while it was written."""

    file: EncodedFile
    """What will be stored."""
    source_type: str
    """The origin that it declares: an IPTC URI."""
    reports: tuple[StepReport, ...]
    """Of writing it and of checking it, in order."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """Figures of the checks, by name."""
    mask: bytes = b""
    """What was cut out, as a PNG in the size of the upload; empty where nothing was."""


def write(
    context: Context,
    step: Step | None,
    output: Output,
    source_type: str,
    size: tuple[int, int],
) -> Written:
    """Encode a picture; check that a product came through its backdrop and the encoder as it was.

    Args:
        context: a finished picture; it need not be judged yet.
        step: the last one that was taken; None where the recipe has none.
        output: format and quality.
        source_type: origin to declare, an IPTC URI.
        size: width and height of the upload, pixels.

    Raises:
        RecipeError: this installation cannot write the format.
        PixelLockError: the product is not what it was.
    """
    started = time.perf_counter()
    white = _white(context.product, step)
    file = encode(context.picture, output, xmp_packet(source_type), white)
    details = {"format": file.format, "bytes": len(file.content)}
    reports = [StepReport("encode", time.perf_counter() - started, details)]
    figures: Mapping[str, float] = {}
    if context.product is not None and isinstance(step, Backdrop):
        started = time.perf_counter()
        figures = check_locks(context.product, context.picture, file, step)
        reports.append(StepReport("locks", time.perf_counter() - started))
    mask = b"" if context.mask is None else encode_mask(context.mask, size)
    return Written(file, source_type, tuple(reports), figures, mask)


def _white(product: Picture | None, step: Step | None) -> NDArray[np.bool_] | None:
    """Return where the file is to be exactly white: (H, W); None where a backdrop shows."""
    if product is None or product.alpha is None:
        return None
    if not isinstance(step, Backdrop) or not step.is_white:
        return None
    return np.equal(product.alpha, 0)


def enhanced_image(role: str, candidate: int, context: Context, written: Written) -> EnhancedImage:
    """Put together what the shop is given.

    Args:
        role: of the image.
        candidate: which of the role's images it is, from 0.
        context: the finished picture, judged.
        written: its file.
    """
    return EnhancedImage(
        role=role,
        content=written.file.content,
        mime_type=written.file.mime_type,
        width=context.picture.width,
        height=context.picture.height,
        steps=(*context.reports, *written.reports),
        digital_source_type=written.source_type,
        weights=context.weights,
        quality={**context.quality, **written.quality},
        candidate=candidate,
        mask=written.mask,
    )
