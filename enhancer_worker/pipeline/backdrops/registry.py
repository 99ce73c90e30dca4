"""Finds the generator that a recipe names: one of those built in, or an import path."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from enhancer_worker.pipeline.backdrops.protocol import BackdropGenerator
from shopimg.contract import RecipeError, WorkerError

BUILT_IN: Mapping[str, str] = {
    "colour": "enhancer_worker.pipeline.backdrops.colour.plain",
    "gan": "enhancer_worker.pipeline.backdrops.gan.generated",
    "image": "enhancer_worker.pipeline.backdrops.image.from_file",
}
"""Import paths by name: only what a recipe asks for is loaded."""


def generator(name: str) -> BackdropGenerator:
    """Return what makes the backdrops of a recipe.

    Args:
        name: one of ``BUILT_IN``, or the dotted path of something that is called like a
            ``BackdropGenerator``.

    Raises:
        RecipeError: there is no such generator, or it cannot be called.
        WorkerError: its module fails while it is imported.
    """
    path = BUILT_IN.get(name, name)
    module, dot, attribute = path.rpartition(".")
    if not dot:
        known = ", ".join(BUILT_IN)
        raise RecipeError(f"This worker has no backdrop generator {name!r}, only {known}.")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as err:
        raise RecipeError(
            f"There is no backdrop generator {name!r} in this worker.", detail=str(err)
        ) from err
    except Exception as err:
        raise WorkerError(detail=f"backdrop generator {name!r}: {err}") from err
    if not callable(found):
        raise RecipeError(f"The backdrop generator {name!r} cannot be called.")
    made: BackdropGenerator = found() if isinstance(found, type) else found
    return made
