"""The demo shop without any server: SQLite, local files, a broker made of files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.stack import ROOT

SERVERS = ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET_MEDIA")

UPLOAD = """
import io
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection
from PIL import Image
call_command("migrate", verbosity=0)
call_command("check")
from demoshop.models import Product, ProductImage
from shopimg.models import EnhancementJob
pixels = io.BytesIO()
Image.new("RGB", (64, 48), "white").save(pixels, "JPEG")
product = Product.objects.create(name="Mug", slug="mug", category="kitchen", price=9)
upload = ContentFile(pixels.getvalue(), "mug.jpg")
ProductImage.objects.create(product=product, alt="A mug", original=upload)
job = EnhancementJob.objects.get()
print(connection.vendor, job.state, job.sent_at is not None)
"""


def test_embedded__an_upload_becomes_a_job_that_is_sent(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SERVERS}
    result = subprocess.run(
        [sys.executable, ROOT / "manage.py", "shell", "--verbosity=0", "--command", UPLOAD],
        env={
            **environment,
            "DJANGO_SETTINGS_MODULE": "demoshop.settings",
            "DEMO_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "sqlite queued True"
