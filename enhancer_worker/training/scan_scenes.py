"""Random studios, tables and floors with a scanned product, for the path tracer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

KINDS = ("cove", "table", "flat")
KIND_ODDS = (0.4, 0.45, 0.15)
STAGE_SIZE = 14.0
"""Half the side of floor and wall; a product is one high or wide."""
PICTURED_SHARE = 0.6
"""Of the walls behind tables that show a photograph."""
PICTURES_ACROSS = 4.0
"""Photographs side by side along a wall, every other one mirrored."""
PATH_DEPTH = 5


@dataclass(frozen=True)
class Props:
    """What scenes are made of."""

    scans: Sequence[Path]
    """Meshes with texture coordinates, `NAME.ply`, each with its texture `NAME.jpg`."""
    panoramas: Sequence[Path]
    """Radiance environment maps."""
    textures: Sequence[Path]
    """Colour maps of materials, for floors."""
    views: Sequence[Path] = ()
    """Photographs for walls. Without them walls have one colour, and a scene of the kind `flat` has
    none, so that the panorama is to be seen."""


@dataclass(frozen=True)
class ScanScene:
    """One scene: dictionaries of the path tracer, and what was drawn."""

    product: dict[str, Any]
    """The mesh, standing in the middle."""
    stage: dict[str, Any]
    """Floor, wall and lights."""
    view: dict[str, Any]
    """The camera, without film and sampler."""
    facts: dict[str, Any]
    """Kind, light and camera, for `NAME.json`."""


@dataclass(frozen=True)
class _Body:
    place: Any
    """Where the mesh goes, a transform."""
    height: float
    """Of the product, of its largest extent."""


def random_scene(mi: Any, rng: np.random.Generator, scan: Path, props: Props) -> ScanScene:
    """Draw a scene around one scan.

    Args:
        mi: the path tracer's module, a variant set.
        rng: source of randomness.
        scan: the mesh.
        props: lights and materials.
    """
    body = _standing(mi, scan, float(rng.uniform(0, 360)))
    kind = str(rng.choice(KINDS, p=KIND_ODDS))
    stage, roughness = _surfaces(mi, rng, kind, props)
    lights, light_facts = _lights(mi, rng, props)
    view, view_facts = _view(mi, rng, body.height)
    bitmap = {"type": "bitmap", "filename": str(scan.with_suffix(".jpg"))}
    surface = {
        "type": "principled",
        "base_color": bitmap,
        "roughness": float(rng.uniform(0.2, 0.6)),
        "specular": 0.4,
    }
    product = {
        "type": "ply",
        "filename": str(scan),
        "to_world": body.place,
        "bsdf": {"type": "twosided", "b": surface},
    }
    facts = {"kind": kind, **light_facts, **view_facts, "floor_roughness": round(roughness, 3)}
    return ScanScene(product, {**stage, **lights}, view, facts)


def _standing(mi: Any, scan: Path, yaw: float) -> _Body:
    """Scale a mesh to an extent of one and set it on the floor, turned by `yaw` degrees."""
    box = mi.load_dict({"type": "ply", "filename": str(scan)}).bbox()
    low, high = np.array(box.min, float), np.array(box.max, float)
    centre, scale = (low + high) / 2, 1 / float((high - low).max())
    turn = mi.ScalarTransform4f().rotate([0, 0, 1], yaw).scale(scale)
    place = turn.translate([-float(centre[0]), -float(centre[1]), -float(low[2])])
    return _Body(place, float(high[2] - low[2]) * scale)


def _surfaces(
    mi: Any, rng: np.random.Generator, kind: str, props: Props
) -> tuple[dict[str, Any], float]:
    """Floor and wall, and the roughness of the floor."""
    transform = mi.ScalarTransform4f
    colour = _colour(rng) if kind != "cove" or rng.random() < 0.6 else [0.9, 0.9, 0.9]
    base: dict[str, Any] = {"type": "rgb", "value": colour}
    if kind == "table":
        texture = props.textures[int(rng.integers(len(props.textures)))]
        base = _picture(mi, texture, float(rng.uniform(3, 8)))
    roughness = float(rng.uniform(0.15, 0.8))
    floor = {
        "type": "principled",
        "base_color": base,
        "roughness": roughness,
        "specular": float(rng.uniform(0.1, 0.5)),
    }
    stage = {"floor": _plane(transform().scale(STAGE_SIZE), floor)}
    view = _view_behind(rng, kind, props)
    if view or kind != "flat":
        tone = colour if kind == "cove" else _colour(rng)
        shown = {"type": "rgb", "value": tone}
        if view:
            shown = _picture(mi, view, PICTURES_ACROSS)
        wall = {"type": "diffuse", "reflectance": shown}
        upright = transform().translate([0, float(rng.uniform(1.2, 6)), 0]).rotate([1, 0, 0], 90)
        stage["wall"] = _plane(upright.scale(STAGE_SIZE), wall)
    return stage, roughness


def _view_behind(rng: np.random.Generator, kind: str, props: Props) -> Path | None:
    is_pictured = kind == "flat" or (kind == "table" and rng.random() < PICTURED_SHARE)
    if not (is_pictured and props.views):
        return None
    return props.views[int(rng.integers(len(props.views)))]


def _picture(mi: Any, path: Path, times: float) -> dict[str, Any]:
    """A photograph over a plane, so many times along each side, without seams."""
    tiles = mi.ScalarTransform4f().scale(times)
    return {"type": "bitmap", "filename": str(path), "to_uv": tiles, "wrap_mode": "mirror"}


def _plane(to_world: Any, surface: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "rectangle",
        "to_world": to_world,
        "bsdf": {"type": "twosided", "b": surface},
    }


def _lights(
    mi: Any, rng: np.random.Generator, props: Props
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A panorama and one area light from any side."""
    transform = mi.ScalarTransform4f
    turned = transform().rotate([0, 0, 1], float(rng.uniform(0, 360))).rotate([1, 0, 0], 90)
    panorama = {
        "type": "envmap",
        "filename": str(props.panoramas[int(rng.integers(len(props.panoramas)))]),
        "scale": float(rng.uniform(0.7, 1.4)),
        "to_world": turned,
    }
    around, up = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.3)
    size = float(rng.uniform(0.4, 1.6))
    direction = np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
    origin = [float(value) for value in 4 * direction - [0, 1, 0]]
    radiance = {"type": "rgb", "value": float(rng.uniform(3, 12) / size**2)}
    aimed = transform().look_at(origin=origin, target=[0, 0, 0.3], up=[0, 1, 0.01])
    light = {
        "type": "rectangle",
        "to_world": aimed.scale(size),
        "emitter": {"type": "area", "radiance": radiance},
    }
    length = float(np.linalg.norm(origin))
    facts = {
        "light_direction": [round(value / length, 3) for value in origin],
        "light_size": round(size, 3),
    }
    return {"panorama": panorama, "light": light}, facts


