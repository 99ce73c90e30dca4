"""The enhancer that the settings name, and what can be known about it without importing it."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from shopimg.conf import settings
from shopimg.contract import EnhancedImage, Enhancer, Recipe, WorkerError

_loading = threading.Lock()


def get_enhancer() -> Enhancer:
    """Load the enhancer, once per process. Called by workers only.

    Raises:
        WorkerError: it cannot be imported or is not an enhancer.
    """
    with _loading:  # the cache alone lets each of several threads load one
        return _load_enhancer()


@functools.cache
def _load_enhancer() -> Enhancer:
    try:
        enhancer = import_string(settings.ENHANCER)()
    except ImportError as err:
        raise WorkerError(detail=f"SHOPIMG['ENHANCER'] = {settings.ENHANCER!r}: {err}") from err
    if not isinstance(enhancer, Enhancer):
        raise WorkerError(detail=f"{settings.ENHANCER} is not an Enhancer.")
    return enhancer


def weights_path() -> Path | None:
    """Return the folder of the enhancer's weights, or None for one that ships none.

    It is the one that the setting names, else ``weights`` in the enhancer's top-level package,
    where that holds ``weights.json``. The package is found, not imported: a web process must know
    the digests and must not load the networks.
    """
    if settings.WEIGHTS_DIR:
        return Path(settings.WEIGHTS_DIR)
    shipped = (package / "weights" for package in _packages())
    return next((path for path in shipped if (path / "weights.json").is_file()), None)


@functools.cache
def weights_manifest() -> Mapping[str, Mapping[str, Any]]:
    """Return the entries of ``weights.json``: weight name -> ``{"sha256": ..., ...}``."""
    path = weights_path()
    if path is None:
        return {}
    manifest: Mapping[str, Mapping[str, Any]] = json.loads((path / "weights.json").read_text())
    return manifest["weights"]


def weights_files() -> dict[Path, str]:
    """Return the files of the weights with their digests; none where the enhancer cannot run.

    A web process may be installed with ``weights.json`` alone: it needs the digests only.
    """
    folder = weights_path()
    if folder is None or not any(map(_holds_enhancer, _packages())):
        return {}
    return {
        folder / file: digest
        for name, entry in weights_manifest().items()
        for file, digest in _digests(name, entry).items()
    }


def weights_for(recipe: Recipe) -> dict[str, str]:
    """Return the digests of the weights that a recipe may run, by weight name.

    Which tier runs is the worker's choice, so all tiers count; what a recipe cannot reach, such
    as another flavour or the references, does not. A network that was only quantised anew counts
    as another one: the worker may run any of its files.
    """
    manifest = weights_manifest()
    return {name: _digest(name, manifest[name]) for name in sorted(recipe.weights(manifest))}


def check_results(images: Iterable[EnhancedImage]) -> None:
    """Refuse results of other weights than the shop counts on: they would pass for up to date.

    Raises:
        WorkerError: the worker runs other weights.
    """
    for image in images:
        check_digests(image.weights)


def check_digests(weights: Mapping[str, str]) -> None:
    """Refuse weights that are not those of the shop's ``weights.json``.

    Args:
        weights: weight name -> sha256; names that are not listed there pass, as those of networks
            from elsewhere, for which the recipe itself says which they must be.

    Raises:
        WorkerError: one of them is another one.
    """
    manifest = weights_manifest()
    for name, digest in weights.items():
        expected = manifest[name]["sha256"] if name in manifest else digest
        if digest != expected:
            raise WorkerError(
                detail=f"{name}: the shop expects the weights {expected[:12]} of "
                f"{weights_path()}, this worker runs {digest[:12]}; let "
                "ENHANCER_WEIGHTS_DIR and SHOPIMG['WEIGHTS_DIR'] name the same folder, and "
                "start workers again after files were exchanged in it"
            )


def _packages() -> list[Path]:
    """Return where the enhancer's top-level package lies; in one place, as a rule."""
    spec = importlib.util.find_spec(settings.ENHANCER.partition(".")[0])
    return [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


def _holds_enhancer(package: Path) -> bool:
    """Tell whether a package has the enhancer's module, without importing it."""
    module = package.joinpath(*settings.ENHANCER.split(".")[1:-1])
    return module.with_suffix(".py").is_file() or (module / "__init__.py").is_file()


def _digest(name: str, entry: Mapping[str, Any]) -> str:
    files = json.dumps(_digests(name, entry), sort_keys=True)
    return hashlib.sha256(files.encode()).hexdigest()


def _digests(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    int8 = entry.get("int8") or {"sha256": {}}
    exported = {**entry.get("openvino_sha256", {}), **int8["sha256"]}
    return {f"{name}.safetensors": entry["sha256"], **exported}


def _reset(*, setting: str, **_: object) -> None:
    if setting == "SHOPIMG":
        _load_enhancer.cache_clear()
        weights_manifest.cache_clear()


setting_changed.connect(_reset, dispatch_uid="shopimg.enhancers")
