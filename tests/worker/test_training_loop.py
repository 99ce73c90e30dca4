"""The training loop: schedule, averaging, warm start, learning, resuming."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig
from enhancer_worker.nets.unet_restorer import UNetRestorerConfig
from enhancer_worker.training import fit_restorer, fit_upscaler
from enhancer_worker.training.args import RestorerArgs, TrainingArgs, UpscalerArgs, parse
from enhancer_worker.training.data import Pair, RunClock, find_photos, read_tiles
from enhancer_worker.training.fit_upscaler import UpscalerPairs
from enhancer_worker.training.loop import (
    MOST_BROKEN_STEPS,
    DivergedError,
    TrainingModule,
    averaging,
    copy_matching,
    patch_at,
    scheduled_rate,
)
from enhancer_worker.training.losses import l1
from tests.worker.training_data import write_data

ARGS = TrainingArgs(data=Path(), out=Path(), learning_rate=1e-3, last_learning_rate=1e-5)


@pytest.fixture(autouse=True)
def lightning_in_a_library() -> Iterator[None]:
    """Lightning warns about its own dependencies and about this machine's cores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def tiny_run(root: Path, **options: object) -> UpscalerArgs:
    settings = {"channels": 16, "convolutions": 1, "batch": 4, "patch": 12, "last_patch": 16}
    return UpscalerArgs(**{"data": root, "out": root / "out"} | settings | options)


@pytest.mark.parametrize(
    ("progress", "step", "expected"),
    [
        (0.0, 0, 1e-3 / 200),
        (0.0, 199, 1e-3),
        (0.5, 5000, (1e-3 + 1e-5) / 2),
        (1.0, 9000, 1e-5),
    ],
)
def test_scheduled_rate__warms_up_and_anneals(progress: float, step: int, expected: float) -> None:
    assert scheduled_rate(progress, step, ARGS) == pytest.approx(expected)


def test_patch_at__grows_in_the_last_part() -> None:
    assert [patch_at(progress, ARGS) for progress in (0.0, 0.79, 0.8, 1.0)] == [32, 32, 48, 48]


def test_averaging__forgets_its_start_then_settles() -> None:
    average = torch.zeros(1)
    averaging(0.9)([average], [torch.ones(1)], torch.tensor(1))
    assert average.item() == pytest.approx(9 / 11)
    averaging(0.9)([average], [torch.ones(1)], torch.tensor(1000))
    assert average.item() == pytest.approx(9 / 11 + 0.1 * 2 / 11)


def test_copy_matching__leaves_the_last_convolution_fresh() -> None:
    double, quadruple = (SRVGG(SRVGGConfig(s, 16, 1)) for s in (2, 4))
    before = quadruple.body[4].weight.clone()
    assert copy_matching(quadruple, double.state_dict()) == ["body.4.bias", "body.4.weight"]
    assert torch.equal(quadruple.body[0].weight, double.body[0].weight)
    assert torch.equal(quadruple.body[4].weight, before)


def test_parse__reads_flags_and_defaults() -> None:
    argv = ["--data", "d", "--out", "o", "--scale", "4", "--init-from", "x.safetensors", "--resume"]
    args = parse(UpscalerArgs, argv, "train upscaler")
    assert args == UpscalerArgs(
        data=Path("d"), out=Path("o"), scale=4, init_from=Path("x.safetensors"), resume=True
    )


def test_parse__explains_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(RestorerArgs, ["--help"], "train restorer")
    shown = capsys.readouterr().out
    assert "Wall-clock budget, hours" in shown
    assert "multiple of 4" in shown


def test_fit_upscaler__lowers_the_loss(tmp_path: Path) -> None:
    args = tiny_run(write_data(tmp_path), max_steps=30, warm_up_steps=1, learning_rate=3e-3)
    torch.manual_seed(args.seed)
    fresh = SRVGG(SRVGGConfig(2, 16, 1))
    module = fit_upscaler.fit(args)
    pairs = UpscalerPairs(read_tiles(find_photos(tmp_path)), 2, batch=8)
    lq, gt = pairs(np.random.default_rng(9), 24)
    with torch.no_grad():
        before, after = (module.loss(net(lq), gt) for net in (fresh, module.net))
    assert module.global_step == 30
    assert after < 0.8 * before


