"""The backdrop that is a picture of the shop's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from enhancer_worker.pipeline.backdrops.protocol import BackdropImage
from enhancer_worker.pipeline.decode import decode, open_source
from enhancer_worker.pipeline.steps.outcome import Tools
from shopimg.contract import Backdrop, RecipeError, SourceError, WorkerError


def from_file(step: Backdrop, width: int, height: int, tools: Tools) -> BackdropImage:
    """Cover the frame with a file of ``ENHANCER_BACKDROPS_DIR``; see ``BackdropGenerator``.

    What is too wide or too high is cut off on both sides alike; transparency is left out.
    """
    folder = tools.engine.config.backdrops_dir
    if folder is None:
        raise WorkerError(detail=f"ENHANCER_BACKDROPS_DIR is not set, {step.image!r} is needed")
    picture = Image.fromarray(_read(folder, step.image))
    scale = max(width / picture.width, height / picture.height)
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return BackdropImage(np.array(fitted), {"image": step.image, "scale": round(scale, 3)})


def _read(folder: Path, name: str) -> NDArray[np.uint8]:
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError as err:
        raise RecipeError(f"The workers have no backdrop {name!r}.", detail=str(folder)) from err
    except OSError as err:
        raise WorkerError(detail=f"backdrop {name!r}: {err}") from err
    try:
        # As suspicious as with uploads: a backdrop is a file that somebody has put there.
        picture, _facts = decode(open_source(content))
    except SourceError as err:
        raise RecipeError(
            f"The backdrop {name!r} cannot be used: {err.public_message}", detail=err.detail
        ) from err
    return picture.pixels
