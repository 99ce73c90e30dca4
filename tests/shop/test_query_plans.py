"""What is asked again and again reads an index, not the whole history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.services import cleaning, publishing
from shopimg.states import Decision, ReviewState
from tests import builders

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)
ROWS = 3000


def mask(number: int) -> str:
    return f"masks/{number:064x}.png"


def public_file(number: int) -> str:
    return f"published/{number % 256:02x}/{number:064x}.jpg"


@pytest.fixture
def history(rosa: User) -> None:
    """Some thousand results that gave way or are shown, and as many decisions about one of them."""
    like = builders.draft()
    made = {"job": like.job, "source_type": like.source_type, "role": "main", "width": 9}
    made |= {"height": 9, "size_bytes": 9, "draft_name": "drafts/a.jpg", "mime_type": "image/jpeg"}
    approved = {"approved_by": rosa, "approved_at": LONG_AGO, "renditions_at": LONG_AGO}
    gave_way = [
        EnhancedVariant(
            **made, source_id=str(number), state=ReviewState.SUPERSEDED, mask_name=mask(number)
        )
        for number in range(ROWS)
    ]
    shown = [
        EnhancedVariant(
            **made,
            **approved,
            source_id=str(number),
            state=ReviewState.PUBLISHED,
            published_at=LONG_AGO,
            published_name=public_file(number),
        )
        for number in range(ROWS)
    ]
    EnhancedVariant.objects.bulk_create([*gave_way, *shown])
    decided = {"variant": like, "decision": Decision.APPROVE, "by": rosa, "at": LONG_AGO}
    ReviewDecision.objects.bulk_create([ReviewDecision(**decided) for _ in range(ROWS)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE shopimg_enhancedvariant, shopimg_reviewdecision")


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda: publishing.withdrawn_with_files(NOW), "shopimg_variant_withdrawn"),
        (lambda: publishing.without_renditions(NOW), "shopimg_variant_one_size"),
        (lambda: cleaning._is_shown(public_file(7)), "shopimg_variant_public_file"),
        (
            lambda: list(EnhancedVariant.objects.filter(mask_name=mask(7)).order_by()),
            "shopimg_variant_mask",
        ),
        (
            lambda: list(EnhancedVariant.objects.order_by("-updated_at", "id")[:26]),
            "shopimg_variant_changed",
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
        cursor.execute(f"EXPLAIN {query['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert f" {index} " in plan, plan
