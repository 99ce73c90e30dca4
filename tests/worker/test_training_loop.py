"""The training loop: schedule, averaging, warm start, learning, resuming."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from enhancer_worker.nets.srvgg import SRVGG, TIERS, SRVGGConfig
from enhancer_worker.nets.unet_restorer import UNetRestorer, UNetRestorerConfig
from enhancer_worker.nets.zoo import zoo_entry
from enhancer_worker.training import fit_restorer, fit_upscaler
from enhancer_worker.training.args import (
    RestorerArgs,
    TrainingArgs,
    TrainingArgsError,
    UpscalerArgs,
)
from enhancer_worker.training.command_lines import parse
from enhancer_worker.training.data import (
    NoTrainingImagesError,
    Pair,
    RunClock,
    find_photos,
    read_tiles,
    split_photos,
)
from enhancer_worker.training.fit_upscaler import UpscalerPairs
from enhancer_worker.training.loop import (
    MOST_BROKEN_STEPS,
    HeldOut,
    TrainingModule,
    averaging,
    copy_matching,
    patch_at,
    scheduled_rate,
)
from enhancer_worker.training.mistakes import DivergedError
from tests.worker.training_data import write_data, write_picture

# Lightning warns about its own dependencies and about this machine's cores.
pytestmark = pytest.mark.filterwarnings("ignore")

ARGS = TrainingArgs(data=Path(), out=Path(), learning_rate=1e-3, last_learning_rate=1e-5)


@pytest.fixture(autouse=True)
def small_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIERS, "s", (16, 1))
    monkeypatch.setitem(TIERS, "m", (16, 3))


def tiny_run(root: Path, **options: object) -> UpscalerArgs:
    settings = {"batch": 4, "patch": 12, "last_patch": 16}
    return UpscalerArgs(**{"data": root, "out": root / "out"} | settings | options)


@pytest.mark.parametrize(
    ("progress", "step", "expected"),
    [
        (0.0, 0, 5e-6),
        (0.0, 199, 1e-3),
        (0.5, 5000, 5.05e-4),
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
    assert average.item() == pytest.approx(0.818182, abs=1e-6)
    averaging(0.9)([average], [torch.ones(1)], torch.tensor(1000))
    assert average.item() == pytest.approx(0.836364, abs=1e-6)


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
    assert [pair.kind for pair in pairs[:5]] == [
        "clean",
        "sigma25",
        "q20",
        "grey_q20",
        "blur",
    ]
    assert torch.equal(pairs[0].lq, pairs[0].gt)
    assert fit_restorer.score(pairs[1].lq, pairs[1].gt)["psnr_rgb"] == pytest.approx(20.5, abs=1)


def test_held_out_pairs__fit_the_restorer_whatever_the_size_of_a_photograph() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (150, 90, 3), np.uint8)
    net = zoo_entry("restore_s").build().eval()
    for pair in fit_restorer.held_out_pairs([photo]):
        assert pair.gt.shape == (1, 3, 148, 88)
        with torch.no_grad():
            assert net(pair.lq).shape == pair.gt.shape


def test_fit_upscaler__does_not_judge_by_what_is_too_small(tmp_path: Path) -> None:
    write_data(tmp_path, side=240)
    (held_out,) = split_photos(find_photos(tmp_path))[1]
    write_picture(held_out, 1, 100)
    with pytest.raises(NoTrainingImagesError, match="160 pixels on each side"):
        fit_upscaler.fit(tiny_run(tmp_path, scale=4, flavour="photo", max_steps=1))


def broken_module() -> TrainingModule:
    net = SRVGG(SRVGGConfig(2, 16, 1))
    module = TrainingModule(net, fit_restorer.score, ARGS, RunClock(1.0))
    for parameter in module.net.parameters():
        parameter.grad = torch.full_like(parameter, torch.nan)
    return module


def test_training_module__validates_an_exact_picture_with_a_finite_figure(tmp_path: Path) -> None:
    module = TrainingModule(torch.nn.Conv2d(3, 3, 1), fit_restorer.score, ARGS, RunClock(1.0))
    module.average.module = torch.nn.Identity()
    picture = torch.full((1, 3, 16, 16), 0.2)
    module.validation_step(HeldOut("clean", picture, picture), 0)
    assert module._figures == {"val/clean_psnr_rgb": [100.0]}


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


def test_fit_upscaler__deepens_a_smaller_tier(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    fit_upscaler.fit(tiny_run(data, max_steps=1))
    start = tmp_path / "out/upscale_x2_s.safetensors"
    args = tiny_run(data, out=tmp_path / "m", net="m", init_from=start)
    lq = torch.rand(1, 3, 9, 9)
    shallow = SRVGG(SRVGGConfig(2, 16, 1, back_projection=True))
    deep = fit_upscaler.build_net(args)
    shallow.load_state_dict(load_file(start))
    torch.testing.assert_close(deep(lq), shallow(lq))
    fit_upscaler.fit(tiny_run(data, out=tmp_path / "m", net="m", init_from=start, max_steps=1))
    assert (tmp_path / "m/upscale_x2_m.safetensors").exists()


@pytest.mark.parametrize("net", ["espcn", "vdsr"])
def test_fit_upscaler__trains_the_references(tmp_path: Path, net: str) -> None:
    module = fit_upscaler.fit(tiny_run(write_data(tmp_path), net=net, max_steps=2))
    assert all(torch.isfinite(p).all() for p in module.net.parameters())
    assert (tmp_path / f"out/{net}_x2.safetensors").exists()


def test_upscaler_pairs__of_photos_are_damaged_and_aligned(tmp_path: Path) -> None:
    photos = read_tiles(find_photos(write_data(tmp_path)))
    exact, damaged = (
        UpscalerPairs(photos, 2, 32, flavour)(np.random.default_rng(3), 8)
        for flavour in ("faithful", "photo")
    )
    assert damaged[0].shape == exact[0].shape == (32, 3, 8, 8)
    assert damaged[1].shape == (32, 3, 16, 16)
    small = torch.nn.functional.avg_pool2d(damaged[1], 2)
    distances = (damaged[0] - small).abs().mean((1, 2, 3))
    assert distances.max() < 0.2
    assert (distances > 0.02).float().mean() > 0.3


def test_upscaler_args__refuse_a_reference_of_the_photo_flavour(tmp_path: Path) -> None:
    with pytest.raises(TrainingArgsError, match="--net espcn is a reference of the literature"):
        tiny_run(tmp_path, net="espcn", flavour="photo")


def test_upscaler_args__refuse_an_unknown_flavour(tmp_path: Path) -> None:
    with pytest.raises(TrainingArgsError, match="--flavour is one of photo, faithful"):
        tiny_run(tmp_path, flavour="sweet")


def test_weight_name__says_scale_tier_and_flavour(tmp_path: Path) -> None:
    args = tiny_run(tmp_path, scale=3, net="m", flavour="photo")
    assert fit_upscaler.weight_name(args) == "upscale_x3_m_photo"


def test_training_module__ends_with_the_last_loss(tmp_path: Path) -> None:
    args = tiny_run(tmp_path, loss="l1", last_loss="l2", last_part=0.2, max_steps=10)
    clock = RunClock(3600.0, max_steps=10)
    module = TrainingModule(SRVGG(SRVGGConfig(2, 16, 1)), fit_restorer.score, args, clock)
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    lq, gt = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 16, 16)
    difference = module.net(lq) - gt
    module.progress = 0.7
    torch.testing.assert_close(module.training_step((lq, gt), 0), difference.abs().mean())
    module.progress = 0.8
    torch.testing.assert_close(module.training_step((lq, gt), 0), difference.square().mean())


def test_build_net__adds_blocks_that_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (UNetRestorerConfig((16, 16), blocks) for blocks in ((1, 1), (2, 3)))
    start = UNetRestorer(small)
    torch.nn.init.normal_(start.tail.weight)
    save_file(start.state_dict(), tmp_path / "small.safetensors")
    monkeypatch.setattr(fit_restorer, "UNetRestorerConfig", lambda: large)
    args = RestorerArgs(data=tmp_path, out=tmp_path, init_from=tmp_path / "small.safetensors")
    lq = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(fit_restorer.build_net(args)(lq), start(lq))
