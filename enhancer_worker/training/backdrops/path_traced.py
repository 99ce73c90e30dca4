"""Path-traces surfaces, walls and coves with Mitsuba under lights of known direction and size."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from enhancer_worker.nets.backdrop_conditions import SEAMLESS, BackdropConditions
from enhancer_worker.nets.backdrop_maps import (
    FOCAL,
    LIGHT_DISTANCE,
    SIDE,
    VANISHING,
    WALL_DEPTH,
    Placing,
    placing,
    surface_middle,
)
from enhancer_worker.nets.backdrop_noise import KINDS, SPAN, pyramid
from enhancer_worker.training.backdrops.materials import random_conditions, random_materials
from enhancer_worker.training.backdrops.scenes import PATH_TRACED, Scene, finished
from enhancer_worker.training.backdrops.shading import Light, Materials, albedo, encoded, linear

Floats = NDArray[np.float32]

STYLES = ("cove", "studio_white", "studio_gradient", "wood_table", "marble", "concrete", "fabric")
LIGHT_SIDE = 64
"""Pixels of the light, which has no detail where nothing stands on the stage."""
LIGHT_SAMPLES = 40
"""Paths per pixel of it; what noise is left goes with the smoothing."""
COLOUR_SAMPLES = 4
"""Rays per pixel of the surfaces' own colours."""
SMOOTHED_PIXELS = 4.0
LARGEST_AZIMUTH = 75.0
REAL_SHARE = 0.35
"""Scenes with a photographed texture instead of noise, where there is one of the style."""
REAL_TEXTURES = {
    "wood_table": ("wood", "wood_floor", "rosewood"),
    "marble": ("marble", "marble_white"),
    "concrete": ("rock", "sand"),
    "fabric": ("cloth", "fabric_pattern"),
}
HELD_OUT_ONE_IN = 5
COVE_RADIUS = 1.6
_HALF_WIDTH = 12.0
_DARKEST_ALBEDO = 0.02


def path_traced_scenes(data: Path | None, count: int, seconds: float, seed: int) -> Iterator[Scene]:
    """Render scenes of all styles in turn until the count or the time is reached.

    Args:
        data: holds `textures/` and `panoramas/`; None: procedural textures and lamps only.
        count: scenes at most.
        seconds: time at most.
        seed: of all of them.
    """
    mi.set_variant("scalar_rgb")
    mi.set_log_level(mi.LogLevel.Error)
    ends = time.monotonic() + seconds
    for number in range(count):
        if time.monotonic() > ends:
            return
        style = STYLES[number % len(STYLES)]
        held_out = number // len(STYLES) % HELD_OUT_ONE_IN == 0
        rng = np.random.default_rng((seed, 4, number))
        yield path_traced(f"traced-{number:05d}", style, data, rng, is_held_out=held_out)


def path_traced(
    name: str, style: str, data: Path | None, rng: np.random.Generator, *, is_held_out: bool
) -> Scene:
    """Render one scene.

    Its light is rendered small and smoothed, apart from the surfaces' own colours, so that few
    paths are enough and textures stay sharp.
    """
    conditions = random_conditions(style, rng)
    azimuth = float(np.clip(conditions.azimuth, -LARGEST_AZIMUTH, LARGEST_AZIMUTH))
    conditions = replace(conditions, azimuth=azimuth)
    materials = random_materials(style, rng)
    real = _real_texture(style, data, rng)
    stage = _stage(conditions, materials, real)
    fill, lamp = _fill(data, rng), _lamp(conditions)
    path = {"type": "path", "max_depth": 4, "hide_emitters": True}
    small = _layers(path, _camera(conditions, LIGHT_SIDE, LIGHT_SAMPLES), stage, fill, lamp)
    quick = {"type": "path", "max_depth": 1}
    full = _layers(quick, _camera(conditions, SIDE, COLOUR_SAMPLES), stage)
    given = small[..., :3] / np.maximum(small[..., -3:], _DARKEST_ALBEDO)
    light = _smoothed(given.astype(np.float32), conditions)
    own = full[..., -3:]
    level = float(np.median((own * light).mean(axis=2)))
    wanted = materials.exposure * min(float(np.mean(materials.surface)) * 1.05, 0.85)
    picture = encoded(own * light * (wanted / max(level, 1e-3)))
    result = finished(name, picture, conditions, PATH_TRACED, is_held_out=is_held_out)
    return replace(result, is_paired=real is None)


def _layers(
    integrator: dict[str, Any], camera: dict[str, Any], stage: dict[str, Any], *lights: Any
) -> Floats:
    """Light and, last, the surfaces' own colours, (side, side, C)."""
    told = {f"light_{number}": light for number, light in enumerate(lights)}
    both = {"type": "aov", "aovs": "own:albedo", "inner": integrator}
    scene = mi.load_dict({"type": "scene", "integrator": both, "sensor": camera, **stage, **told})
    return np.array(mi.render(scene), dtype=np.float32)


