"""Command lines of training, evaluation and export, for `python -m enhancer_worker`."""

import logging
import sys
from collections.abc import Sequence

from enhancer_worker.training import evaluate, export, fit_restorer, fit_upscaler
from enhancer_worker.training.args import RestorerArgs, UpscalerArgs, parse

USAGE = "usage: python -m enhancer_worker train {restorer,upscaler} --data DIR --out DIR ...\n"


def train_main(argv: Sequence[str] | None = None) -> int:
    """`train restorer|upscaler ...`.

    Args:
        argv: arguments after `train`; None reads the process's own.

    Returns:
        Exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    kind, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if kind not in {"restorer", "upscaler"}:
        sys.stderr.write(USAGE)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if kind == "restorer":
        fit_restorer.fit(parse(RestorerArgs, rest, "enhancer_worker train restorer"))
    else:
        fit_upscaler.fit(parse(UpscalerArgs, rest, "enhancer_worker train upscaler"))
    return 0


def evaluate_main(argv: Sequence[str] | None = None) -> int:
    """`evaluate ...`: see `evaluate.main`."""
    return evaluate.main(argv)


def export_main(argv: Sequence[str] | None = None) -> int:
    """`export ...`: see `export.main`."""
    return export.main(argv)
