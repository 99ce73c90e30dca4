"""Request bodies: short JSON and masks, never able to bring the process down."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import IO, Any

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser

from shopimg.api.exceptions import BodyTooLarge
from shopimg.services import masks

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
            ParseError: it is not JSON, nested too deeply to be read, or no Unicode.
        """
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            found = super().parse(io.BytesIO(body), media_type, parser_context)
            # Neither a database nor an answer takes half of a pair of surrogates.
            json.dumps(found, ensure_ascii=False).encode()
        except RecursionError as err:
            raise ParseError("The body is nested too deeply.") from err
        except UnicodeEncodeError as err:
            raise ParseError("The body has half a character (an unpaired surrogate).") from err
        return found


class PngParser(BaseParser):
    """A picture as the whole body."""

    media_type = "image/png"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the bytes.

        Raises:
            BodyTooLarge: there are more than any mask has.
        """
        body = stream.read(masks.MAX_BYTES + 1)
        if len(body) > masks.MAX_BYTES:
            raise BodyTooLarge
        return {"mask": SimpleUploadedFile("mask.png", body, self.media_type)}


class ShortMultiPartParser(MultiPartParser):
    """A form with a picture of at most ``masks.MAX_BYTES``."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the fields and files.

        Raises:
            BodyTooLarge: the request says that it is longer than any with a mask.
            ParseError: it is no such form.
        """
        length = (parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0"
        if int(length) > masks.MAX_BYTES + MAX_BODY_BYTES:
            raise BodyTooLarge
        return super().parse(stream, media_type, parser_context)
