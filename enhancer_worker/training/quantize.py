"""Makes 8-bit networks for CPUs by post-training quantisation, and measures what they lose."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray

from enhancer_worker.engine.openvino_session import OpenVinoSession
from enhancer_worker.nets.back_projection import WINDOW_PIXELS
from enhancer_worker.nets.manifest import file_digest, int8_file
from enhancer_worker.nets.zoo import ZooEntry
from enhancer_worker.training import fit_restorer, fit_upscaler
from enhancer_worker.training.catalogue import Fitness, read_catalogue, split_catalogue
from enhancer_worker.training.data import (
    NoTrainingImagesError,
    Tile,
    find_photos,
    large_enough,
    read_tile,
    split_photos,
)
from enhancer_worker.training.degradations import MARGIN_PIXELS, RestorationMix
from enhancer_worker.training.loop import HeldOut
from enhancer_worker.training.metrics import as_eight_bits, luma_scores, psnr
from enhancer_worker.training.trials import JUDGED_SIDE_PIXELS, middle_of
from shopimg.contract import WorkerError

LARGEST_LOSS_DB = 0.05
"""Most that an 8-bit network may lose where it runs without being asked for."""
FEWEST_PHOTOS = 12
"""Photographs, with those that judge, below which what an 8-bit network loses is not known."""
BEST_PSNR_DB = 50.0
"""Higher figures count as this one: their errors are below one level of 255, so not seen."""
CALIBRATION_CROPS = {"upscale": 48, "restore": 20}
"""Training crops on which the ranges of the activations are taken."""
CROP_PIXELS = {"upscale": 64, "restore": 192}
"""Side of one crop as the network sees it."""
SMALLEST_CROP_PIXELS = 16
"""Photographs that leave less than this are not calibrated with."""
SEED = 0

MOST_JUDGED = 48
"""Held-out photographs of the restorer: its many kinds of damage differ by little."""

Crop = NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """Photographs to make 8-bit networks with and to judge them by."""

    training: Sequence[Path]
    """They give the ranges of the activations."""
    held_out: Sequence[Path]
    """They judge."""
    read: Callable[[Path], Tile]
    """Gives one of them, (H, W, 3), uint8, RGB."""

    @property
    def count(self) -> int:
        """How many there are in all."""
        return len(self.training) + len(self.held_out)


def read_material(data: Path) -> Material:
    """Find the photographs of a data folder, or of any other folder with pictures.

    Args:
        data: laid out as `photos/*/*`, else searched as `finetune` does.

    Raises:
        TooFewPhotosError: there are none, or all are of one product.
    """
    try:
        return Material(*split_photos(find_photos(data)), read_tile)
    except NoTrainingImagesError:
        photos = read_catalogue(data, Fitness()).photos
        return Material(*split_catalogue(list(photos), 2), photos.__getitem__)


@dataclass(frozen=True)
class Variant:
    """How much of a network stays in fp32."""

    name: str
    """Recorded in `weights.json`."""
    float_ends: bool = False
    """The first and the last convolution stay as they are."""
    float_sums: bool = False
    """Residual connections stay as they are; else every block rounds what it passes on."""
    preset: str = "performance"
    """Of NNCF: `performance` has symmetric activations, `mixed` asymmetric ones."""


PLAIN = Variant("all convolutions")
FLOAT_ENDS = Variant("ends in fp32", float_ends=True, preset="mixed")
FLOAT_SUMS = Variant("ends and sums in fp32", float_ends=True, float_sums=True, preset="mixed")
VARIANTS = {"upscale": (PLAIN, FLOAT_ENDS), "restore": (FLOAT_SUMS,)}
"""What is tried for each step, fastest first; the first that loses little enough is taken."""


def export_int8(entry: ZooEntry, exported: Path, material: Material) -> dict[str, Any]:
    """Quantise an exported network and write it beside its fp32 version.

    It is chosen, so that workers run it unasked, where it loses little on enough photographs.

    Args:
        entry: which network; not a reference.
        exported: its fp32 `.xml` file.
        material: photographs.

    Returns:
        The entry `int8` of `weights.json`.

    Raises:
        WorkerError: NNCF is not installed.
    """
    pairs = held_out_pairs(entry, [material.read(path) for path in material.held_out])
    crops = calibration_crops(entry, material)
    model = ov.Core().read_model(exported)
    exact = scores(entry, model, pairs)
    best, losses, variant = model, {"": np.inf}, PLAIN
    for candidate in VARIANTS[entry.kind]:
        quantized = quantize(model, crops, candidate)
        found = losses_db(exact, scores(entry, quantized, pairs))
        if max(found.values()) < max(losses.values()):
            best, losses, variant = quantized, found, candidate
        if max(losses.values()) <= LARGEST_LOSS_DB:
            break
    path = exported.with_name(int8_file(entry.name))
    ov.save_model(best, path, compress_to_fp16=False)
    files = (path, path.with_suffix(".bin"))
    loss = max(losses.values())
    objection = objection_to(loss, material.count)
    return {
        "sha256": {file.name: file_digest(file) for file in files},
        "loss_db": round(loss, 4),
        "chosen": not objection,
        **({"objection": objection} if objection else {}),
        "losses_db": {kind: round(value, 4) for kind, value in losses.items()},
        "psnr_fp32_db": {kind: round(value, 4) for kind, value in exact.items()},
        "quantised": variant.name,
        "crops": len(crops),
    }


def objection_to(loss_db: float, photographs: int) -> str:
    """Why an 8-bit network must not run unasked; empty: nothing speaks against it.

    Args:
        loss_db: what it loses on the kind of picture where it loses most, dB.
        photographs: on how many this was found, with those that gave the ranges.

    >>> objection_to(0.01, 3)
    '3 photographs are too few to tell, at least 12 are needed'
    """
    if photographs < FEWEST_PHOTOS:
        return f"{photographs} photographs are too few to tell, at least {FEWEST_PHOTOS} are needed"
    # Written so that a loss which is not a number is too much as well.
    return "" if loss_db <= LARGEST_LOSS_DB else f"it loses more than {LARGEST_LOSS_DB} dB"


def losses_db(exact: Mapping[str, float], quantized: Mapping[str, float]) -> dict[str, float]:
    """What 8 bits cost by kind of picture; negative where they happen to gain.

    Args:
        exact: PSNR of the fp32 network by kind, dB.
        quantized: PSNR of the 8-bit network by kind, dB.

    >>> losses_db({"clean": 53.0, "q20": 31.0}, {"clean": 49.5, "q20": 30.75})
    {'clean': 0.5, 'q20': 0.25}
    """
    return {
        kind: min(value, BEST_PSNR_DB) - min(quantized[kind], BEST_PSNR_DB)
        for kind, value in exact.items()
    }


def calibration_crops(entry: ZooEntry, material: Material) -> list[Crop]:
    """Crops of training photographs as the network will see them; the same ones every time.

    Args:
        entry: which network.
        material: photographs, of which those for training are taken.

    Returns:
        Each (1, 3, side, side), float32, about [0, 1], RGB.
    """
    count = CALIBRATION_CROPS[entry.kind]
    rng = np.random.default_rng(SEED)
    chosen = rng.permutation(len(material.training))[:count]
    photos = large_enough(
        [material.read(material.training[int(index)]) for index in chosen],
        entry.scale * (2 * MARGIN_PIXELS + SMALLEST_CROP_PIXELS),
    )
    smallest = min(min(photo.shape[:2]) for photo in photos) // entry.scale
    side = min(CROP_PIXELS[entry.kind], smallest - 2 * MARGIN_PIXELS)
    side -= side % entry.multiple_of
    pairs = _training_pairs(entry, photos)
    return [pairs(rng, side)[0].contiguous().numpy() for _ in range(count)]


def held_out_pairs(entry: ZooEntry, photos: Sequence[Tile]) -> list[HeldOut]:
    """The validation pairs of the network's training; for the restorer more and larger ones."""
    if entry.kind == "restore":
        middles = [middle_of(photo, JUDGED_SIDE_PIXELS) for photo in photos]
        return fit_restorer.held_out_pairs(middles, MOST_JUDGED, JUDGED_SIDE_PIXELS)
    judging = large_enough(photos, fit_upscaler.smallest_judged(entry.scale, entry.flavour))
    return fit_upscaler.held_out_pairs(judging, entry.scale, entry.flavour)


