"""``python -m demoshop.render OUT``: photographs the sample catalogue with a path tracer."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import mitsuba as mi

from demoshop.render.denoise import denoise
from demoshop.render.film import coverage, develop, expose
from demoshop.render.shots import SHOTS


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--only", multiple=True, type=click.Choice(sorted(SHOTS)), help="Render just these.")
@click.option("--width", default=800, show_default=True, help="Pixels; the height is 5/4 of it.")
@click.option("--samples", default=96, show_default=True, help="Light paths per pixel.")
@click.option("--masks", is_flag=True, help="Only the exact masks of the products, as PNG files.")
@click.option(
    "--variant",
    default="scalar_rgb",
    show_default=True,
    help="Mitsuba's back end; llvm_ad_rgb is faster where libLLVM 19 or newer is installed.",
)
def render(
    out: Path, only: tuple[str, ...], width: int, samples: int, masks: bool, variant: str
) -> None:
    """Render every product (or ONLY some) into OUT as JPEG files."""
    mi.set_variant(variant)
    out.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(SHOTS):
        if only and name not in only:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            studio = SHOTS[name](Path(folder))
            size = (width, width * 5 // 4)
            if masks:
                mask = coverage(studio.load_mask(size), samples, seed=number)
                mask.save(out / f"{name}.png", optimize=True)
            else:
                light = denoise(expose(studio.load(size), samples, seed=number))
                picture = develop(light, studio.exposure)
                picture.save(out / f"{name}.jpg", quality=95, subsampling=0, optimize=True)
        click.echo(f"{name:<12} {time.monotonic() - start:6.1f} s")


if __name__ == "__main__":
    render()
