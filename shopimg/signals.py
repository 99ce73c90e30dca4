"""What hosts may listen to. Every signal is sent after the transaction has been committed."""

from __future__ import annotations

from django.dispatch import Signal

job_finished = Signal()
"""A job ended for good. Arguments: ``job``."""

variant_ready = Signal()
"""A draft waits for review. Arguments: ``variant``."""

variant_published = Signal()
"""A variant is what shoppers see now. Arguments: ``variant``."""

variant_withdrawn = Signal()
"""A variant is not public any more. Arguments: ``variant``."""
