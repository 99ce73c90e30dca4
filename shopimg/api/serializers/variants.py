"""Variants as reviewers see them, and what they decide."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.reverse import reverse

from shopimg.api.serializers.base import (
    Moment,
    RequestSerializer,
    RowSerializer,
    SourceReference,
    Status,
)
from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.reasons import ReviewReason, beyond
from shopimg.services.decisions import LONGEST_NOTE
from shopimg.states import RejectReason, ReviewState


class ReviewDecisionSerializer(RowSerializer[ReviewDecision]):
    """One line of a variant's history."""

    by = serializers.SerializerMethodField(help_text="User name; null for the system.")
    reason = serializers.ChoiceField(
        RejectReason.choices, allow_blank=True, help_text="Empty for all but rejections."
    )

    class Meta:
        model = ReviewDecision
        fields = ("decision", "by", "at", "reason", "note", "digest")
        read_only_fields = fields

    def get_by(self, decision: ReviewDecision) -> str | None:
        """Return who decided."""
        return decision.by.get_username() if decision.by else None


class VariantSerializer(RowSerializer[EnhancedVariant]):
    """One produced file."""

    status = Status("VariantStatus", ReviewState, source="state")
    url = serializers.HyperlinkedIdentityField(view_name="shopimg_api:variant-detail")
    before_url = serializers.HyperlinkedIdentityField(
        view_name="shopimg_api:variant-before", help_text="The upload; for reviewers."
    )
    after_url = serializers.HyperlinkedIdentityField(
        view_name="shopimg_api:variant-after", help_text="The result; for reviewers, never public."
    )
    mask_url = serializers.SerializerMethodField(
        help_text="What was taken for the product; for reviewers. Null without a cut-out."
    )
    published_url = serializers.SerializerMethodField(help_text="Null while it is not published.")
    source = SourceReference(source="*")  # type: ignore[assignment]  # a field
    recipe = serializers.CharField(source="job.recipe")
    review_reasons = serializers.SerializerMethodField(
        help_text="What to look at first; empty where all measured figures are within their limits."
    )
    approved_by = serializers.SerializerMethodField(help_text="User name.")

    class Meta:
        model = EnhancedVariant
        fields: tuple[str, ...] = (
            "id", "status", "version", "url", "before_url", "after_url", "mask_url",
            "published_url", "source", "job", "recipe", "role", "candidate", "width", "height",
            "size_bytes", "mime_type", "digest", "quality", "review_reasons", "provenance",
            "approved_by", "approved_at", "published_at", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields
        extra_kwargs: ClassVar[Any] = {
            "candidate": {"help_text": "Number among those to choose from, from 0."},
            "quality": {"help_text": "Measured figures by name."},
        }

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_mask_url(self, variant: EnhancedVariant) -> str | None:
        """Return the address of the mask, or None without one."""
        if not variant.mask_name:
            return None
        request = self.context["request"]
        return str(reverse("shopimg_api:variant-mask", args=[variant.pk], request=request))

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_published_url(self, variant: EnhancedVariant) -> str | None:
        """Return the address of the public file, or None while there is none."""
        url = variant.published_url
        return self.context["request"].build_absolute_uri(url) if url else None

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(ReviewReason.choices)))
    def get_review_reasons(self, variant: EnhancedVariant) -> list[str]:
        """Return the codes of the figures beyond their limits."""
        return [reason.value for reason in beyond(variant.quality)]

    def get_approved_by(self, variant: EnhancedVariant) -> str | None:
        """Return who approved."""
        return variant.approved_by.get_username() if variant.approved_by else None


class CandidateSerializer(RowSerializer[EnhancedVariant]):
    """One of several variants to choose from."""

    status = Status("VariantStatus", ReviewState, source="state")
    url = serializers.HyperlinkedIdentityField(view_name="shopimg_api:variant-detail")

    class Meta:
        model = EnhancedVariant
        fields = ("id", "candidate", "status", "url")
        read_only_fields = fields


class VariantDetailSerializer(VariantSerializer):
    """One produced file, what there is to choose from beside it, and its history."""

    candidates = CandidateSerializer(
        many=True, help_text="Itself among them: approving one lets the others give way."
    )
    decisions = ReviewDecisionSerializer(many=True, help_text="Newest first.")

    class Meta(VariantSerializer.Meta):
        fields = (*VariantSerializer.Meta.fields, "candidates", "decisions")
        read_only_fields = fields


class MaskSerializer(RequestSerializer):
    """A corrected mask."""

    mask = serializers.FileField(
        help_text="PNG of the upload's shape: the product white, all else black or transparent."
    )


class RollbackSerializer(serializers.Serializer[Any]):
    """What a rollback did."""

    rolled_back = VariantDetailSerializer(help_text="What shoppers saw before.")
    shown = VariantDetailSerializer(
        allow_null=True, help_text="What shoppers see now; null for the original."
    )


class VersionSerializer(RequestSerializer):
    """What a transition is about."""

    version = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        help_text="The version that was looked at: another one answers 409.",
    )


class ApprovalSerializer(VersionSerializer):
    """What a reviewer approves."""

    note = serializers.CharField(max_length=LONGEST_NOTE, required=False, allow_blank=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Colour", {"reason": "colour", "note": "The red is orange now.", "version": 1}
        )
    ]
)
class RejectionSerializer(ApprovalSerializer):
    """What a reviewer rejects, and why."""

    reason = serializers.ChoiceField(RejectReason.choices)


def current_state(variant: EnhancedVariant) -> dict[str, Any]:
    """Tell how a variant really is, for somebody who believed otherwise."""
    last = variant.decisions.select_related("by").first()
    return {
        "status": variant.state,
        "version": variant.version,
        "last_decision": last
        and {
            "decision": last.decision,
            "by": last.by.get_username() if last.by else None,
            "at": Moment().to_representation(last.at),
        },
    }
