"""An index for clients of the API that ask for what has changed last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shopimg", "0008_indexes_of_history")]

    operations = [
        migrations.AddIndex(
            model_name="enhancedvariant",
            index=models.Index(fields=["-updated_at", "id"], name="shopimg_variant_changed"),
        ),
    ]
