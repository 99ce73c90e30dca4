"""The enhancer that the settings name, and what can be known about it without importing it."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from shopimg.conf import settings
from shopimg.contract import Enhancer, WorkerError


@functools.cache
def get_enhancer() -> Enhancer:
    """Load the enhancer, once per process. Called by workers only.

    Raises:
        WorkerError: it cannot be imported or is not an enhancer.
    """
    try:
        enhancer = import_string(settings.ENHANCER)()
    except ImportError as err:
        raise WorkerError(detail=f"SHOPIMG['ENHANCER'] = {settings.ENHANCER!r}: {err}") from err
    if not isinstance(enhancer, Enhancer):
        raise WorkerError(detail=f"{settings.ENHANCER} is not an Enhancer.")
    return enhancer


def weights_path() -> Path | None:
    """Return the folder of the enhancer's weights, or None for one that ships none.

    An enhancer's top-level package may hold ``weights/weights.json``. The package is found, not
    imported: a web process must know the digests and must not load the networks.
    """
    spec = importlib.util.find_spec(settings.ENHANCER.partition(".")[0])
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "weights"
        if (path / "weights.json").is_file():
            return path
    return None


@functools.cache
def weights_manifest() -> Mapping[str, Mapping[str, Any]]:
    """Return the entries of ``weights.json``: weight name -> ``{"sha256": ..., ...}``."""
    path = weights_path()
    if path is None:
        return {}
    manifest: Mapping[str, Mapping[str, Any]] = json.loads((path / "weights.json").read_text())
    return manifest["weights"]


def weights_for(steps: frozenset[str]) -> dict[str, str]:
    """Return the digests of the weights behind some steps, by weight name.

    The name of a weights file starts with its step: ``upscale_x2_s``.
    """
    manifest = weights_manifest()
    return {
        name: entry["sha256"] for name, entry in manifest.items() if name.partition("_")[0] in steps
    }


def _reset(*, setting: str, **_: object) -> None:
    if setting == "SHOPIMG":
        get_enhancer.cache_clear()
        weights_manifest.cache_clear()


setting_changed.connect(_reset, dispatch_uid="shopimg.enhancers")
