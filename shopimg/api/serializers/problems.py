"""The shape of every error, for the schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one field."""

    field = serializers.CharField(help_text="Name of the field or query parameter.")
    code = serializers.CharField(help_text="Stable code.")
    detail = serializers.CharField(help_text="Words for people.")


class ProblemSerializer(serializers.Serializer[Any]):
    """An error as RFC 9457 describes it."""

    type = serializers.CharField(help_text="Always `about:blank`: `code` tells problems apart.")
    title = serializers.CharField(help_text="The phrase of the HTTP status.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    code = serializers.CharField(help_text="Stable code, for programs.")
    detail = serializers.CharField(help_text="What went wrong, for people.")
    instance = serializers.CharField(help_text="Path of the request.")
    request_id = serializers.CharField(help_text="Also in the header `X-Request-ID`.")
    errors = FieldErrorSerializer(  # type: ignore[assignment]  # a field, not the property
        many=True, required=False, help_text="With code `invalid`."
    )


class LastDecisionSerializer(serializers.Serializer[Any]):
    """What somebody decided last about a variant."""

    decision = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="User name; null for the system.")
    at = serializers.DateTimeField()


class CurrentStateSerializer(serializers.Serializer[Any]):
    """How a variant really is."""

    status = serializers.CharField()
    version = serializers.IntegerField()
    last_decision = LastDecisionSerializer(allow_null=True)


class VariantProblemSerializer(ProblemSerializer):
    """An error of a transition, with how the variant really is."""

    current = CurrentStateSerializer(required=False)


class RefusedUploadSerializer(ProblemSerializer):
    """An upload that was refused, with the job that says so."""

    job = serializers.UUIDField(required=False)
