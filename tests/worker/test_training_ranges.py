"""Numbers that no training run can have, refused before anything is read."""

import math
from dataclasses import fields
from pathlib import Path

import pytest

from enhancer_worker.training.args import (
    FinetuneArgs,
    RestorerArgs,
    TrainingArgs,
    TrainingArgsError,
    UpscalerArgs,
)
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.cli import train_main
from enhancer_worker.training.fit_matting import MattingArgs
from enhancer_worker.training.ranges import Range

KINDS = (TrainingArgs, UpscalerArgs, RestorerArgs, MattingArgs, BackdropArgs)
FOLDERS = {"data": Path(), "out": Path()}


@pytest.mark.parametrize(
    ("kind", "option", "value", "message"),
    [
        ("upscaler", "hours", "-1", "--hours is at least 0, not -1"),
        ("upscaler", "hours", "nan", "--hours is at least 0, not nan"),
        ("upscaler", "hours", "inf", "--hours is at least 0, not inf"),
        ("upscaler", "max-steps", "-1", "--max-steps is at least 0, not -1"),
        ("upscaler", "batch", "0", "--batch is at least 1, not 0"),
        ("upscaler", "patch", "0", "--patch is at least 1, not 0"),
        ("upscaler", "last-patch", "-8", "--last-patch is at least 1, not -8"),
        ("upscaler", "last-part", "1.5", "--last-part is from 0 to 1, not 1.5"),
        ("upscaler", "bf16-part", "5", "--bf16-part is from 0 to 1, not 5"),
        ("upscaler", "ema-decay", "2", "--ema-decay is from 0 to 1, not 2"),
        ("upscaler", "learning-rate", "-1e-3", "--learning-rate is at least 0, not -0.001"),
        ("upscaler", "clip-norm", "-1", "--clip-norm is at least 0, not -1"),
        ("upscaler", "validate-minutes", "-1", "--validate-minutes is at least 0, not -1"),
        ("upscaler", "threads", "-1", "--threads is at least 1, not -1"),
        ("upscaler", "loaders", "-1", "--loaders is at least 0, not -1"),
        ("upscaler", "devices", "0", "--devices is -1 or at least 1, not 0"),
        ("upscaler", "seed", "-1", "--seed is at least 0, not -1"),
        ("upscaler", "patience", "-1", "--patience is at least 0, not -1"),
        ("restorer", "patch", "0", "--patch is at least 1, not 0"),
        ("restorer", "largest-sigma", "-1", "--largest-sigma is at least 0, not -1"),
        ("estimator", "batch", "-2", "--batch is at least 1, not -2"),
        ("matting", "stickers", "1.5", "--stickers is from 0 to 1, not 1.5"),
        ("backdrop", "window-part", "2", "--window-part is from 0 to 1, not 2"),
        ("backdrop", "first-part", "-1", "--first-part is from 0 to 1, not -1"),
        ("backdrop", "judge-rate", "-1", "--judge-rate is at least 0, not -1"),
    ],
)
def test_train__says_in_a_line_which_number_cannot_be(
    kind: str, option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        train_main([kind, "--data", "nowhere", "--out", "nowhere", f"--{option}={value}"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"enhancer_worker train {kind}: {message}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": -1}, "--patch is at least 0, not -1"),
        ({"last_part": -0.5}, "--last-part is -1 or from 0 to 1, not -0.5"),
        ({"adapter_rank": 0}, "--adapter-rank is at least 1, not 0"),
        ({"fewest_photos": 2}, "--fewest-photos is at least 3, not 2"),
        ({"longest_side": 0}, "--longest-side is at least 1, not 0"),
        ({"most_guard_loss": math.nan}, "--most-guard-loss is at least 0, not nan"),
    ],
)
def test_finetune_args__say_which_number_cannot_be(options: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingArgsError) as caught:
        FinetuneArgs(**{**FOLDERS, "from_": "upscale_x2_s", **options})
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", KINDS)
def test_ranges__bound_every_number_of_a_run(kind: type[TrainingArgs]) -> None:
    numbers = {f.name for f in fields(kind) if f.type in {int, float}}
    args = kind(**FOLDERS)
    assert numbers - args.ranges().keys() <= {"scale"}  # one of three, which is told otherwise
    assert args.ranges().keys() <= numbers


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Range(1), "at least 1"),
        (Range(0, 1), "from 0 to 1"),
        (Range(1, otherwise=-1), "-1 or at least 1"),
    ],
)
def test_range__holds_its_ends_and_says_so(limits: Range, words: str) -> None:
    assert str(limits) == words
    assert limits.holds(limits.least)
    assert limits.holds(limits.most) == math.isfinite(limits.most)
    assert not limits.holds(limits.least - 0.5)
