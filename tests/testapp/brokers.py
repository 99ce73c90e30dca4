"""Other brokers than the one in memory, for the current process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import kombu.pools
from celery import Celery

from shopimg import broker
from tests.testapp.apps import celery_app


@contextmanager
def using_broker(url: str | None, **settings: object) -> Iterator[Celery]:
    """Send messages to another broker while the block runs, through an app like a host's."""
    app = Celery("host", set_as_current=False)
    app.conf.update(broker_url=url, **settings)
    broker.configure(app)
    _make_current(app)
    try:
        yield app
    finally:
        _make_current(celery_app)
        kombu.pools.reset()
        app.close()


def _make_current(app: Celery) -> None:
    app.set_current()
    app.set_default()
