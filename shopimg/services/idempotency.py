"""Requests that a client may safely send again: one key, one body, one job or run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone

from shopimg.models import BulkRun, EnhancementJob, IdempotencyKey

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

KEPT_HOURS = 24
"""How long a key stands for what it has created; afterwards it may be used again."""

_Made = TypeVar("_Made", EnhancementJob, BulkRun)

_COLUMNS: Mapping[type, str] = {EnhancementJob: "job", BulkRun: "bulk_run"}


class KeyReusedError(Exception):
    """This Idempotency-Key has been used for another request."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_Made]):
    """What became of a request."""

    made: _Made
    """The job or run that the key stands for."""
    replayed: bool
    """Whether an earlier request with the same key had created it."""


@dataclass(frozen=True, slots=True)
class Request:
    """Whose request it is, and what makes it the same one."""

    user: AbstractBaseUser
    """Whose key it is; users do not share keys."""
    key: str
    """Chosen by the client."""
    body: Mapping[str, Any]
    """What is asked for, as JSON; compared with what the key was first used for."""

    @property
    def digest(self) -> str:
        """Sha256 of the body."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()


def once(request: Request, kind: type[_Made], create: Callable[[], _Made]) -> Outcome[_Made]:
    """Create a job or run, or return the one that the same key and body have created before.

    Args:
        request: the key and what it is used for.
        kind: what ``create`` makes.
        create: makes it, in the transaction that also stores the key.

    Raises:
        KeyReusedError: the key was used for something else; nothing was created.
    """
    earlier = _find(request)
    if earlier is None:
        try:
            with transaction.atomic():
                made = create()
                _store(request, made)
        except IntegrityError:
            # The same key arrived twice at once; the one that came first counts.
            earlier = _find(request)
            if earlier is None:
                raise
        else:
            return Outcome(made, replayed=False)
    made_before: _Made | None = getattr(earlier, _COLUMNS[kind])
    if made_before is None or earlier.request_digest != request.digest:
        raise KeyReusedError
    return Outcome(made_before, replayed=True)


def delete_expired() -> int:
    """Delete the keys that are older than ``KEPT_HOURS``, and return how many there were."""
    return IdempotencyKey.objects.filter(created_at__lt=_oldest()).delete()[0]


def _find(request: Request) -> IdempotencyKey | None:
    keys = IdempotencyKey.objects.filter(user=request.user.pk, key=request.key)
    found = keys.select_related("job", "bulk_run").first()
    if found is not None and found.created_at < _oldest():
        # The clean-up may not have come by; a key ends on time all the same.
        keys.filter(pk=found.pk).delete()
        return None
    return found


def _store(request: Request, made: EnhancementJob | BulkRun) -> None:
    IdempotencyKey.objects.create(
        user_id=request.user.pk,
        key=request.key,
        request_digest=request.digest,
        **{_COLUMNS[type(made)]: made},
    )


def _oldest() -> datetime:
    return timezone.now() - timedelta(hours=KEPT_HOURS)