def scores(entry: ZooEntry, model: ov.Model, pairs: Sequence[HeldOut]) -> dict[str, float]:
    """Mean PSNR by kind of damage, as in training: luma for upscalers, RGB for restorers, dB."""
    session = OpenVinoSession(model, precision="int8")
    found: dict[str, list[float]] = {}
    for pair in pairs:
        result = torch.from_numpy(session(pair.lq.contiguous().numpy()).copy())
        if entry.kind == "upscale":
            value = luma_scores(result, pair.gt, entry.scale)[0]
        else:
            value = psnr(as_eight_bits(result), pair.gt)
        found.setdefault(pair.kind, []).append(value)
    return {kind: fmean(values) for kind, values in found.items()}


def quantize(model: ov.Model, crops: Sequence[Crop], variant: Variant) -> ov.Model:
    """Quantise a copy of a network.

    Ranges span everything that the crops show. NNCF's own default, the mean of each crop's
    largest value, cuts off strong edges and costs whole decibels here.

    Args:
        model: fp32; left as it is.
        crops: each (1, 3, h, w), float32.
        variant: what stays in fp32.

    Raises:
        WorkerError: NNCF is not installed.
    """
    nncf = _import_nncf()
    parameters, ranges = nncf.quantization.advanced_parameters, nncf.quantization.range_estimator
    ignored = _float_operations(model, variant)
    quantized: ov.Model = nncf.quantize(
        model.clone(),
        nncf.Dataset(list(crops)),
        preset=nncf.QuantizationPreset(variant.preset),
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(crops),
        ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
        advanced_parameters=parameters.AdvancedQuantizationParameters(
            # 8-bit weights use their whole range: only CPUs whose sums cannot overflow run them.
            overflow_fix=parameters.OverflowFix.DISABLE,
            activations_range_estimator_params=ranges.RangeEstimatorParametersSet.MINMAX,
        ),
    )
    return quantized


