"""Starts several threads at the same instant, each with its own connection to the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from shopimg.contract import EnhancementError


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Run actions in threads that start together; return results or errors, in their order."""
    barrier = threading.Barrier(len(actions))
    outcomes: list[Any] = [None] * len(actions)

    def act(index: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait()
            outcomes[index] = actions[index]()
        except EnhancementError as err:
            outcomes[index] = err
        except BaseException as err:
            outcomes[index] = AssertionError(f"unexpected {type(err).__name__}: {err}")
            raise
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=[index]) for index in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    unexpected = [outcome for outcome in outcomes if isinstance(outcome, AssertionError)]
    assert unexpected == []
    return outcomes
