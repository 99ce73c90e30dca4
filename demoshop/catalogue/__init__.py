"""The sample catalogue: what the demo shop sells, and clean photographs of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Sample:
    """One product of the catalogue."""

    photo: str
    """Name of the photograph, without its ending."""
    name: str
    """What the product is called."""
    category: str
    """One of ``demoshop.models.Category``."""
    price: Decimal
    """In euros."""
    short_description: str
    """One sentence."""
    description: str
    """Paragraphs, separated by empty lines."""
    alt: str
    """The photograph in words."""
    focus: tuple[float, float]
    """What to look at first: shares of width and height."""

    @property
    def clean_path(self) -> Path:
        """The photograph as the path tracer made it."""
        return FOLDER / f"{self.photo}.jpg"

    @property
    def mask_path(self) -> Path:
        """What of that photograph is the product, as the path tracer knows it."""
        return FOLDER / "masks" / f"{self.photo}.png"


def samples() -> list[Sample]:
    """Read the catalogue, in the order in which the shop shows it."""
    rows = json.loads((FOLDER / "catalogue.json").read_text())
    return [
        Sample(**{**row, "price": Decimal(row["price"]), "focus": tuple(row["focus"])})
        for row in rows
    ]
