"""``Idempotency-Key``: a request that is sent again is answered as before, and does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import idempotency

MAX_KEY_LENGTH = 255
"""Longest accepted ``Idempotency-Key``."""

_Made = TypeVar("_Made", EnhancementJob, BulkRun)


def once(
    request: Request, kind: type[_Made], body: Mapping[str, Any], make: Callable[[], _Made]
) -> tuple[_Made, dict[str, str]]:
    """Make a job or run, or find the one that the request's ``Idempotency-Key`` stands for.

    Args:
        request: of a user who is logged in.
        kind: what ``make`` makes.
        body: what is asked for, as JSON.
        make: called unless it was made before.

    Returns:
        What was made now or then, and the headers that tell which.

    Raises:
        ValidationError: the key is empty, too long, or not printable.
        KeyReusedError: the key belongs to another request.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return make(), {}
    if not (0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        message = f"1 to {MAX_KEY_LENGTH} printable characters."
        raise ValidationError({"Idempotency-Key": message})
    same = idempotency.Request(cast("Any", request.user), key, body)
    outcome = idempotency.once(same, kind, make)
    return outcome.made, {"Idempotency-Replayed": "true"} if outcome.replayed else {}
