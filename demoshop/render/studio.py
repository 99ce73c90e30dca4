"""A photographer's studio: materials, soft boxes, backdrops and the camera, as Mitsuba scenes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np
from numpy.typing import ArrayLike, NDArray

from demoshop.render.meshes import Mesh, grid, plate, rounded

Array = NDArray[np.float64]
Colour = ArrayLike
"""sRGB in [0, 1]: (3,), or a picture (H, W, 3) laid over the texture coordinates."""
Material = dict[str, Any]


def linear(srgb: ArrayLike) -> Array:
    """Turn sRGB values into amounts of light."""
    value = np.asarray(srgb, float)
    result: Array = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return result


def _colour(value: Colour) -> dict[str, Any]:
    pixels = np.asarray(value, float)
    if pixels.ndim == 1:
        return {"type": "rgb", "value": linear(pixels).tolist()}
    image = mi.Bitmap(np.round(np.clip(pixels[::-1], 0, 1) * 255).astype(np.uint8))
    return {"type": "bitmap", "bitmap": image}


def _amount(value: float | Array) -> dict[str, Any] | float:
    if isinstance(value, int | float):
        return float(value)
    image = mi.Bitmap(np.ascontiguousarray(value[::-1], dtype=np.float32))
    return {"type": "bitmap", "bitmap": image, "raw": True}


def solid(colour: Colour, roughness: float | Array = 0.5, **options: float) -> Material:
    """Anything opaque; options are those of Mitsuba's ``principled`` material."""
    return {
        "type": "twosided",
        "inside": {
            "type": "principled",
            "base_color": _colour(colour),
            "roughness": _amount(roughness),
            **options,
        },
    }


def embossed(material: Material, height: Array, depth: float) -> Material:
    """Give a solid material relief: height in [0, 1], (H, W), times depth in centimetres."""
    relief = {
        "type": "bumpmap",
        "relief": _amount(height[..., None]),
        "inside": material["inside"],
        "scale": depth,
    }
    return {"type": "twosided", "inside": relief}


def _matt(reflectance: float) -> Material:
    colour = {"type": "rgb", "value": [reflectance] * 3}
    return {"type": "twosided", "inside": {"type": "diffuse", "reflectance": colour}}


def metal(name: str, roughness: float) -> Material:
    """A real metal by Mitsuba's name: Al, Au, Cu, Cr, ..."""
    inside = {"type": "roughconductor", "material": name, "alpha": roughness}
    return {"type": "twosided", "inside": inside}


def glass(tint: ArrayLike = (1, 1, 1), ior: float = 1.5) -> Material:
    """Clear glass, tinted as light passes its surfaces."""
    return {
        "type": "dielectric",
        "int_ior": ior,
        "specular_transmittance": {"type": "rgb", "value": np.asarray(tint, float).tolist()},
    }


def shade_cloth(colour: Colour, through: float) -> Material:
    """Thin cloth that lets light through; ``through`` 0 (none) to 2 (all of it)."""
    return {
        "type": "principledthin",
        "base_color": _colour(colour),
        "roughness": 0.8,
        "diff_trans": through,
    }


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the photograph is taken from."""

    origin: tuple[float, float, float]
    target: tuple[float, float, float]
    fov_degrees: float = 24.0
    """Angle of the picture's height."""
    aperture: float = 0.25
    """Radius of the lens, centimetres: larger blurs what is not at the target."""
    focus: tuple[float, float, float] | None = None
    """What is sharp; the target when unset."""


