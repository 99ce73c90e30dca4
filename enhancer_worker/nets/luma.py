"""How the field's early nets treat colour: they see luma, and bicubic does the rest."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""BT.601, full range."""


def upscale_luma(lq: Tensor, scale: int, detail: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Enlarge by bicubic and add the detail that a net finds in luma.

    Adding one amount to all three channels changes luma by that amount and chroma not at all.

    Args:
        lq: (B, 3, H, W), float32, [0, 1], RGB.
        scale: output pixels per input pixel along one axis.
        detail: of luma (B, 1, H, W) and luma enlarged by bicubic; (B, 1, scale * H, scale * W).

    Returns:
        (B, 3, scale * H, scale * W), float32, about [0, 1] (not clipped), RGB.
    """
    size = (lq.shape[2] * scale, lq.shape[3] * scale)
    # Antialiasing changes nothing in an enlargement but selects the kernel of the papers (-0.5).
    base = functional.interpolate(lq, size, mode="bicubic", antialias=True)
    return base + detail(_luma(lq), _luma(base))


def _luma(images: Tensor) -> Tensor:
    red, green, blue = LUMA_WEIGHTS
    return red * images[:, :1] + green * images[:, 1:2] + blue * images[:, 2:]
