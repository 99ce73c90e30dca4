"""When a job was requested last: by it, results that come late are told from those that count."""

from typing import Any

import django.utils.timezone
from django.db import migrations, models
from django.db.models import F


def take_from_creation(apps: Any, schema_editor: Any) -> None:
    jobs = apps.get_model("shopimg", "EnhancementJob").objects.using(schema_editor.connection.alias)
    jobs.update(requested_at=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("shopimg", "0005_candidates_and_masks")]

    operations = [
        migrations.AddField(
            model_name="enhancementjob",
            name="requested_at",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="requested"),
        ),
        migrations.RunPython(take_from_creation, migrations.RunPython.noop, elidable=True),
    ]
