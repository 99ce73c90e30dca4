"""Draws where networks fail: what they were given, what they made of it, and the truth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn

from enhancer_worker.folder import MASKS
from enhancer_worker.matting.coarse import coarse_matte
from enhancer_worker.matting.refine import full_alpha
from enhancer_worker.nets.backdrop_conditions import STYLES
from enhancer_worker.nets.backdrop_input import network_input
from enhancer_worker.nets.damage import UNITS
from enhancer_worker.nets.zoo import ZooEntry, load_net, zoo_entry
from enhancer_worker.training import fit_blur, fit_estimator
from enhancer_worker.training.backdrops.module import palette_difference
from enhancer_worker.training.backdrops.scenes import drawn
from enhancer_worker.training.benchmarks import PROTOCOLS
from enhancer_worker.training.catalogue import SUFFIXES
from enhancer_worker.training.contact_sheet import Cell, Row, draw_sheet, liveliest_window
from enhancer_worker.training.data import read_tile, to_tensor
from enhancer_worker.training.degradations import MARGIN_PIXELS
from enhancer_worker.training.evaluate_matting import torch_run
from enhancer_worker.training.known_crops import Known, KnownCrops
from enhancer_worker.training.matting_metrics import over_plain, region_figures
from enhancer_worker.training.protocols import Case, Sample, run_padded
from enhancer_worker.training.trials import JUDGED_SIDE_PIXELS, middle_of
from shopimg.contract import WorkerError
from shopimg.contract.steps.scene import BRAND

PICTURED_SIDE = 160
PICTURED = 3
PICTURED_RESTORATION = "sigma50"
CROPS_PER_PHOTO = 12
LEAST_DETAIL = 0.05
"""Standard deviation of a channel of a crop, of 1: by flatter ones nothing is judged."""
PAINTED_PER_STYLE = 6

Failure = tuple[float, Row]
"""How wrong something is, and what shows it."""


def draw_failures(name: str, weights: Path, photos: Path, out: Path) -> bool:
    """Draw what a network gets most wrong, worst first.

    Args:
        name: weight name.
        weights: folder with `weights.json`.
        photos: folder with ground truth whose crops may be published.
        out: JPEG to write.

    Returns:
        Whether there is a picture: products without masks show nothing, nor do tiny photographs.

    Raises:
        WorkerError: no photographs, or no such weights.
    """
    files = sorted(path for path in photos.glob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise WorkerError(detail=f"no pictures in {photos}")
    entry = zoo_entry(name)
    columns, find = _SHOWN[entry.kind]
    with torch.no_grad():
        found = sorted(find(entry, load_net(name, weights), files), key=lambda one: -one[0])
    if not found:
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [row for _, row in found[:PICTURED]]
    draw_sheet(columns, rows, PICTURED_SIDE).save(out, quality=88)
    return True


def pictures_text(entry: ZooEntry) -> str:
    """Say what the picture of a network shows."""
    if entry.kind == "backdrop":
        return (
            f"The furthest from the palette asked for, of {PAINTED_PER_STYLE} paintings of each "
            "style, beside drawings of the same conditions, such as it was trained on."
        )
    if entry.kind == "cutout":
        return "The photographs of the demo catalogue whose cut-out overlaps least with the truth."
    if entry.kind in ("estimate", "blur"):
        done = "damaged" if entry.kind == "estimate" else "blurred, or not at all,"
        return (
            f"Crops of the demo catalogue, {done} by chance, of which it is most mistaken: beside "
            "them the truth, below them what it told."
        )
    damage = ", damaged as uploads are" if entry.flavour == "photo" else ""
    given = (
        f"shrunk {entry.scale} times{damage}"
        if entry.kind == "upscale"
        else f"with noise of sigma {PICTURED_RESTORATION.removeprefix('sigma')}"
    )
    return f"The windows of the demo catalogue, {given}, in which it is furthest from the truth."


def _enhanced(entry: ZooEntry, net: nn.Module, files: Sequence[Path]) -> Iterator[Failure]:
    case = _pictured_case(entry)
    for file in files:
        sample = _middle_sample(case, file)
        if min(sample.gt.shape[-2:]) < PICTURED_SIDE:
            continue
        result = run_padded(net, sample.lq, case.scale)
        top, left = liveliest_window(result, sample.gt, PICTURED_SIDE)
        given = torch.nn.functional.interpolate(sample.lq, result.shape[-2:], mode="nearest")
        window = (slice(top, top + PICTURED_SIDE), slice(left, left + PICTURED_SIDE))
        error = float((result - sample.gt)[..., *window].square().mean())
        cells = tuple(Cell(one[..., *window], "") for one in (given, result, sample.gt))
        yield error, Row(file.stem, f"at {left}, {top}", cells)


def _pictured_case(entry: ZooEntry) -> Case:
    prefix = "photo_" if entry.flavour == "photo" else ""
    wanted = f"{prefix}x{entry.scale}" if entry.kind == "upscale" else PICTURED_RESTORATION
    return next(case for cases in PROTOCOLS.values() for case in cases if case.name == wanted)


def _middle_sample(case: Case, file: Path) -> Sample:
    """Prepare the middle of a photograph only; that is where the product is."""
    with TemporaryDirectory() as folder:
        cut = Path(folder) / f"{file.stem}.png"
        Image.fromarray(middle_of(read_tile(file), JUDGED_SIDE_PIXELS)).save(cut)
        return case.prepare(cut)


def _estimated(_: ZooEntry, net: nn.Module, files: Sequence[Path]) -> Iterator[Failure]:
    units = torch.tensor(UNITS)

    def words(amounts: Tensor) -> str:
        noise, jpeg, blur = (amounts * units).tolist()
        return f"noise {noise:.0f}  q {100 - jpeg:.0f}  blur {blur:.1f}"

    return _misjudged(net, files, fit_estimator.damaged, words)


def _blurred(_: ZooEntry, net: nn.Module, files: Sequence[Path]) -> Iterator[Failure]:
    def words(left: Tensor) -> str:
        return f"{left.mean():.0%} of detail"

    return _misjudged(net, files, fit_blur.blurred, words)


def _misjudged(
    net: nn.Module, files: Sequence[Path], known: Known, words: Callable[[Tensor], str]
) -> Iterator[Failure]:
    for number, file in enumerate(files):
        photo = read_tile(file)
        if min(photo.shape[:2]) < PICTURED_SIDE + 2 * MARGIN_PIXELS:
            continue
        crops = KnownCrops([photo], 1, known)
        for crop_number in range(CROPS_PER_PHOTO):
            rng = np.random.default_rng((number, crop_number))
            crop, truth = crops(rng, PICTURED_SIDE)
            if crop.std((2, 3)).max() < LEAST_DETAIL:
                continue
            told = net(crop)
            row = Row(file.stem, words(truth[0]), (Cell(crop, words(told[0])),))
            yield float((told - truth).abs().mean()), row


def _cut_out(_: ZooEntry, net: nn.Module, files: Sequence[Path]) -> Iterator[Failure]:
    run = torch_run(net)
    for file in files:
        mask = file.parent / MASKS / f"{file.stem}.png"
        if not mask.exists():
            continue
        picture = read_tile(file)
        with Image.open(mask) as image:
            truth = np.asarray(image.convert("L").resize(picture.shape[1::-1]))
        alpha = full_alpha(picture, coarse_matte(run, picture))
        overlap = region_figures(alpha, truth)["iou"]
        white = (over_plain(picture, one, (255, 255, 255)) for one in (alpha, truth))
        shown = (picture, *(np.rint(one).astype(np.uint8) for one in white))
        cells = tuple(Cell(_thumbnail(one), "") for one in shown)
        yield 1 - overlap, Row(file.stem, f"IoU {overlap:.3f}", cells)


def _thumbnail(picture: NDArray[np.uint8]) -> Tensor:
    """Shrink a whole picture into the middle of a white cell: (1, 3, side, side)."""
    size = (PICTURED_SIDE, PICTURED_SIDE)
    cell = ImageOps.pad(Image.fromarray(picture), size, color="white")
    return to_tensor([np.asarray(cell)])


def _painted(_: ZooEntry, net: nn.Module, __: Sequence[Path]) -> Iterator[Failure]:
    for style in sorted({*STYLES} - {BRAND}):
        for seed in range(PAINTED_PER_STYLE):
            scene = drawn("", style, np.random.default_rng(seed), is_held_out=True)
            planes = torch.from_numpy(network_input(scene.conditions))
            made = net(planes).clamp(0, 1)
            error = float(palette_difference(made, planes))
            painting = (made[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            cells = tuple(Cell(_thumbnail(one), "") for one in (painting, scene.picture))
            note = f"{255 * error:.1f} levels off"
            yield error, Row(style.replace("_", " "), note, cells)


_Find = Callable[[ZooEntry, nn.Module, Sequence[Path]], Iterator[Failure]]
_SHOWN: Mapping[str, tuple[tuple[str, ...], _Find]] = {
    "upscale": (("input", "result", "truth"), _enhanced),
    "restore": (("input", "result", "truth"), _enhanced),
    "estimate": (("",), _estimated),
    "blur": (("",), _blurred),
    "cutout": (("input", "cut out", "truth"), _cut_out),
    "backdrop": (("painted", "drawn"), _painted),
}