def _camera(conditions: BackdropConditions, side: int, samples: int) -> dict[str, Any]:
    """A level camera; cutting its film shifts the lens."""
    level = 1 - conditions.horizon - VANISHING
    tall = 2 * round(side * max(level, 1 - level))
    transform = mi.ScalarTransform4f
    return {
        "type": "thinlens",
        "fov": float(np.degrees(2 * np.arctan(0.5 / FOCAL))),
        "fov_axis": "x",
        "aperture_radius": 0.012,
        "focus_distance": surface_middle(conditions.horizon),
        "to_world": transform().look_at(origin=[0, 1, 0], target=[0, 1, 1], up=[0, 1, 0])
        @ transform().scale([-1, 1, 1]),
        "film": {
            "type": "hdrfilm",
            "width": side,
            "height": tall,
            "crop_width": side,
            "crop_height": side,
            "crop_offset_x": 0,
            "crop_offset_y": tall // 2 - round(side * level),
            "pixel_format": "rgb",
            "rfilter": {"type": "gaussian"},
        },
        "sampler": {"type": "independent", "sample_count": samples},
    }


def _lamp(conditions: BackdropConditions) -> dict[str, Any]:
    middle = np.array([0, 0, surface_middle(conditions.horizon)])
    at = middle + LIGHT_DISTANCE * np.array(conditions.light())
    at[2] = min(at[2], WALL_DEPTH - 0.3)
    radius = 0.12 + 1.2 * conditions.light_size
    place = mi.ScalarTransform4f().look_at(
        origin=at.tolist(), target=middle.tolist(), up=[0.01, 1, 0.02]
    )
    strength = 3.2 * LIGHT_DISTANCE**2 / (np.pi * radius**2)
    emitter = {"type": "area", "radiance": {"type": "rgb", "value": float(strength)}}
    return {"type": "disk", "to_world": place.scale(radius), "emitter": emitter}


def _fill(data: Path | None, rng: np.random.Generator) -> dict[str, Any]:
    files = sorted((data / "panoramas").glob("*studio*.hdr")) if data is not None else []
    if files and rng.random() < 0.5:
        turn = mi.ScalarTransform4f().rotate([0, 1, 0], float(rng.uniform(0, 360)))
        file = str(files[int(rng.integers(len(files)))])
        return {"type": "envmap", "filename": file, "scale": 0.45, "to_world": turn}
    strength = float(rng.uniform(0.3, 0.7))
    return {"type": "constant", "radiance": {"type": "rgb", "value": strength}}


def _stage(
    conditions: BackdropConditions, materials: Materials, real: Floats | None
) -> dict[str, Any]:
    if materials.style in SEAMLESS:
        return {"cove": _cove(_painted(materials.surface))}
    stuff = _stuff(materials, real)
    lie = placing(conditions.seed)
    gloss = {"wood_table": 0.35, "marble": 0.2}.get(materials.style)
    far = WALL_DEPTH - 2 * _HALF_WIDTH
    floor = _bsdf(_bitmap(stuff, lie, (-_HALF_WIDTH, WALL_DEPTH), (_HALF_WIDTH, far)), gloss)
    ends = (_HALF_WIDTH, WALL_DEPTH), (-_HALF_WIDTH, WALL_DEPTH + 2 * _HALF_WIDTH)
    colour = _bitmap(stuff, lie, *ends) if materials.wall_is_textured else _painted(materials.wall)
    wall = _bsdf(colour, None)
    transform = mi.ScalarTransform4f
    flat = transform().translate([0, 0, WALL_DEPTH - _HALF_WIDTH]).rotate([1, 0, 0], -90)
    upright = transform().translate([0, _HALF_WIDTH, WALL_DEPTH]).rotate([0, 1, 0], 180)
    return {
        "floor": {"type": "rectangle", "to_world": flat.scale(_HALF_WIDTH), "bsdf": floor},
        "wall": {"type": "rectangle", "to_world": upright.scale(_HALF_WIDTH), "bsdf": wall},
    }


def _stuff(materials: Materials, real: Floats | None) -> Floats:
    """The surface's colours over one tile, (side, side, 3), linear."""
    if real is None:
        planes = dict(zip(KINDS, np.moveaxis(pyramid()[0], -1, 0), strict=True))
        return albedo(materials, planes, materials.surface)
    grey = real.mean(axis=2, keepdims=True)
    share = np.clip((grey - grey.min()) / max(float(np.ptp(grey)), 1e-3), 0, 1)
    own, accent = (np.asarray(c, np.float32) for c in (materials.surface, materials.accent))
    mixed: Floats = (accent + (own - accent) * share).astype(np.float32)
    return mixed


