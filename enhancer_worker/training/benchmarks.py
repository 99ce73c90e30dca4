"""Benchmark sets: where their pictures lie, and by which protocol each is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from enhancer_worker.folder import find_pictures
from enhancer_worker.training.catalogue import SUFFIXES
from enhancer_worker.training.protocols import (
    BLUR_KERNELS,
    QUALITIES,
    SCALES,
    SIGMAS,
    Case,
    Figures,
    blur_case,
    clean_case,
    denoising_case,
    jpeg_case,
    photo_case,
    upscaling_case,
)

PROTOCOLS: dict[str, tuple[Case, ...]] = {
    "sr": tuple(upscaling_case(scale) for scale in SCALES),
    "photo": tuple(photo_case(scale) for scale in SCALES),
    "denoise": tuple(denoising_case(sigma) for sigma in SIGMAS),
    "jpeg": tuple(jpeg_case(quality) for quality in QUALITIES),
    "blur": tuple(blur_case(name) for name in BLUR_KERNELS),
    "clean": (clean_case(),),
}
"""The columns that each protocol has."""
PROTOCOL_OF_SET = {
    **dict.fromkeys(("set5", "set14", "b100", "urban100", "manga109"), "sr"),
    **dict.fromkeys(("cbsd68", "kodak24", "mcmaster"), "denoise"),
    **dict.fromkeys(("live1", "classic5"), "jpeg"),
}
"""What the sets of the literature are for."""


class UnknownBenchmarkError(ValueError):
    """There is no protocol, or no folder, for this benchmark."""


@dataclass(frozen=True)
class BenchmarkSet:
    """Pictures, and what is judged on them."""

    name: str
    """Key in the output."""
    protocol: str
    """A key of `PROTOCOLS`."""
    folder: Path
    """Where the ground truth lies."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """The columns that this set has."""
        return PROTOCOLS[self.protocol]

    def images(self) -> list[Path]:
        """Ground-truth files, sorted: of a shop's own set all below the folder, in any layout.

        Sets of the literature often have their damaged versions in folders beside the truth.

        Raises:
            UnknownBenchmarkError: the folder is missing or empty.
        """
        found = find_pictures(self.folder, SUFFIXES)
        if self.name.lower() in PROTOCOL_OF_SET:
            found = [path for path in found if path.parent == self.folder]
        if not found:
            raise UnknownBenchmarkError(f"no images in {self.folder}")
        return found


def parse_sets(values: Sequence[str], data: Path | None) -> tuple[BenchmarkSet, ...]:
    """Understand what was asked for with `--set`.

    Args:
        values: each `NAME[:PROTOCOL]`, several of them with commas between, or one
            `NAME[:PROTOCOL]=DIR`. Without a protocol the name tells it.
        data: without `=DIR` the pictures lie in `data/benchmarks/NAME`.

    Raises:
        UnknownBenchmarkError: no protocol for a name, no folder, or the same figures twice.

    >>> [one.protocol for one in parse_sets(["set5,set5:clean", "mine:sr=photos"], Path("."))]
    ['sr', 'clean', 'sr']
    """
    words = [
        word.strip()
        for value in values
        for word in ([value] if "=" in value else value.split(","))
        if word.strip()
    ]
    sets = tuple(_parse_set(word, data) for word in words)
    seen = [(one.name, one.protocol) for one in sets]
    for name, protocol in seen:
        if seen.count((name, protocol)) > 1:
            raise UnknownBenchmarkError(f"{name}:{protocol} is asked for more than once")
    return sets


def _parse_set(word: str, data: Path | None) -> BenchmarkSet:
    label, equals, folder = word.partition("=")
    name, colon, protocol = label.strip().partition(":")
    if not colon:
        protocol = PROTOCOL_OF_SET.get(name.lower(), "")
    if protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        what = f"{protocol!r} for {name!r}" if colon else f"for {name!r}"
        raise UnknownBenchmarkError(f"no protocol {what}: write {name}:PROTOCOL, one of {known}")
    if equals:
        if not folder:
            raise UnknownBenchmarkError(f"{word} names no folder")
        return BenchmarkSet(name, protocol, Path(folder).expanduser())
    if data is None:
        raise UnknownBenchmarkError(f"no folder for {name!r}: give --data, or {name}=DIR")
    return BenchmarkSet(name, protocol, data / "benchmarks" / name)


def summarize(figures: Sequence[Figures]) -> Figures:
    """Mean of every figure over the images; what is gained over the reference, and the least."""
    summary = {name: round(fmean(f[name] for f in figures), 4) for name in figures[0]}
    if "psnr_y_bicubic" in summary:
        gains = [f["psnr_y"] - f["psnr_y_bicubic"] for f in figures]
        summary["min_gain_over_bicubic"] = round(min(gains), 4)
    for space in ("y", "rgb"):
        if f"psnr_{space}_input" in summary:
            gain = summary[f"psnr_{space}"] - summary[f"psnr_{space}_input"]
            summary["gain"] = round(gain, 4)
    return summary
