"""Renders scanned products in random scenes: picture, exact alpha, and the scene without them."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.training.backdrops.photographs import UNFIT, is_held_out, panorama_of
from enhancer_worker.training.data import NoTrainingImagesError, find_photos, split_photos
from enhancer_worker.training.matting_layers import HELD_OUT_SCANS
from enhancer_worker.training.scan_scenes import PATH_DEPTH, Props, ScanScene, random_scene
from shopimg.contract import WorkerError

Array = NDArray[np.float64]
VARIANT = "scalar_rgb"
MASK_SAMPLES = 36
DARKEST_MEDIAN = 0.02
SMALLEST_SHARE, LARGEST_SHARE = 0.03, 0.6
"""Of the picture that the product takes; others are left out."""
SHOULDER = 16.0
"""Radiance, in units of white, that the tone curve maps to about one."""
HELD_OUT_FLOORS = frozenset(
    (
        "budgie_0014_3.jpg",
        "dreambooth_0029_1.jpg",
        "dreambooth_0104_0.jpg",
        "dreambooth_0095_0.jpg",
        "dreambooth_0138_1.jpg",
        "popos_0021_1.jpg",
    )
)
"""Held-out photographs of sand, painted wood, earth and stone, picked by eye."""


@dataclass(frozen=True)
class RenderArgs:
    """What to render."""

    data: Path
    """Folder with `scans/`, `panoramas/` and `textures/`, and where there are, `backdrops/` and
    `photos/`."""
    out: Path
    """Folder for `NAME.jpg`, `NAME-alpha.png`, `NAME-empty.jpg` and `NAME.json`."""
    held_out: bool = False
    """The scans that judge, not those that train, with floors and walls that train nothing."""
    views: int = 4
    """Scenes per scan."""
    side: int = 320
    """Width and height, pixels."""
    samples: int = 48
    """Light paths per pixel."""
    seed: int = 1
    """Scene number n of a scan depends on the seed, the scan's place among the scans and n."""
    minutes: float = 0.0
    """No scene is begun after this long; 0: no limit."""


def render_all(args: RenderArgs) -> int:
    """Render what is not there yet; the number of scenes that were written.

    Raises:
        WorkerError: mitsuba is not installed, or there are no scans.
        NoTrainingImagesError: there are no photographs to hold out.
    """
    mi = _import_mitsuba()
    props = props_of(args.data, held_out=args.held_out)
    args.out.mkdir(parents=True, exist_ok=True)
    began, written = time.monotonic(), 0
    for view in range(args.views):
        for number, scan in enumerate(props.scans):
            if args.minutes and time.monotonic() - began > 60 * args.minutes:
                return written
            path = args.out / f"{scan.stem}-{args.seed}-{view}.json"
            if not path.exists():
                rng = np.random.default_rng((args.seed, number, view))
                written += _render_one(mi, random_scene(mi, rng, scan, props), path, args)
    return written


def _render_one(mi: Any, scene: ScanScene, path: Path, args: RenderArgs) -> bool:
    """Render one scene and write its files unless it is dark or the product hardly in it."""
    stage = {"type": "scene", **scene.stage}
    full = _render(mi, {**stage, "product": scene.product}, scene, args)
    empty = _render(mi, stage, scene, args)
    alpha = _alpha(mi, scene, args)
    share = float((alpha > 0.5).mean())
    dark = float(np.median(empty.mean(2))) < DARKEST_MEDIAN
    if dark or not SMALLEST_SHARE < share < LARGEST_SHARE:
        return False
    exposure = 0.7 / max(float(np.percentile(empty.mean(2), 60)), 1e-3)
    name = path.stem
    for suffix, light in (("", full), ("-empty", empty)):
        picture = developed(light * exposure)
        picture.save(path.with_name(f"{name}{suffix}.jpg"), quality=93, subsampling=0)
    levels = np.rint(alpha * 255).astype(np.uint8)
    Image.fromarray(levels).save(path.with_name(f"{name}-alpha.png"), optimize=True)
    path.write_text(json.dumps({**scene.facts, "exposure": round(exposure, 4)}))
    return True


def developed(light: Array) -> Image.Image:
    """Turn radiance (H, W, 3), 1 for white, into an sRGB picture with a soft shoulder."""
    rolled = light * (1 + light / SHOULDER) / (1 + light)
    clipped = np.clip(np.nan_to_num(rolled), 0, 1)
    curved = 1.055 * np.maximum(clipped, 1e-6) ** (1 / 2.4) - 0.055
    encoded = np.where(clipped <= 0.0031308, 12.92 * clipped, curved)
    return Image.fromarray(np.rint(encoded * 255).astype(np.uint8))


