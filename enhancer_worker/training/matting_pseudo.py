"""Labels photographs by a matting net that has seen none, to train the next one on them too."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from enhancer_worker.matting.coarse import CoarseMatte
from enhancer_worker.matting.refine import full_alpha
from enhancer_worker.nets.zoo import read_net
from enhancer_worker.training.data import Tile, find_photos, read_tile, split_photos
from enhancer_worker.training.matting_layers import Layers, Scene, cropped, read_mask

NAME = "cutout_s"
SIDE = 224
SMALLEST_SHARE, LARGEST_SHARE = 0.04, 0.65
"""Of the picture that its object takes."""
MOST_UNDECIDED = 0.3
"""Of the object's area that is neither in nor out; what is less clear is not used."""
MOST_BORDER = 0.45
"""Of the picture's border that belongs to the object."""


@torch.inference_mode()
def predicted(net: nn.Module, photo: Tile, side: int = SIDE) -> NDArray[np.float32]:
    """Mean alpha of a photograph and of its mirror image: (side, side), [0, 1]."""
    seen = Image.fromarray(photo).resize((side, side), Image.Resampling.BILINEAR)
    planes = np.asarray(seen, np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    batch = torch.from_numpy(np.concatenate([planes, planes[..., ::-1]]))
    alpha = net(batch)[:, 0]
    mean: NDArray[np.float32] = ((alpha[0] + alpha[1].flip(-1)) / 2).numpy()
    return mean


def is_clear(alpha: NDArray[np.float32]) -> bool:
    """Whether a prediction shows one thing of a fair size, with few doubts."""
    area = float(alpha.sum())
    if not SMALLEST_SHARE < area / alpha.size < LARGEST_SHARE:
        return False
    undecided = float((4 * alpha * (1 - alpha)).sum()) / area
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    return undecided < MOST_UNDECIDED and float(border.mean()) < MOST_BORDER


def label_photographs(net: nn.Module, data: Path, out: Path) -> int:
    """Write a mask for every training photograph that the net is clear about; how many."""
    out.mkdir(parents=True, exist_ok=True)
    training, _ = split_photos(find_photos(data))
    written = 0
    with click.progressbar(training, label="Labelling", file=sys.stderr) as bar:
        for path in bar:
            photo = read_tile(path)
            alpha = predicted(net, photo)
            if not is_clear(alpha):
                continue
            box = (0, 0, photo.shape[1], photo.shape[0])
            mask = full_alpha(photo, CoarseMatte(alpha, np.zeros_like(alpha), box))
            Image.fromarray(mask).save(mask_path(out, path))
            written += 1
    return written


def mask_path(folder: Path, photo: Path) -> Path:
    """Where the mask of a photograph lies."""
    return folder / f"{photo.parent.name}-{photo.stem}.png"


def read_labelled(data: Path, folder: Path) -> list[Scene]:
    """Photographs that have a mask in a folder."""
    training, _ = split_photos(find_photos(data))
    pairs = [(path, mask_path(folder, path)) for path in training]
    return [
        Scene(photo, read_mask(mask), photo)
        for photo, mask in ((read_tile(path), mask) for path, mask in pairs if mask.exists())
    ]


def lifted(scene: Scene) -> Layers:
    """The object of a labelled photograph, without a shadow."""
    return cropped(Layers(scene.picture, scene.alpha, np.zeros_like(scene.alpha)))


def main(argv: Sequence[str] | None = None) -> int:
    """Label the photographs of a data folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/")
    parser.add_argument("--weights", type=Path, required=True, help="of an earlier training")
    parser.add_argument("--out", type=Path, required=True, help="folder for masks")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    args = parser.parse_args(sys.argv[1:] if argv is None else argv)
    torch.set_num_threads(args.threads)
    count = label_photographs(read_net(NAME, args.weights), args.data, args.out)
    sys.stdout.write(f"{count} photographs labelled in {args.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
