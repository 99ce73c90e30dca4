"""Requests that a client may safely send again: one key, one body, one job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from shopimg.models import EnhancementJob, IdempotencyKey

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class KeyReusedError(Exception):
    """This Idempotency-Key has been used for another request."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request."""

    job: EnhancementJob
    """The job that the key stands for."""
    replayed: bool
    """Whether an earlier request with the same key had created it."""


def once(
    user: AbstractBaseUser,
    key: str,
    body: Mapping[str, str],
    create: Callable[[], EnhancementJob],
) -> Outcome:
    """Create a job, or return the one that the same key and body have created before.

    Args:
        user: whose key it is; users do not share keys.
        key: chosen by the client.
        body: what is asked for; compared with what the key was first used for.
        create: makes the job, in the transaction that also stores the key.

    Raises:
        KeyReusedError: the key was used for another body; nothing was created.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    earlier = _find(user, key)
    if earlier is None:
        try:
            with transaction.atomic():
                job = create()
                IdempotencyKey.objects.create(
                    user_id=user.pk, key=key, request_digest=digest, job=job
                )
        except IntegrityError:
            # The same key arrived twice at once; the one that came first counts.
            earlier = _find(user, key)
            if earlier is None:
                raise
        else:
            return Outcome(job, replayed=False)
    if earlier.request_digest != digest:
        raise KeyReusedError
    return Outcome(earlier.job, replayed=True)


def _find(user: AbstractBaseUser, key: str) -> IdempotencyKey | None:
    return IdempotencyKey.objects.select_related("job").filter(user=user.pk, key=key).first()