def _render(mi: Any, what: dict[str, Any], scene: ScanScene, args: RenderArgs) -> Array:
    integrator = {"type": "path", "max_depth": PATH_DEPTH}
    sensor = _sensor(scene, "rgb", args.samples, args)
    loaded = mi.load_dict({**what, "integrator": integrator, "sensor": sensor})
    return np.array(mi.render(loaded, seed=args.seed), float)[..., :3]


def _alpha(mi: Any, scene: ScanScene, args: RenderArgs) -> Array:
    """What part of each pixel the product covers: (H, W), [0, 1]."""
    seen = {"type": "direct", "hide_emitters": True, "emitter_samples": 1, "bsdf_samples": 0}
    alone = {
        "type": "scene",
        "integrator": seen,
        "sensor": _sensor(scene, "rgba", MASK_SAMPLES, args),
        "product": scene.product,
        "light": {"type": "constant"},
    }
    covered: Array = np.array(mi.render(mi.load_dict(alone), seed=args.seed), float)[..., 3]
    return np.clip(covered, 0, 1)


def _sensor(scene: ScanScene, pixels: str, samples: int, args: RenderArgs) -> dict[str, Any]:
    film = {
        "type": "hdrfilm",
        "width": args.side,
        "height": args.side,
        "pixel_format": pixels,
        "rfilter": {"type": "gaussian"},
    }
    return {
        **scene.view,
        "film": film,
        "sampler": {"type": "multijitter", "sample_count": samples},
    }


def props_of(data: Path, *, held_out: bool) -> Props:
    """What scenes are made of; no scan, floor or wall is on both sides.

    Panoramas are: they light both, and are seen only where there are no `backdrops/`.

    Raises:
        WorkerError: the folder lacks something.
        NoTrainingImagesError: it has no photographs to hold out.
    """
    scans = [
        path
        for path in sorted((data / "scans").glob("*.ply"))
        if (path.stem in HELD_OUT_SCANS) == held_out
    ]
    panoramas = sorted((data / "panoramas").glob("*.hdr"))
    views = [
        path
        for path in sorted((data / "backdrops").glob("*.jpg"))
        if panorama_of(path) not in UNFIT and is_held_out(panorama_of(path)) == held_out
    ]
    floors = _held_out_floors(data) if held_out else sorted((data / "textures").glob("*.jpg"))
    if not (scans and panoramas and floors):
        raise WorkerError(detail=f"{data} lacks scans/, panoramas/ or textures/")
    return Props(scans, panoramas, floors, views)


def _held_out_floors(data: Path) -> list[Path]:
    """Photographs, as all textures lie under the products of `scenes/`."""
    photos = split_photos(find_photos(data))[1]
    return [path for path in photos if path.name in HELD_OUT_FLOORS] or photos


def _import_mitsuba() -> Any:
    try:
        import mitsuba  # noqa: PLC0415 - an extra, needed here alone
    except ImportError as err:
        raise WorkerError(
            detail=f'rendering needs Mitsuba: pip install "shopimg[render]" ({err})'
        ) from err
    mitsuba.set_variant(VARIANT)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


def main(argv: Sequence[str] | None = None) -> int:
    """Render the scans of a data folder.

    Returns:
        Exit status: 0, or 2 where nothing can be rendered.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="with scans/ and so on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--held-out", action="store_true", help="the scans that judge")
    parser.add_argument("--views", type=int, default=4, help="scenes per scan; default 4")
    parser.add_argument("--side", type=int, default=320, help="pixels; default 320")
    parser.add_argument("--samples", type=int, default=48, help="paths per pixel; default 48")
    parser.add_argument("--seed", type=int, default=1, help="of all scenes; default 1")
    parser.add_argument("--minutes", type=float, default=0.0, help="at most; 0: no limit")
    args = RenderArgs(**vars(parser.parse_args(sys.argv[1:] if argv is None else argv)))
    try:
        written = render_all(args)
    except (WorkerError, NoTrainingImagesError) as err:
        sys.stderr.write(f"{getattr(err, 'detail', '') or err}\n")
        return 2
    sys.stdout.write(f"{written} scenes written to {args.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
