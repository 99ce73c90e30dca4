"""Makes everything but the product transparent."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.matting.confidence import SHIPPED
from enhancer_worker.matting.cut import CutOut, cut_out
from enhancer_worker.matting.foreground import foreground
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.transparency import is_cut_out, on_white
from shopimg.contract import Cutout, MaskError, ProductNotFoundError, RecipeError

_OPAQUE = 128
_NOT_FOUND = (
    "No product was found in this photo. Upload one that shows it whole and apart from its "
    "background, or use a recipe without a cut-out."
)


def cutout(picture: Picture, step: Cutout, tools: Tools) -> StepOutcome:
    """Find the product and give its edge its own colours.

    Pixels that are wholly of the product stay as they are.

    Args:
        picture: any size; one that is cut out already keeps its own transparency, any other one is
            laid on white first.
        step: a corrected mask or an engine, where our network is not to be asked.
        tools: engine, deadline and corrected masks.

    Raises:
        ProductNotFoundError: the photo shows none.
        RecipeError: the mask is not there, or cannot be decoded.
        MaskError: the mask is empty.
        WorkerError: the engine that the step names is not installed or has no network.
    """
    if picture.alpha is not None and not is_cut_out(picture.alpha):
        picture = replace(picture, pixels=on_white(picture.pixels, picture.alpha), alpha=None)
    if step.mask:
        return _by_mask(picture, step.mask, tools)
    if picture.alpha is not None:
        _check_found(picture.alpha)
        details = {"skipped": "already transparent"}
        return StepOutcome(picture, details, mask=picture.alpha)
    if step.engine:
        return _by_rembg(picture, step.engine)
    return _by_network(picture, tools)


def _by_network(picture: Picture, tools: Tools) -> StepOutcome:
    net = tools.engine.net("cutout", 1)
    tools.deadline.check()
    found = cut_out(net.session, picture.pixels)
    _check_found(found.alpha)
    details = {
        "network": net.name,
        "device": net.session.device,
        "calibration": SHIPPED.version,
    }
    weights = {net.name: net.digest}
    return _outcome(picture, found, details, weights)


def _by_rembg(picture: Picture, session: str) -> StepOutcome:
    from enhancer_worker.matting.rembg_engine import rembg_alpha  # noqa: PLC0415 - an extra

    alpha = rembg_alpha(picture.pixels, session)
    _check_found(alpha)
    found = CutOut(foreground(picture.pixels, alpha), alpha, confidence=None)
    return _outcome(picture, found, {"engine": "rembg", "session": session}, {})


def _by_mask(picture: Picture, digest: str, tools: Tools) -> StepOutcome:
    if digest not in tools.masks:
        raise RecipeError(f"The mask {digest[:12]} did not come with the job: upload it again.")
    alpha = read_mask(tools.masks[digest], picture.width, picture.height)
    if not _shows_product(alpha):
        raise MaskError("The mask is empty: paint the product white.")
    # Somebody has looked at it.
    found = CutOut(foreground(picture.pixels, alpha), alpha, confidence=1.0)
    return _outcome(picture, found, {"mask": digest}, {})


def read_mask(content: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Decode a mask and fit it to a picture.

    Args:
        content: a picture in which the product is white.
        width: of the picture, pixels.
        height: of the picture, pixels.

    Returns:
        (H, W), uint8.

    Raises:
        RecipeError: it cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            grey = image.convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as err:
        raise RecipeError("The mask cannot be read: upload it as PNG.", detail=str(err)) from err
    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.BICUBIC)
    return np.array(grey)


def _outcome(
    picture: Picture, found: CutOut, details: dict[str, object], weights: dict[str, str]
) -> StepOutcome:
    result = replace(picture, pixels=found.colour, alpha=found.alpha)
    figures = {"cutout_share": round(float(found.alpha.mean()) / 255, 4)}
    if found.confidence is not None:
        figures["cutout_confidence"] = round(found.confidence, 4)
    return StepOutcome(result, details, weights, figures, mask=found.alpha)


def _check_found(alpha: NDArray[np.uint8]) -> None:
    if not _shows_product(alpha):
        raise ProductNotFoundError(_NOT_FOUND)


def _shows_product(alpha: NDArray[np.uint8]) -> bool:
    return bool((alpha >= _OPAQUE).any())