def _bitmap(
    stuff: Floats, lie: Placing, first: tuple[float, float], last: tuple[float, float]
) -> dict[str, Any]:
    """The tile as it lies on a rectangle.

    Args:
        stuff: the tile.
        lie: how it is turned, scaled and shifted.
        first: position (across, along) of the corner where the rectangle's u and v are 0.
        last: position where they are 1.
    """
    cos, sin = np.cos(lie.angle), np.sin(lie.angle)
    turn = np.array([[cos, -sin], [sin, cos]]) / lie.scale / SPAN
    edges = np.subtract(last, first)
    matrix = np.eye(4, dtype=np.float32)
    matrix[:2, :2] = turn * edges
    matrix[:2, 3] = turn @ np.array(first) + np.array(lie.offset) / SPAN
    return {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(stuff)),
        "raw": True,
        "to_uv": mi.ScalarTransform4f(matrix),
    }


def _bsdf(colour: Mapping[str, Any], roughness: float | None) -> dict[str, Any]:
    if roughness is None:
        inner: dict[str, Any] = {"type": "diffuse", "reflectance": colour}
    else:
        inner = {"type": "principled", "base_color": colour, "roughness": roughness}
    return {"type": "twosided", "inner": inner}


def _painted(light: Light) -> dict[str, Any]:
    return {"type": "rgb", "value": list(light)}


def _cove(colour: dict[str, Any]) -> Any:
    """Floor, quarter of a circle, wall: one strip with smooth normals."""
    turn = np.linspace(0, np.pi / 2, 24)
    bend_z = WALL_DEPTH + 0.6 - COVE_RADIUS * (1 - np.sin(turn))
    bend_y = COVE_RADIUS * (1 - np.cos(turn))
    z = np.concatenate([[-2 * _HALF_WIDTH], bend_z, [bend_z[-1]]])
    y = np.concatenate([[0], bend_y, [2 * _HALF_WIDTH]])
    count = len(z)
    mesh = mi.Mesh("cove", 2 * count, 2 * (count - 1), has_vertex_normals=True)
    values = mi.traverse(mesh)
    points = [(x, a, b) for a, b in zip(y, z, strict=True) for x in (-_HALF_WIDTH, _HALF_WIDTH)]
    starts = range(0, 2 * count - 2, 2)
    faces = [face for k in starts for face in ((k, k + 1, k + 2), (k + 1, k + 3, k + 2))]
    values["vertex_positions"] = np.ravel(points).astype(np.float32)
    values["faces"] = np.ravel(faces).astype(np.uint32)
    values.update()
    mesh.recompute_vertex_normals()
    with NamedTemporaryFile(suffix=".ply") as file:
        mesh.write_ply(file.name)
        return mi.load_dict({"type": "ply", "filename": file.name, "bsdf": _bsdf(colour, None)})


def _smoothed(light: Floats, conditions: BackdropConditions) -> Floats:
    """Smooth light within the floor and within the wall, or over both where there is no edge.

    Args:
        light: (LIGHT_SIDE, LIGHT_SIDE, 3).
        conditions: horizon and style.

    Returns:
        (SIDE, SIDE, 3).
    """
    light = np.minimum(light, 4 * np.median(light))
    edge = 1 - conditions.horizon
    if conditions.style in SEAMLESS:
        return _enlarged(_blurred(light, np.ones(LIGHT_SIDE, np.float32)))
    near, far = ((_rows(side) > edge).astype(np.float32) for side in (LIGHT_SIDE, SIDE))
    # A row of the small light that shows both regions belongs to neither.
    mixed = np.abs(_rows(LIGHT_SIDE) - edge) < 0.6 / LIGHT_SIDE
    floor, wall = np.where(mixed, 0, near), np.where(mixed, 0, 1 - near)
    is_floor = np.broadcast_to(far[:, None, None] > 0, (SIDE, SIDE, 3))
    below, above = (_enlarged(_blurred(light, rows.astype(np.float32))) for rows in (floor, wall))
    below[~is_floor] = above[~is_floor]
    return below


def _rows(side: int) -> Floats:
    return ((np.arange(side) + 0.5) / side).astype(np.float32)


def _enlarged(light: Floats) -> Floats:
    times = SIDE // LIGHT_SIDE
    result: Floats = zoom(light, (times, times, 1), order=1, mode="nearest", grid_mode=True)
    smooth: Floats = gaussian_filter(result, (times, times, 0), mode="nearest")
    return smooth


def _blurred(light: Floats, rows: Floats) -> Floats:
    """Mean of the light around, of the rows that count only."""
    size = (SMOOTHED_PIXELS, SMOOTHED_PIXELS, 0)
    share = np.broadcast_to(rows[:, None, None], light.shape).astype(np.float32)
    weights = gaussian_filter(share, size, mode="nearest")
    total = gaussian_filter(light * share, size, mode="nearest")
    return np.where(weights > 1e-4, total / np.maximum(weights, 1e-4), light).astype(np.float32)


def _real_texture(style: str, data: Path | None, rng: np.random.Generator) -> Floats | None:
    names = REAL_TEXTURES.get(style, ())
    if data is None or not names or rng.random() > REAL_SHARE:
        return None
    path = data / "textures" / f"{names[int(rng.integers(len(names)))]}.jpg"
    if not path.exists():
        return None
    with Image.open(path) as image:
        return linear(np.asarray(image.convert("RGB"), np.float32) / 255)
