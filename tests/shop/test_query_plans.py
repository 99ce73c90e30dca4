"""What is asked again and again reads an index, not the whole history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.services import publishing

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, tzinfo=UTC)
MASK = f"masks/{'0' * 64}.png"


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda: publishing.withdrawn_with_files(NOW), "shopimg_variant_withdrawn"),
        (lambda: publishing.without_renditions(NOW), "shopimg_variant_one_size"),
        (
            lambda: list(EnhancedVariant.objects.filter(mask_name=MASK).order_by()),
            "shopimg_variant_mask",
        ),
        (
            lambda: ReviewDecision.objects.filter(by=1, at__gte=NOW).count(),
            "shopimg_decision_of_reviewer",
        ),
    ],
)
def test_question__is_answered_by_its_index(ask: Callable[[], object], index: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        ask()
    (query,) = queries.captured_queries
    with connection.cursor() as cursor:
        # A table of no rows is read whole by right.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert f" {index} " in plan, plan
