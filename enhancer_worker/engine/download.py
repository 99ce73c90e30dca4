"""Fetches weights files that are not on this machine, and accepts only the pinned content."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from enhancer_worker.engine.files import write_whole
from shopimg.contract import WorkerError

_TIMEOUT_SECONDS = 30
_LARGEST_FILE_BYTES = 500_000_000


def fetch_missing(path: Path, sha256: str, base_url: str) -> None:
    """Make sure that a weights file is there; a file that exists is left alone.

    Args:
        path: where the file belongs.
        sha256: 64 hexadecimal digits that the content must have.
        base_url: https address of the folder that holds it; empty for no download.

    Raises:
        WorkerError: missing with no address given, not reachable, or other content.
    """
    if path.exists():
        return
    if not base_url:
        raise WorkerError(
            detail=f"{path} is missing: install the package again, or set ENHANCER_WEIGHTS_URL "
            "to an https folder that holds it"
        )
    address = f"{base_url.rstrip('/')}/{path.name}"
    content = _download(address)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WorkerError(detail=f"{address} has sha256 {found}, expected {sha256}: not used")
    try:
        write_whole(path, content)
    except OSError as err:
        raise WorkerError(detail=f"cannot write {path}: {err.strerror}") from err


def _download(address: str) -> bytes:
    try:
        # The settings accept https only.
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
            content: bytes = response.read(_LARGEST_FILE_BYTES)
    except (urllib.error.URLError, TimeoutError) as err:
        raise WorkerError(
            detail=f"cannot download {address}: {err}; put the file into the weights folder by "
            "hand where there is no connection"
        ) from err
    return content
