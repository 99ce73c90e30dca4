"""Cut-outs by the networks that `rembg` knows: an extra, for who prefers one of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shopimg.contract import RecipeError, WorkerError


def rembg_alpha(pixels: NDArray[np.uint8], session: str) -> NDArray[np.uint8]:
    """Alpha of the product.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        session: a name of rembg's, such as `isnet-general-use`; one that runs a network of
            somebody's own, such as `u2net_custom`, takes it from the folder of its networks.

    Returns:
        (H, W), uint8.

    Raises:
        RecipeError: rembg has no such session on this machine, or it makes several masks.
        WorkerError: rembg is not installed, or its network can be neither found nor fetched.
    """
    rembg = _import_rembg()
    loaded = _session(session, network_stamp(session))
    mask = rembg.remove(Image.fromarray(pixels), session=loaded, only_mask=True)
    if mask.size != pixels.shape[1::-1]:
        raise RecipeError(f"rembg's session {session!r} makes several masks: name another one.")
    return np.asarray(mask.convert("L"))


def network_stamp(session: str) -> str:
    """Tell apart the files that have been a session's network; empty before there is one.

    Raises:
        RecipeError: rembg has no such session on this machine.
        WorkerError: rembg is not installed.
    """
    try:
        status = _network_file(session).stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _network_file(name: str) -> Path:
    rembg = _import_rembg()
    # The others send the picture to somebody else's servers.
    kinds = {kind.name(): kind for kind in rembg.sessions.sessions_class if kind.is_local()}
    if name not in kinds:
        raise RecipeError(
            f"rembg has no session {name!r} that runs here; there are {', '.join(sorted(kinds))}."
        )
    return Path(kinds[name].rembg_home(), f"{name}.onnx")


@functools.lru_cache(maxsize=1)
def _session(name: str, _stamp: str) -> Any:
    """Load one of rembg's networks, fetching it first where it is not there."""
    file = _network_file(name)
    try:
        # Only the sessions for networks of one's own look at the path.
        return _import_rembg().new_session(name, model_path=str(file))
    # It downloads by pooch and loads by onnxruntime; their errors have no base but this one.
    except Exception as err:
        raise WorkerError(
            detail=f"rembg cannot load {name!r} ({type(err).__name__}: {err}). Offline, put its "
            f"network as {name}.onnx into the folder that U2NET_HOME names"
        ) from err


def _import_rembg() -> Any:
    try:
        with _uncompiled():
            import rembg  # noqa: PLC0415 - an extra, and it takes seconds
            import rembg.sessions  # noqa: PLC0415 - likewise
    except (ImportError, SystemExit) as err:
        # Without onnxruntime it ends the process instead of raising.
        raise WorkerError(
            detail=f'cutting out by rembg needs an extra: pip install "shopimg[rembg]" ({err})'
        ) from err
    return rembg


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Leave pymatting as Python: rembg imports it for what we do not use, a minute of compiling."""
    import numba  # noqa: PLC0415 - comes with rembg

    # Its attributes are set when it is read.
    config: Any = numba.config
    before = config.DISABLE_JIT
    config.DISABLE_JIT = True
    try:
        yield
    finally:
        config.DISABLE_JIT = before
