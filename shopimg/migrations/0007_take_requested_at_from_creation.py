"""Jobs of before were requested when they were created; in batches, so that nobody waits for it."""

from typing import Any

from django.db import migrations
from django.db.models import F
from django.utils import timezone

BATCH = 5000


def take_from_creation(apps: Any, schema_editor: Any) -> None:
    jobs = apps.get_model("shopimg", "EnhancementJob").objects.using(schema_editor.connection.alias)
    # What is asked for again in the meantime keeps its moment.
    left = jobs.filter(requested_at__lt=timezone.now()).order_by("pk")
    while keys := list(left.values_list("pk", flat=True)[:BATCH]):
        jobs.filter(pk__in=keys).update(requested_at=F("created_at"))
        left = left.filter(pk__gt=keys[-1])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shopimg", "0006_requested_at")]

    operations = [
        migrations.RunPython(take_from_creation, migrations.RunPython.noop, elidable=True),
    ]
