"""An enhancer without networks: a mild median filter and Lanczos, for machines without them."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageFilter
from PIL.PngImagePlugin import PngInfo

from shopimg.backends.uploads import read_upload
from shopimg.contract import (
    MIME_TYPES,
    NO_MASKS,
    Deadline,
    EnhancedImage,
    Output,
    Recipe,
    RecipeError,
    Restore,
    Role,
    Step,
    StepReport,
    Upscale,
)
from shopimg.contract.limits import check_output_size
from shopimg.contract.provenance import source_type_after, xmp_packet

_LARGEST_MEDIAN_SHARE = 0.5


class PillowEnhancer:
    """Implements ``shopimg.contract.Enhancer`` with nothing but Pillow.

    It enlarges, and it takes the edge off noise. It cannot bring back detail: that is what the
    networks of ``enhancer_worker`` are for.
    """

    def enhance(
        self,
        source: bytes,
        recipe: Recipe,
        *,
        deadline: Deadline,
        masks: Mapping[str, bytes] = NO_MASKS,
    ) -> Sequence[EnhancedImage]:
        """See ``shopimg.contract.Enhancer``."""
        deadline.check()
        started = time.perf_counter()
        image, statement = read_upload(source)
        decoded = StepReport("decode", time.perf_counter() - started)
        for role in recipe.roles:
            check_output_size(*role.result_size(*image.size))
            _check_networks(role)
        return [_finish(image, statement, decoded, role, deadline) for role in recipe.roles]


def _check_networks(role: Role) -> None:
    for step in role.steps:
        if isinstance(step, Restore | Upscale) and step.network:
            raise RecipeError(f"The Pillow enhancer cannot run the network {step.network!r}.")


def _finish(
    image: Image.Image, statement: str, decoded: StepReport, role: Role, deadline: Deadline
) -> EnhancedImage:
    result, reports = image, [decoded]
    for step in role.steps:
        deadline.check()
        started = time.perf_counter()
        result = _take_step(result, step)
        reports.append(StepReport(step.name, time.perf_counter() - started, _details(step)))
    deadline.check()
    source_type = source_type_after(statement, pixels_changed=result is not image)
    started = time.perf_counter()
    content, kind = _encode(result, role.output, xmp_packet(source_type))
    reports.append(StepReport("encode", time.perf_counter() - started, {"format": kind}))
    return EnhancedImage(
        role=role.name,
        content=content,
        mime_type=MIME_TYPES[kind],
        width=result.width,
        height=result.height,
        steps=tuple(reports),
        digital_source_type=source_type,
    )


def _take_step(image: Image.Image, step: Step) -> Image.Image:
    if isinstance(step, Restore):
        return _restore(image, step)
    if isinstance(step, Upscale):
        return _upscale(image, step)
    raise RecipeError(f"The Pillow enhancer does not know the step {step.name!r}.")


def _details(step: Step) -> dict[str, Any]:
    """Report the options, but no flavour: no network ran."""
    if isinstance(step, Upscale):
        return {"scale": step.scale, "to": step.to, "strength": 0}
    return {"strength": step.strength} if isinstance(step, Restore) else step.options()


def _restore(image: Image.Image, step: Restore) -> Image.Image:
    if step.strength == 0:
        return image
    filtered = image.filter(ImageFilter.MedianFilter(3))
    return Image.blend(image, filtered, step.strength * _LARGEST_MEDIAN_SHARE)


def _upscale(image: Image.Image, step: Upscale) -> Image.Image:
    size = step.result_size(*image.size)
    if size == image.size:
        return image
    if image.mode == "RGB":
        return image.resize(size, Image.Resampling.LANCZOS)
    # Premultiplied, so that the colours under transparent pixels do not bleed into the edge.
    return image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")


def _encode(image: Image.Image, output: Output, xmp: bytes) -> tuple[bytes, str]:
    transparent = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
    kind = "webp" if transparent and output.format == "jpeg" else output.format
    Image.init()
    if kind.upper() not in Image.SAVE:
        raise RecipeError(f"This installation cannot write {kind} files.")
    picture = image if transparent else image.convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, kind.upper(), **_options(kind, output.quality, xmp))
    return buffer.getvalue(), kind


def _options(kind: str, quality: int, xmp: bytes) -> dict[str, Any]:
    if kind != "png":
        return {"quality": quality, "xmp": xmp} if xmp else {"quality": quality}
    info = PngInfo()
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return {"pnginfo": info}