def _float_operations(model: ov.Model, variant: Variant) -> list[str]:
    operations = model.get_ordered_ops()
    convolutions = [op for op in operations if op.get_type_name() == "Convolution"]
    # What corrects colours is not to be rounded to 8 bits itself.
    projection = [op for op in convolutions if _kernel_side(op) == WINDOW_PIXELS]
    trained = [op for op in convolutions if _kernel_side(op) != WINDOW_PIXELS]
    ends = [trained[0], trained[-1]] if variant.float_ends else []
    sums = [op for op in operations if _is_sum(op)] if variant.float_sums else []
    return [op.get_friendly_name() for op in (*projection, *ends, *sums)]


def _kernel_side(convolution: ov.Node) -> int:
    return int(convolution.input(1).get_partial_shape()[-1].get_length())


def _is_sum(operation: ov.Node) -> bool:
    """Whether it adds two computed tensors; a bias is a constant."""
    if operation.get_type_name() != "Add":
        return False
    sources = (put.get_source_output().get_node() for put in operation.inputs())
    return all(source.get_type_name() != "Constant" for source in sources)


def _training_pairs(entry: ZooEntry, photos: Sequence[Tile]) -> Any:
    if entry.kind == "restore":
        side = CROP_PIXELS["restore"]
        return fit_restorer.RestorerPairs(photos, 1, side, RestorationMix())
    return fit_upscaler.UpscalerPairs(photos, entry.scale, 1, entry.flavour)


def _import_nncf() -> Any:
    # NNCF reports its use over the network unless this is set before it is imported.
    os.environ.setdefault("NNCF_CI", "1")
    try:
        import nncf  # noqa: PLC0415 - slow, and needed by exports alone
        import nncf.quantization.advanced_parameters  # noqa: PLC0415
        import nncf.quantization.range_estimator  # noqa: PLC0415
    except ImportError as err:
        raise WorkerError(
            detail=f'int8 exports need NNCF: pip install "shopimg[train]" ({err})'
        ) from err
    # Not nncf.set_log_level: that would mute other people's handlers of this logger as well.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
