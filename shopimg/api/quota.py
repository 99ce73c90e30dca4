"""The quota of open jobs, as a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopimg.api.exceptions import QuotaReached
from shopimg.services import quotas

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def check_jobs(user: AbstractBaseUser) -> None:
    """Refuse another job while too many of a user's own are open.

    Raises:
        QuotaReached: ``API_OPEN_JOBS_PER_USER`` is reached.
    """
    try:
        quotas.check_jobs(user)
    except quotas.QuotaExceededError as err:
        raise QuotaReached from err
