"""Command lines of training, judging and export, for `python -m enhancer_worker`."""

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from enhancer_worker.training import (
    cards,
    compare,
    evaluate,
    export,
    finetune,
    fit_blur,
    fit_estimator,
    fit_matting,
    fit_restorer,
    fit_upscaler,
    mean_weights,
)
from enhancer_worker.training.args import (
    FinetuneArgs,
    RestorerArgs,
    TrainingArgs,
    TrainingArgsError,
    UpscalerArgs,
)
from enhancer_worker.training.backdrops import fit as fit_backdrop
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.checks import refuse_unwritable
from enhancer_worker.training.command_lines import parse
from enhancer_worker.training.fit_blur import BlurArgs
from enhancer_worker.training.fit_estimator import EstimatorArgs
from enhancer_worker.training.fit_matting import MattingArgs
from enhancer_worker.training.mistakes import told

KINDS: dict[str, tuple[type[TrainingArgs], Callable[[Any], object]]] = {
    "restorer": (RestorerArgs, fit_restorer.fit),
    "upscaler": (UpscalerArgs, fit_upscaler.fit),
    "estimator": (EstimatorArgs, fit_estimator.fit),
    "blur": (BlurArgs, fit_blur.fit),
    "matting": (MattingArgs, fit_matting.fit),
    "backdrop": (BackdropArgs, fit_backdrop.fit),
}
"""What `train` trains: arguments and run of each."""
USAGE = f"usage: python -m enhancer_worker train {{{','.join(KINDS)}}} --data DIR --out DIR ...\n"


def train_main(argv: Sequence[str]) -> int:
    """`train restorer|upscaler|estimator|blur|matting|backdrop ...`.

    Args:
        argv: arguments after `train`.

    Returns:
        Exit status.
    """
    kind, *rest = argv or [""]
    if kind in {"-h", "--help"}:
        sys.stdout.write(USAGE)
        return 0
    if kind not in KINDS:
        sys.stderr.write(USAGE)
        return 2
    _tell_what_happens()
    arguments_of, fit = KINDS[kind]
    args = parse(arguments_of, rest, f"enhancer_worker train {kind}")
    return told(lambda: _fitted(fit, args))


def finetune_main(argv: Sequence[str]) -> int:
    """`finetune --from NAME --data DIR --out DIR ...`.

    Returns:
        Exit status: 0 the tuned weights win, 1 they lose, 2 there was nothing to run.
    """
    _tell_what_happens()
    args = parse(FinetuneArgs, argv, "enhancer_worker finetune")

    def tune() -> int:
        refuse_unwritable(args.out)
        verdict = finetune.finetune(args)
        sys.stdout.write(finetune.summary(verdict, args))
        return 0 if verdict.is_better else 1

    return told(tune)


def evaluate_main(argv: Sequence[str]) -> int:
    """`evaluate ...`: see `evaluate.main`."""
    return told(lambda: evaluate.main(argv))


def export_main(argv: Sequence[str]) -> int:
    """`export ...`: see `export.main`."""
    return told(lambda: export.main(argv))


def compare_main(argv: Sequence[str]) -> int:
    """`compare A B ...`: see `compare.main`."""
    return told(lambda: compare.main(argv))


def average_main(argv: Sequence[str]) -> int:
    """`average A B --out FILE ...`: see `mean_weights.main`."""
    return told(lambda: mean_weights.main(argv))


def cards_main(argv: Sequence[str]) -> int:
    """`cards --out DIR ...`: see `cards.main`."""
    return told(lambda: cards.main(argv))


def _fitted(fit: Callable[[Any], object], args: TrainingArgs) -> int:
    if args.init_from is not None and not args.init_from.is_file():
        raise TrainingArgsError(f"there is no file {args.init_from} to start from")
    refuse_unwritable(args.out)
    fit(args)
    return 0


def _tell_what_happens() -> None:
    # On a terminal each line takes the place of the progress bar, which is drawn again below.
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    logging.basicConfig(level=logging.INFO, format=f"{clear}%(asctime)s %(message)s")
    # Its tips and defaults are more lines than ours.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
