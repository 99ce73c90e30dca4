"""When a job was requested last: by it, results that come late are told from those that count."""

import django.db.models.functions.datetime
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shopimg", "0005_candidates_and_masks")]

    operations = [
        migrations.AddField(
            model_name="enhancementjob",
            name="requested_at",
            field=models.DateTimeField(
                default=django.utils.timezone.now,
                db_default=django.db.models.functions.datetime.Now(),
            ),
        ),
    ]