@dataclass
class Studio:
    """One set: things, lights and a camera."""

    folder: Path
    """Where meshes are written for the renderer."""
    camera: Camera
    exposure: float = 1.0
    """Factor on the automatic exposure."""
    scene: dict[str, Any] = field(default_factory=dict)
    surroundings: set[str] = field(default_factory=set)
    """Names of the things that do not belong to the product."""

    def put(self, mesh: Mesh, material: Material) -> None:
        """Place a thing."""
        name = f"thing{len(self.scene):03d}"
        path = self.folder / f"{name}.ply"
        mesh.save(path)
        self.scene[name] = {"type": "ply", "filename": str(path), "material": material}

    def stage(self, mesh: Mesh, material: Material) -> None:
        """Place a thing that the product stands on or before."""
        self.put(mesh, material)
        self.surroundings.add(next(reversed(self.scene)))

    def glow(self, mesh: Mesh, colour: Colour, power: float) -> None:
        """Place a thing that shines by itself."""
        self.put(mesh, solid((0, 0, 0)))
        radiance = (linear(colour) * power).tolist()
        last = next(reversed(self.scene))
        self.scene[last]["emitter"] = {
            "type": "area",
            "radiance": {"type": "rgb", "value": radiance},
        }

    def softbox(
        self,
        origin: tuple[float, float, float],
        target: tuple[float, float, float],
        size: tuple[float, float],
        power: float,
        colour: Colour = (1, 1, 1),
    ) -> None:
        """Hang a soft box: its centre, what it faces, width and height, radiance, colour."""
        place = mi.ScalarTransform4f().look_at(origin=origin, target=target, up=(0, 0.01, 1))
        shape = place @ mi.ScalarTransform4f().scale((size[0] / 2, size[1] / 2, 1))
        radiance = (linear(colour) * power).tolist()
        self.scene[f"light{len(self.scene):03d}"] = {
            "type": "rectangle",
            "to_world": shape,
            "emitter": {
                "type": "area",
                "radiance": {"type": "rgb", "value": radiance},
                "sampling_weight": power * size[0] * size[1] / 10_000,
            },
        }

    def surround(self, power: float) -> None:
        """Let a little white light come from everywhere, as in a bright room."""
        radiance = {"type": "rgb", "value": [power] * 3}
        self.scene["surround"] = {"type": "constant", "radiance": radiance}

    def cove(self, material: Material, *, back: float = 45, radius: float = 28) -> None:
        """Roll out a paper backdrop: a floor that bends up into a wall behind the product."""
        line = rounded([(-140, 0, 0), (back, 0, radius), (back, 160, 0)], steps=48)
        x = np.linspace(-200, 200, 3)
        positions = np.empty((len(x), len(line), 3))
        positions[..., 0], positions[..., 1:] = x[:, None], line
        uvs = positions[..., :2] / 100
        self.stage(grid(positions, uvs), material)

    def table(self, material: Material) -> None:
        """Set a table top under the product, 120 cm wide, its edge behind the product."""
        self.stage(plate(120, 120).moved((0, -22, 0)), material)

    def wall(self, material: Material, *, back: float = 75) -> None:
        """Put a wall behind the table."""
        self.stage(plate(500, 400).moved((0, back, 0), turn_x=90), material)

    def daylight(self, *, key: float = 9.0, fill: float = 2.2, rim: float = 5.0) -> None:
        """The house light: a large key from the left, a weak fill, a strip from behind."""
        self.softbox((-62, -38, 68), (0, 0, 8), (60, 60), key, (1, 0.985, 0.96))
        self.softbox((75, -30, 35), (0, 0, 8), (50, 70), fill, (0.96, 0.98, 1))
        self.softbox((30, 38, 75), (0, 0, 10), (50, 18), rim)
        self.surround(0.35)

    def load(self, size: tuple[int, int]) -> Any:
        """Build the scene for a picture of (width, height) pixels."""
        integrator = {
            "type": "aov",
            "aovs": "albedo:albedo,normal:sh_normal",
            "path": {"type": "path", "max_depth": 14, "rr_depth": 6},
        }
        return self._build(size, integrator, self.scene)

    def load_mask(self, size: tuple[int, int]) -> Any:
        """Build the scene in which the product is white, everything else black, and light nothing.

        The mean colour that the camera sees is how much of each pixel the product covers, blur of
        the lens included; glass counts as solid.
        """
        things = {
            name: {
                "type": "ply",
                "filename": thing["filename"],
                "material": _matt(0.0 if name in self.surroundings else 1.0),
            }
            for name, thing in self.scene.items()
            if thing["type"] == "ply"
        }
        return self._build(size, {"type": "aov", "aovs": "albedo:albedo"}, things)

    def _build(self, size: tuple[int, int], integrator: Any, things: dict[str, Any]) -> Any:
        film = {
            "type": "hdrfilm",
            "width": size[0],
            "height": size[1],
            "pixel_format": "rgb",
            "rfilter": {"type": "box"},
        }
        focus = np.asarray(self.camera.focus or self.camera.target, float)
        view = np.asarray(self.camera.target, float) - np.asarray(self.camera.origin, float)
        view /= np.linalg.norm(view)
        sensor = {
            "type": "thinlens",
            "fov": self.camera.fov_degrees,
            "fov_axis": "y",
            "aperture_radius": self.camera.aperture,
            "focus_distance": float((focus - self.camera.origin) @ view),
            "to_world": mi.ScalarTransform4f().look_at(
                origin=self.camera.origin, target=self.camera.target, up=(0, 0, 1)
            ),
            "film": film,
            "sampler": {"type": "multijitter", "sample_count": 16},
        }
        return mi.load_dict({"type": "scene", "integrator": integrator, "sensor": sensor, **things})
