"""One more state of bulk runs; the database keeps it as text and changes nothing."""

from django.db import migrations, models

from shopimg.states import RunState


class Migration(migrations.Migration):
    dependencies = [("shopimg", "0009_index_of_changes")]

    operations = [
        migrations.AlterField(
            model_name="bulkrun",
            name="state",
            field=models.CharField(
                choices=RunState, default="queueing", max_length=16, verbose_name="state"
            ),
        ),
    ]
