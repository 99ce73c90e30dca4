"""Indexes for what sweeps, clean-ups and the review page ask of a long history."""

from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("shopimg", "0007_take_requested_at_from_creation"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The unique constraint begins with the same columns.
        migrations.RemoveIndex(model_name="enhancementjob", name="shopimg_job_source"),
        migrations.AddIndex(
            model_name="enhancedvariant",
            index=models.Index(
                fields=["updated_at"],
                condition=Q(state="superseded", published_at__isnull=True) & ~Q(published_name=""),
                name="shopimg_variant_withdrawn",
            ),
        ),
        migrations.AddIndex(
            model_name="enhancedvariant",
            index=models.Index(
                fields=["updated_at"],
                condition=Q(state="published", renditions_at__isnull=True),
                name="shopimg_variant_one_size",
            ),
        ),
        migrations.AddIndex(
            model_name="enhancedvariant",
            index=models.Index(
                fields=["published_name"],
                opclasses=["varchar_pattern_ops"],
                condition=Q(state="published"),
                name="shopimg_variant_public_file",
            ),
        ),
        migrations.AddIndex(
            model_name="enhancedvariant",
            index=models.Index(
                fields=["mask_name"], condition=~Q(mask_name=""), name="shopimg_variant_mask"
            ),
        ),
        migrations.AddIndex(
            model_name="reviewdecision",
            index=models.Index(fields=["by", "at"], name="shopimg_decision_of_reviewer"),
        ),
        # The new index begins with the same column.
        migrations.AlterField(
            model_name="reviewdecision",
            name="by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=models.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
