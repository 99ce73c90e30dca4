"""Cut-outs by the networks that `rembg` knows: an extra, for who prefers one of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shopimg.contract import RecipeError, WorkerError


def rembg_alpha(pixels: NDArray[np.uint8], session: str) -> NDArray[np.uint8]:
    """Alpha of the product.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        session: a name of rembg's, such as `isnet-general-use`.

    Returns:
        (H, W), uint8.

    Raises:
        RecipeError: rembg has no such session.
        WorkerError: rembg is not installed, or its network can be neither found nor fetched.
    """
    rembg = _import_rembg()
    mask = rembg.remove(Image.fromarray(pixels), session=_session(session), only_mask=True)
    return np.asarray(mask.convert("L"))


@functools.lru_cache(maxsize=1)
def _session(name: str) -> Any:
    """Load one of rembg's networks, fetching it first where it is not there."""
    rembg = _import_rembg()
    known = [kind.name() for kind in rembg.sessions.sessions_class]
    if name not in known:
        raise RecipeError(f"rembg has no session {name!r}; there are {', '.join(sorted(known))}.")
    try:
        return rembg.new_session(name)
    # It downloads by pooch and loads by onnxruntime; their errors have no base but this one.
    except Exception as err:
        raise WorkerError(
            detail=f"rembg cannot load {name!r} ({type(err).__name__}: {err}). Offline, put its "
            "network into the folder that U2NET_HOME names before the worker starts"
        ) from err


def _import_rembg() -> Any:
    try:
        import rembg  # noqa: PLC0415 - an extra, and it takes seconds
        import rembg.sessions  # noqa: PLC0415 - likewise
    except (ImportError, SystemExit) as err:
        # Without onnxruntime it ends the process instead of raising.
        raise WorkerError(
            detail=f'cutting out by rembg needs an extra: pip install "shopimg[rembg]" ({err})'
        ) from err
    return rembg
