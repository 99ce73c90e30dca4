"""The line of drafts that a reviewer works through: what is next, and how much is left."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg.admin.filters import kept, narrow
from shopimg.admin.readonly import person
from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.querysets import EnhancedVariantQuerySet
from shopimg.scope import visible_to
from shopimg.states import Decision, ReviewState


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reviewer has come."""

    waiting: int
    """Drafts in line; several candidates for one place count once."""
    decided: int
    """Drafts that the reviewer has decided on today."""

    @property
    def total(self) -> int:
        """Drafts that were in line, as far as this reviewer is concerned."""
        return self.waiting + self.decided

    @property
    def text(self) -> str:
        """Both counts in words, such as "37 waiting · 5 decided by you today"."""
        numbers = {"waiting": self.waiting, "decided": self.decided}
        return _("%(waiting)s waiting · %(decided)s decided by you today") % numbers


@dataclass(frozen=True, slots=True)
class Line:
    """Drafts that wait for review, oldest first, narrowed as the queue was."""

    request: HttpRequest

    @property
    def query(self) -> str:
        """What to append to the address of each page of the line."""
        parameters = kept(self.request.GET)
        return f"?{urlencode(parameters)}" if parameters else ""

    def waiting(self) -> QuerySet[EnhancedVariant]:
        """Return the drafts in line; of several candidates the first, as one decision is enough."""
        return self._drafts().first_of_each_choice()

    def beside(self, variant: EnhancedVariant) -> EnhancedVariant | None:
        """Return another candidate for the same place that waits, the first of them."""
        return self._drafts().beside(variant).order_by("candidate").first()

    def _drafts(self) -> EnhancedVariantQuerySet:
        drafts = EnhancedVariant.objects.awaiting_review().select_related("job", "source_type")
        visible = visible_to(self.request.user, drafts)
        narrowed: EnhancedVariantQuerySet = narrow(visible, self.request.GET)
        return narrowed.order_by("created_at", "pk")

    def after(self, variant: EnhancedVariant, limit: int) -> list[EnhancedVariant]:
        """Return the drafts behind a variant, nearest first."""
        behind = Q(created_at__gt=variant.created_at)
        beside = Q(created_at=variant.created_at, pk__gt=variant.pk)
        # The range, said once more by itself, is where the database begins to read.
        others = self._others(variant).filter(created_at__gte=variant.created_at)
        return list(others.filter(behind | beside)[:limit])

    def before(self, variant: EnhancedVariant, limit: int) -> list[EnhancedVariant]:
        """Return the drafts in front of a variant, nearest first."""
        ahead = Q(created_at__lt=variant.created_at)
        beside = Q(created_at=variant.created_at, pk__lt=variant.pk)
        others = self._others(variant).filter(created_at__lte=variant.created_at)
        return list(others.filter(ahead | beside).reverse()[:limit])

    def next_after(self, variant: EnhancedVariant) -> EnhancedVariant | None:
        """Return the draft to open after a decision.

        Another candidate while there is one, then the draft behind, else the oldest left.
        """
        if beside := self.beside(variant):
            return beside
        behind = self.after(variant, 1)
        return behind[0] if behind else self.oldest_but(variant)

    def oldest_but(self, variant: EnhancedVariant) -> EnhancedVariant | None:
        """Return the oldest other draft."""
        return self._others(variant).first()

    def _others(self, variant: EnhancedVariant) -> QuerySet[EnhancedVariant]:
        return self.waiting().exclude(job=variant.job_id, role=variant.role)

    def progress(self) -> Progress:
        """Count what waits, and what the reviewer has decided on since midnight."""
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        decided = ReviewDecision.objects.filter(
            by=person(self.request).pk,
            at__gte=midnight,
            decision__in=[Decision.APPROVE, Decision.REJECT],
        )
        mine = narrow(decided, self.request.GET, prefix="variant__")
        # All of them wait, so that each choice is a job and a role: an index alone counts these.
        choices = self._drafts().order_by().values("job", "role").distinct()
        return Progress(choices.count(), mine.count())


def waiting_candidates(variant: EnhancedVariant) -> list[EnhancedVariant]:
    """Return those of the candidates beside a variant and itself that nobody has decided on."""
    return [one for one in variant.candidates() if one.state == ReviewState.AWAITING_REVIEW]


def review_url(variant: EnhancedVariant, query: str = "", *, site: str = "admin") -> str:
    """Return the address of a variant's review page.

    Args:
        variant: what to look at.
        query: from ``Line.query``.
        site: name of the admin in use.
    """
    return page_url("review", variant, site=site) + query


def page_url(page: str, variant: EnhancedVariant, *args: str, site: str = "admin") -> str:
    """Return the address of one of a variant's pages."""
    name = f"admin:shopimg_enhancedvariant_{page}"
    return reverse(name, args=[variant.pk, *args], current_app=site)


def queue_url(query: str = "", *, site: str = "admin") -> str:
    """Return the address of the queue."""
    return reverse("admin:shopimg_enhancedvariant_changelist", current_app=site) + query
