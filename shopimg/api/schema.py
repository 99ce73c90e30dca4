"""The OpenAPI document: its settings, its common parts, and the problems of every operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, build_choice_field
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.serializers import Serializer

from shopimg.api.exceptions import PROBLEM_TYPE
from shopimg.api.serializers.base import RequestSerializer, Status
from shopimg.api.serializers.problems import ProblemSerializer
from shopimg.states import Decision, RejectReason

_Method = TypeVar("_Method", bound=Callable[..., Any])


class RequestExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says of bodies that they take no other fields than theirs."""

    target_class = RequestSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Describe a body."""
        describe: Any = auto_schema._map_serializer  # noqa: SLF001 - what its extensions are given
        return {
            **describe(self.target, direction, bypass_extensions=True),
            "additionalProperties": False,
        }


class StatusExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Names the states of a row once; else drf-spectacular makes names up, and warns of it."""

    target_class = Status

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Describe a state."""
        choices = build_choice_field(self.target)
        name = self.target.name
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, choices, name)  # type: ignore[no-untyped-call]
        auto_schema.registry.register_on_missing(component)
        return dict(component.ref)


SETTINGS: Mapping[str, Any] = {
    "TITLE": "shopimg",
    "DESCRIPTION": "Product photos: enhanced by workers, approved by people, then published.",
    "VERSION": "1",
    "TAGS": [
        {"name": "images", "description": "What shoppers see. Public."},
        {"name": "jobs", "description": "Ask for an image to be enhanced, and follow the work."},
        {"name": "variants", "description": "Review drafts, publish them, take them back."},
        {"name": "bulk-runs", "description": "Run a part of the catalogue again, and follow it."},
    ],
    "SCHEMA_PATH_PREFIX": "/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "Decision": Decision.choices,
        "RejectReason": RejectReason.choices,
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "PREPROCESSING_HOOKS": [],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
}
"""The document does not depend on the host's ``SPECTACULAR_SETTINGS``."""

REQUEST_ID = OpenApiParameter(
    "X-Request-ID", str, OpenApiParameter.HEADER, description="Echoed; made up where missing."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An `ETag`: 304 where it still fits."
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of the variant that was looked at: 412 where it has changed.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Chosen by the client; the same again gives the same job or run, for 24 hours.",
)
PICTURE = {(200, "image/*"): OpenApiResponse(OpenApiTypes.BINARY, "The picture.")}
"""An answer that is a file."""
FILES = frozenset({"before", "after", "mask"})
"""Actions whose reads answer so; nobody may keep these, so that no validator would be of use."""


class ShopimgAutoSchema(AutoSchema):
    """Common parameters of every operation."""

    def get_override_parameters(self) -> list[Any]:
        """Return the headers that every operation understands."""
        is_file = getattr(self.view, "action", "") in FILES
        reads = self.method == "GET" and not is_file
        return [REQUEST_ID, IF_NONE_MATCH] if reads else [REQUEST_ID]


def operation(**description: Any) -> Callable[[_Method], _Method]:
    """Describe an action, whatever schema class the host has chosen for its own API."""

    def decorate(method: _Method) -> _Method:
        method.schema = ShopimgAutoSchema  # type: ignore[attr-defined]  # where extend_schema looks
        described: _Method = extend_schema(**description)(method)
        return described

    return decorate


def problems(
    *statuses: int, special: Mapping[int, type[Serializer[Any]]] | None = None
) -> dict[Any, OpenApiResponse]:
    """Describe the errors of a public operation.

    Args:
        statuses: HTTP statuses, besides those of every operation.
        special: statuses whose problem has further members.
    """
    serializers = {
        **dict.fromkeys((404, 406, 429, 500, *statuses), ProblemSerializer),
        **(special or {}),
    }
    return {
        (status, PROBLEM_TYPE): OpenApiResponse(serializer, HTTPStatus(status).phrase)
        for status, serializer in sorted(serializers.items())
    }


def private_problems(
    *statuses: int, special: Mapping[int, type[Serializer[Any]]] | None = None
) -> dict[Any, OpenApiResponse]:
    """Describe the errors of an operation that needs permissions."""
    return problems(401, 403, *statuses, special=special)


def write_problems(
    *statuses: int, special: Mapping[int, type[Serializer[Any]]] | None = None
) -> dict[Any, OpenApiResponse]:
    """Describe the errors of an operation that needs permissions and takes a body."""
    return private_problems(400, 413, 415, *statuses, special=special)