def _view(
    mi: Any, rng: np.random.Generator, height: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A camera that sees the whole product, from slightly above."""
    elevation, azimuth = np.radians(rng.uniform(8, 38)), np.radians(rng.uniform(-25, 25))
    fov, share = float(rng.uniform(22, 38)), rng.uniform(0.42, 0.75)
    radius = np.sqrt(max(height, 0.4) ** 2 + 0.6) / 2
    distance = radius / np.tan(np.radians(fov) / 2) / share
    target = np.array([rng.normal(0, 0.06), 0, height / 2 + rng.normal(0, 0.04)])
    flat = np.cos(elevation)
    away = [flat * np.sin(azimuth), -flat * np.cos(azimuth), np.sin(elevation)]
    origin = target + distance * np.array(away)
    look = mi.ScalarTransform4f().look_at(
        origin=[float(value) for value in origin],
        target=[float(value) for value in target],
        up=[0, 0, 1],
    )
    facts = {
        "camera_elevation_deg": round(float(np.degrees(elevation)), 1),
        "fov_deg": round(fov, 1),
    }
    return {"type": "perspective", "fov": fov, "to_world": look}, facts


def _colour(rng: np.random.Generator) -> list[float]:
    grey = rng.uniform(0.25, 0.95) + rng.normal(0, 0.1, 3)
    return [float(value) for value in np.clip(grey, 0.05, 0.97)]
