"""What hosts may listen to. Every signal is sent after the transaction has been committed."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import Model
from django.dispatch import Signal

job_finished = Signal()
"""A job ended for good, also one whose upload was refused at once. Arguments: ``job``."""

variant_ready = Signal()
"""A draft waits for review. Arguments: ``variant``."""

variant_published = Signal()
"""A variant is what shoppers see now. Arguments: ``variant``."""

renditions_ready = Signal()
"""The responsive sizes of what shoppers see are there now. Arguments: ``variant``."""

variant_withdrawn = Signal()
"""A variant was taken out, and no newer one took its place. Arguments: ``variant``."""


def send_after_commit(signal: Signal, **arguments: Model) -> None:
    """Send a signal once the transaction is committed; what receivers raise is only logged.

    Args:
        signal: one of those above.
        **arguments: what it is about; the class of the first is the sender.
    """
    sender = type(next(iter(arguments.values())))
    transaction.on_commit(partial(signal.send_robust, sender=sender, **arguments), robust=True)
