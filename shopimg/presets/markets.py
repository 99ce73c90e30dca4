"""The marketplaces: numbers with their sources and dates, nothing that computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date

from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED, GENERATED
from shopimg.measuring import SRGB, UNTAGGED
from shopimg.presets.rules import THIRD_PARTIES, Fact, Operation, Preset, Rule, Severity, Target

_AS_OF = date(2026, 11, 25)
_ERROR, _WARN = Severity.ERROR, Severity.WARN
_MB = 1_000_000
_MP = 1_000_000
_PURE_WHITE = "#ffffff"

_GOOGLE = "https://support.google.com/merchants/answer/6324350"
_GOOGLE_SIZE = "https://support.google.com/merchants/answer/6205396"
_EBAY = "https://www.ebay.com/help/policies/listing-policies/picture-policy?id=4370"
_EBAY_QUALITY = "eBay developer knowledge base 1489"
_EBAY_FORMATS = (
    "https://developer.ebay.com/api-docs/user-guides/static/trading-user-guide/picture-hosting.html"
)
_WALMART = "https://marketplacelearn.walmart.com/guides/Item%20setup/Item%20content%2C%20imagery%2C%20and%20media/Product-detail-page:-Image-guidelines-&-requirements"

AMAZON = Preset(
    name="amazon",
    title="Amazon",
    as_of=_AS_OF,
    fix="white",
    target=Target(side=2000, fill=0.88, colour=_PURE_WHITE),
    rules=(
        Rule("side-minimum", Fact.LONGEST_SIDE, _ERROR, THIRD_PARTIES, at_least=500),
        Rule("side-maximum", Fact.LONGEST_SIDE, _ERROR, THIRD_PARTIES, at_most=10_000),
        Rule("side-zoom", Fact.LONGEST_SIDE, _WARN, THIRD_PARTIES, at_least=1000),
        Rule("side-recommended", Fact.LONGEST_SIDE, _WARN, THIRD_PARTIES, at_least=1600),
        Rule("bytes", Fact.SIZE_BYTES, _ERROR, THIRD_PARTIES, at_most=10 * _MB),
        Rule("format", Fact.FORMAT, _ERROR, THIRD_PARTIES, one_of=("JPEG", "PNG", "TIFF", "GIF")),
        Rule("still", Fact.FRAMES, _ERROR, THIRD_PARTIES, at_most=1),
        Rule("colour", Fact.COLOUR_SPACE, _WARN, THIRD_PARTIES, one_of=(SRGB, UNTAGGED)),
        Rule("fill", Fact.FILL, _ERROR, THIRD_PARTIES, at_least=0.85, only_main=True),
        Rule("white-border", Fact.WHITE_BORDER, _ERROR, THIRD_PARTIES, at_least=1, only_main=True),
        Rule("white-area", Fact.WHITE_AREA, _WARN, THIRD_PARTIES, at_least=1, only_main=True),
        Rule(
            "real-backdrop",
            Fact.OPERATIONS,
            _ERROR,
            THIRD_PARTIES,
            none_of=(Operation.GENERATED_BACKDROP,),
            only_main=True,
        ),
    ),
    not_measured=("no text, logos, watermarks, borders or props on the main image",),
)

GOOGLE = Preset(
    name="google",
    title="Google Merchant Center",
    as_of=_AS_OF,
    fix="feed",
    target=Target(),
    rules=(
        Rule(
            "side-minimum",
            Fact.SHORTEST_SIDE,
            _ERROR,
            _GOOGLE,
            at_least=100,
            valid_until=date(2027, 1, 31),
        ),
        Rule(
            "side-minimum",
            Fact.SHORTEST_SIDE,
            _ERROR,
            _GOOGLE,
            at_least=500,
            valid_from=date(2027, 1, 31),
        ),
        Rule("side-recommended", Fact.SHORTEST_SIDE, _WARN, _GOOGLE, at_least=1500),
        Rule("pixels", Fact.PIXELS, _ERROR, _GOOGLE, at_most=64 * _MP),
        Rule("bytes", Fact.SIZE_BYTES, _ERROR, _GOOGLE, at_most=16 * _MB),
        Rule(
            "format",
            Fact.FORMAT,
            _ERROR,
            _GOOGLE,
            one_of=("JPEG", "WEBP", "PNG", "GIF", "BMP", "TIFF"),
        ),
        Rule("still", Fact.FRAMES, _ERROR, THIRD_PARTIES, at_most=1),
        Rule("fill", Fact.FILL, _WARN, _GOOGLE_SIZE, at_least=0.75, at_most=0.9, only_main=True),
        Rule(
            "not-enlarged",
            Fact.OPERATIONS,
            _ERROR,
            _GOOGLE_SIZE,
            none_of=(Operation.ENLARGEMENT,),
        ),
        Rule(
            "generated-tag",
            Fact.ORIGIN,
            _ERROR,
            _GOOGLE,
            one_of=(COMPOSITE_WITH_GENERATED, GENERATED),
        ),
    ),
    not_measured=("no watermarks, promotional text, borders or placeholders",),
)

GOOGLE_APPAREL = dataclasses.replace(
    GOOGLE,
    name="google-apparel",
    title="Google Merchant Center, apparel",
    rules=tuple(
        dataclasses.replace(rule, at_least=250) if rule.at_least == 100 else rule
        for rule in GOOGLE.rules
    ),
)

EBAY = Preset(
    name="ebay",
    title="eBay",
    as_of=_AS_OF,
    fix="clean",
    target=Target(side=1600),
    rules=(
        Rule("side-minimum", Fact.LONGEST_SIDE, _ERROR, _EBAY, at_least=500),
        Rule("side-warned", Fact.LONGEST_SIDE, _WARN, _EBAY_QUALITY, at_least=1000),
        Rule("side-recommended", Fact.LONGEST_SIDE, _WARN, _EBAY_QUALITY, at_least=1600),
        Rule("bytes", Fact.SIZE_BYTES, _ERROR, _EBAY_QUALITY, at_most=12 * _MB),
        Rule(
            "format",
            Fact.FORMAT,
            _ERROR,
            _EBAY_FORMATS,
            one_of=("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"),
        ),
        Rule("quality", Fact.JPEG_QUALITY, _WARN, _EBAY_QUALITY, at_least=90),
    ),
    not_measured=("no borders, text, artwork or watermarks",),
)

WALMART = Preset(
    name="walmart",
    title="Walmart Marketplace",
    as_of=_AS_OF,
    fix="white",
    target=Target(side=2200, fill=0.88, colour=_PURE_WHITE),
    rules=(
        Rule("side-zoom", Fact.SHORTEST_SIDE, _ERROR, _WALMART, at_least=1500),
        Rule("side-recommended", Fact.SHORTEST_SIDE, _WARN, _WALMART, at_least=2200),
        Rule("square", Fact.RATIO, _ERROR, _WALMART, at_least=0.99, at_most=1.01),
        Rule("bytes", Fact.SIZE_BYTES, _ERROR, _WALMART, at_most=5 * _MB),
        Rule("format", Fact.FORMAT, _ERROR, _WALMART, one_of=("JPEG", "PNG", "BMP")),
        Rule("colour", Fact.COLOUR_SPACE, _WARN, _WALMART, one_of=(SRGB, UNTAGGED)),
        Rule("white-border", Fact.WHITE_BORDER, _ERROR, _WALMART, at_least=1, only_main=True),
        Rule("white-area", Fact.WHITE_AREA, _WARN, _WALMART, at_least=1, only_main=True),
        Rule(
            "real-backdrop",
            Fact.OPERATIONS,
            _ERROR,
            THIRD_PARTIES,
            none_of=(Operation.GENERATED_BACKDROP,),
            only_main=True,
        ),
        Rule("images", Fact.IMAGES, _WARN, _WALMART, at_least=4),
    ),
    not_measured=("no watermarks, text, logos or accessories that are not sold with the product",),
)

ETSY = Preset(
    name="etsy",
    title="Etsy",
    as_of=_AS_OF,
    fix="clean",
    target=Target(side=2000, fill=0.8),
    rules=(
        Rule(
            "side-minimum",
            Fact.SHORTEST_SIDE,
            _ERROR,
            THIRD_PARTIES,
            at_least=635,
            only_main=True,
        ),
        Rule("side-recommended", Fact.SHORTEST_SIDE, _WARN, THIRD_PARTIES, at_least=2000),
        Rule("bytes", Fact.SIZE_BYTES, _ERROR, THIRD_PARTIES, at_most=10 * _MB),
        Rule("format", Fact.FORMAT, _WARN, THIRD_PARTIES, one_of=("JPEG", "PNG", "GIF")),
    ),
    not_measured=("the item itself, not a rendering or a stock photograph",),
)

SHOPIFY = Preset(
    name="shopify",
    title="Shopify",
    as_of=_AS_OF,
    fix="clean",
    target=Target(side=2048),
    rules=(
        Rule("side-zoom", Fact.SHORTEST_SIDE, _WARN, THIRD_PARTIES, at_least=800),
        Rule("side-recommended", Fact.SHORTEST_SIDE, _WARN, THIRD_PARTIES, at_least=2048),
        Rule("side-maximum", Fact.LONGEST_SIDE, _WARN, THIRD_PARTIES, at_most=4472),
        Rule("pixels", Fact.PIXELS, _WARN, THIRD_PARTIES, at_most=20 * _MP),
        Rule("bytes", Fact.SIZE_BYTES, _ERROR, THIRD_PARTIES, at_most=20 * _MB),
        Rule("square", Fact.RATIO, _WARN, THIRD_PARTIES, at_least=0.99, at_most=1.01),
    ),
)

PRESETS: Mapping[str, Preset] = {
    preset.name: preset for preset in (AMAZON, GOOGLE, GOOGLE_APPAREL, EBAY, WALMART, ETSY, SHOPIFY)
}
"""Every preset by name."""


def get_preset(name: str) -> Preset:
    """Return the preset called ``name``, in any case.

    Raises:
        LookupError: there is none.
    """
    if name.lower() not in PRESETS:
        raise LookupError(f"There is no preset {name!r}. Known: {', '.join(PRESETS)}.")
    return PRESETS[name.lower()]
