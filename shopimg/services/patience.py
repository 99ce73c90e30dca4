"""Write what must not be lost, also while the database restarts or refuses a deadlock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections, transaction

logger = logging.getLogger(__name__)

T = TypeVar("T")
WAITS_SECONDS = (1, 2, 4, 8, 16)
"""Between attempts; the lease of a job that is not lost lasts longer."""


def persist(write: Callable[[], T]) -> T:
    """Do what is written in one transaction, and again where the database refused it.

    Within a transaction of the caller it is done once: only the whole of that can be repeated.

    Raises:
        OperationalError: the database has not come back, or refuses it every time.
        InterfaceError: the same, of some drivers.
    """
    for wait in WAITS_SECONDS:
        drop_lost_connections()
        try:
            return write()
        except (OperationalError, InterfaceError) as err:
            if transaction.get_connection().in_atomic_block:
                raise
            reason = str(err).partition("\n")[0]
            logger.warning("the database refuses a write, again in %d s: %s", wait, reason)
            time.sleep(wait)
    drop_lost_connections()
    return write()


def drop_lost_connections() -> None:
    """Close connections that the server has ended, so that the next query opens another one."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
