"""A real S3-compatible server, and the public web address of its public buckets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.process import accepts_connections, free_port, running

RCLONE = Path(sys.executable).with_name("rclone")
BUCKETS = {
    "media": "shopimg-media",
    "drafts": "shopimg-drafts",
    "published": "shopimg-published",
}
"""What a bucket is for -> its name; drafts are the only private one."""


@dataclass(frozen=True)
class S3Server:
    """Where a running S3 server listens."""

    port: int
    """TCP port on 127.0.0.1 where signed requests are answered."""
    public_port: int
    """TCP port on 127.0.0.1 that serves the public buckets to everybody, as a CDN does."""
    folder: Path
    """Where the objects are: one folder per bucket."""

    access_key = "shopimg"
    secret_key = "not-a-secret"
    region = "us-east-1"

    @property
    def endpoint_url(self) -> str:
        """Address of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_url(self) -> str:
        """Address under which ``/<bucket>/<key>`` of a public bucket can be read unsigned."""
        return f"http://127.0.0.1:{self.public_port}"

    def storage_options(self, bucket: str) -> dict[str, Any]:
        """Return the ``OPTIONS`` by which ``STORAGES`` names one of the buckets."""
        return {
            "bucket_name": BUCKETS[bucket],
            "endpoint_url": self.endpoint_url,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "region_name": self.region,
            "addressing_style": "path",
            "signature_version": "s3v4",
            "file_overwrite": False,
        }

    def environment(self) -> dict[str, str]:
        """Return the variables by which the demo shop finds the server."""
        return {
            "S3_ENDPOINT_URL": self.endpoint_url,
            "S3_PUBLIC_URL": self.public_url,
            "S3_ACCESS_KEY_ID": self.access_key,
            "S3_SECRET_ACCESS_KEY": self.secret_key,
            "S3_REGION_NAME": self.region,
            "S3_ADDRESSING_STYLE": "path",
            **{f"S3_BUCKET_{what.upper()}": name for what, name in BUCKETS.items()},
        }


@contextmanager
def s3(folder: Path) -> Iterator[S3Server]:
    """Run an S3 server with three empty buckets while the block runs."""
    server = S3Server(free_port(), free_port(), folder / "buckets")
    for name in BUCKETS.values():
        (server.folder / name).mkdir(parents=True)
    with (
        _rclone("s3", server.port, server, f"--auth-key={server.access_key},{server.secret_key}"),
        _rclone(
            "http",
            server.public_port,
            server,
            f"--exclude=/{BUCKETS['drafts']}/**",
            "--disable-dir-list",
        ),
    ):
        yield server


@contextmanager
def _rclone(protocol: str, port: int, server: S3Server, *options: str) -> Iterator[None]:
    command: list[str | Path] = [RCLONE, "serve", protocol, server.folder, *options]
    # Both look at the same folder, so neither may remember what it has seen there. Not 0: rclone
    # then tidies its memory up without a pause, on a whole core, and in the end answers nobody.
    address = [f"--addr=127.0.0.1:{port}", "--dir-cache-time=1ms", "--config="]
    with running(
        f"rclone-{protocol}",
        [*command, *address],
        folder=server.folder.parent,
        ready=lambda: accepts_connections(port),
    ):
        yield
