"""Which operations that markets care about were done to a picture, or would be by a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shopimg.contract import Role
from shopimg.contract.steps.scene import PICTURE, PLAIN
from shopimg.presets.rules import Operation


def operations_done(provenance: Mapping[str, Any]) -> frozenset[Operation]:
    """Read what was done from the provenance of a variant; an original has an empty one.

    Args:
        provenance: ``{"operations": [{"name": "upscale", ...}, ...]}``.

    >>> done = [{"name": "upscale", "to": 2000, "skipped": "already as large"}]
    >>> operations_done({"operations": done})
    frozenset()
    """
    return _among(provenance.get("operations", ()))


def operations_of(role: Role) -> frozenset[Operation]:
    """Tell what a role of a recipe would do to a picture that is small."""
    return _among({"name": step.name, **step.options()} for step in role.steps)


def _among(operations: Iterable[Mapping[str, Any]]) -> frozenset[Operation]:
    done = [operation for operation in operations if "skipped" not in operation]
    kinds = {
        Operation.ENLARGEMENT: _enlarges,
        Operation.GENERATED_BACKDROP: _generates,
    }
    return frozenset(kind for kind, is_one in kinds.items() if any(map(is_one, done)))


def _enlarges(operation: Mapping[str, Any]) -> bool:
    """A frame that a product is made to fill enlarges it too."""
    if operation["name"] == "frame":
        return float(operation.get("scale", 1)) > 1
    return bool(operation["name"] == "upscale")


def _generates(operation: Mapping[str, Any]) -> bool:
    """Neither a plain colour nor a photograph of the shop's own is an invention."""
    return operation["name"] == "backdrop" and operation.get("generator") not in (PLAIN, PICTURE)