def test_fit_upscaler__writes_the_average(tmp_path: Path) -> None:
    module = fit_upscaler.fit(tiny_run(write_data(tmp_path), max_steps=3))
    written = load_file(tmp_path / "out/upscale_x2_s.safetensors")
    expected = module.average.module.state_dict()
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[key], expected[key]) for key in written)
    assert not torch.equal(written["body.0.weight"], module.net.state_dict()["body.0.weight"])


def test_fit_upscaler__resumes_at_the_same_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []

    class Recording(UpscalerPairs):
        def __call__(self, rng: np.random.Generator, patch: int) -> Pair:
            drawn.append(np.random.default_rng(rng.bit_generator.seed_seq).random())
            return super().__call__(rng, patch)

    monkeypatch.setattr(fit_upscaler, "UpscalerPairs", Recording)
    write_data(tmp_path)
    first = fit_upscaler.fit(tiny_run(tmp_path, max_steps=3))
    spent = first.clock.elapsed_seconds()
    drawn.clear()
    second = fit_upscaler.fit(tiny_run(tmp_path, max_steps=5, resume=True))
    assert second.global_step == 5
    assert second.average.n_averaged == 5
    assert second.clock.elapsed_seconds() > spent
    assert drawn[0] == np.random.default_rng((1, 3)).random()


def test_fit_upscaler__starts_from_given_weights(tmp_path: Path) -> None:
    write_data(tmp_path)
    fit_upscaler.fit(tiny_run(tmp_path, max_steps=2))
    weights = tmp_path / "out/upscale_x2_s.safetensors"
    options = {"scale": 4, "init_from": weights, "learning_rate": 0.0, "last_learning_rate": 0.0}
    module = fit_upscaler.fit(tiny_run(tmp_path, max_steps=1, out=tmp_path / "x4", **options))
    assert torch.equal(module.net.body[0].weight, load_file(weights)["body.0.weight"])
    assert (tmp_path / "x4/upscale_x4_s.safetensors").exists()


def test_fit_restorer__runs_in_both_precisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = UNetRestorerConfig(channels=(16, 16), blocks=(1, 1))
    monkeypatch.setattr(fit_restorer, "UNetRestorerConfig", lambda: small)
    args = RestorerArgs(
        data=write_data(tmp_path),
        out=tmp_path / "out",
        max_steps=4,
        batch=2,
        patch=16,
        last_patch=24,
        bf16_part=0.5,
    )
    module = fit_restorer.fit(args)
    assert module.global_step == 4
    assert all(torch.isfinite(p).all() for p in module.net.parameters())
    assert (tmp_path / "out/restore_s.safetensors").exists()


def test_held_out_pairs__judge_each_kind_of_damage(tmp_path: Path) -> None:
    pairs = fit_restorer.held_out_pairs(read_tiles(find_photos(write_data(tmp_path)))[:2])
    assert [pair.kind for pair in pairs[:5]] == ["clean", "sigma25", "q20", "grey_q20", "upload"]
    assert torch.equal(pairs[0].lq, pairs[0].gt)
    assert fit_restorer.score(pairs[1].lq, pairs[1].gt)["psnr_rgb"] == pytest.approx(20.5, abs=1)


def broken_module() -> TrainingModule:
    net = SRVGG(SRVGGConfig(2, 16, 1))
    module = TrainingModule(net, l1, fit_restorer.score, ARGS, RunClock(1.0))
    for parameter in module.net.parameters():
        parameter.grad = torch.full_like(parameter, torch.nan)
    return module


def test_training_module__drops_a_gradient_that_is_not_finite() -> None:
    module = broken_module()
    module.on_before_optimizer_step(module.configure_optimizers())
    assert module.broken_steps == 1
    assert all(parameter.grad is None for parameter in module.net.parameters())


def test_training_module__gives_up_when_nothing_is_finite() -> None:
    module = broken_module()
    module.broken_steps = MOST_BROKEN_STEPS
    with pytest.raises(DivergedError, match="no finite gradient in 21 steps"):
        module.on_before_optimizer_step(module.configure_optimizers())
