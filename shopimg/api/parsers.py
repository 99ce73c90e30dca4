"""Request bodies: JSON, short, and never able to bring the process down."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from shopimg.api.exceptions import BodyTooLarge

MAX_BODY_BYTES = 65_536
"""Longest accepted request body."""


class ShortJSONParser(JSONParser):
    """JSON of at most ``MAX_BODY_BYTES``."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body.

        Raises:
            BodyTooLarge: it is longer than any request of this API.
            ParseError: it is not JSON, or nested too deeply to be read.
        """
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            return super().parse(io.BytesIO(body), media_type, parser_context)
        except RecursionError as err:
            raise ParseError("The body is nested too deeply.") from err
