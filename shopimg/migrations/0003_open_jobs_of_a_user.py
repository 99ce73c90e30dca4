"""Counting the open jobs of one user must not cost more as the table grows."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("shopimg", "0002_api_bulk_runs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="enhancementjob",
            index=models.Index(
                condition=models.Q(("bulk", False), ("state__in", ["queued", "running"])),
                fields=["requested_by"],
                name="shopimg_job_open_of_user",
            ),
        ),
    ]
