"""Networks from elsewhere: files pinned by their digests, which a shop may give names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopimg.contract.errors import RecipeError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = {"file", "sha256"}


@dataclass(frozen=True, slots=True)
class Network:
    """A foreign checkpoint that recipes use by a name of the shop's own."""

    file: str
    """Name of the file in the workers' ``ENHANCER_NETWORKS_DIR``."""
    sha256: str
    """Its digest, 64 hexadecimal digits in lower case."""

    @classmethod
    def parse(cls, name: str, table: Mapping[str, Any]) -> Network:
        """Build a network from its settings table.

        Args:
            name: what recipes call it.
            table: ``{"file": ..., "sha256": ...}``; both are needed.

        Raises:
            RecipeError: a key is missing or unknown, or a value is not valid.
        """
        where = f"Network {name!r}"
        if not isinstance(table, Mapping) or set(table) != _KEYS:
            raise RecipeError(f"{where} needs file and sha256, and nothing else.")
        check_file(f"{where}: file", table["file"])
        check_digest(f"{where}: sha256", table["sha256"])
        return cls(**table)


def check_file(what: str, file: object) -> None:
    """Refuse everything that could leave the folder of the networks.

    Args:
        what: begins the message.
        file: what should be a bare file name.

    Raises:
        RecipeError: it is not.
    """
    if not (
        isinstance(file, str)
        and file
        and file.isprintable()
        and not file.startswith(".")
        and not set(file) & {"/", "\\", ":"}
    ):
        raise RecipeError(f"{what} must be a file name without folders, not {file!r}.")


def check_digest(what: str, sha256: object) -> None:
    """Refuse what is not a sha256 as `sha256sum` prints it.

    Args:
        what: begins the message.
        sha256: what should be 64 hexadecimal digits in lower case.

    Raises:
        RecipeError: it is not.
    """
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise RecipeError(f"{what} must be 64 hexadecimal digits in lower case, not {sha256!r}.")
