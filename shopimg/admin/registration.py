"""Where the upload lies in its result, so that both can be compared point by point."""

from __future__ import annotations

from dataclasses import dataclass

from shopimg.models import EnhancedVariant


@dataclass(frozen=True, slots=True)
class Registration:
    """How a result covers its upload."""

    box: tuple[float, float, float, float] | None = None
    """Left, top, width and height of the whole upload, in shares of the result; None: all of it."""
    is_known: bool = True
    """False where the product was moved and nobody noted from where."""

    @property
    def numbers(self) -> str:
        """The box as scripts read it; empty where the upload covers the result."""
        return " ".join(f"{share:.6g}" for share in self.box or ())


def registration(variant: EnhancedVariant) -> Registration:
    """Find out from the log of a variant where its upload lies."""
    operations = variant.provenance.get("operations", [])
    frames = [one for one in operations if one.get("name") == "frame"]
    if not frames:
        return Registration()
    if len(frames) > 1 or "picture" not in frames[0]:
        return Registration(is_known=False)
    left, top, right, bottom = frames[0]["picture"]
    width, height = frames[0]["width"], frames[0]["height"]
    box = (left / width, top / height, (right - left) / width, (bottom - top) / height)
    return Registration(box)
