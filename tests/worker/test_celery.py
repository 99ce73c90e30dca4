"""The Celery app of worker processes: how they start, which weights they take, how they end."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
START_METHOD = """
import pickle
from enhancer_worker.celery import app
print(app.conf.worker_pool_start_method, pickle.loads(pickle.dumps(app)) is app)
"""
WITH_A_DRIVER = """
from pathlib import Path
from enhancer_worker.engine import device
device._NVIDIA_DEVICES = (Path("/"),)
"""
AFTER_A_TASK = """
import contextlib
from celery.signals import task_postrun
import enhancer_worker.celery
from enhancer_worker.errors import DeviceLostError, working
task_postrun.send(sender=None)
with contextlib.suppress(DeviceLostError), working():
    raise RuntimeError("CUDA error: unspecified launch failure")
print("recorded", flush=True)
task_postrun.send(sender=None)
print("goes on")
"""
WITH_THE_SHOPS_WEIGHTS = """
import os
import tests.settings as host
host.SHOPIMG |= {"ENHANCER": os.environ["ENHANCER"], "WEIGHTS_DIR": os.environ["SHOP_WEIGHTS_DIR"]}
import enhancer_worker.celery
from celery.signals import worker_init
from enhancer_worker.config import WorkerConfig
print(WorkerConfig.from_environment().weights_dir)
worker_init.send(sender=None)
print("takes jobs")
"""
TUNED = b"taught on a catalogue"
NEURAL = "enhancer_worker.backend.NeuralEnhancer"


def in_worker(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **settings, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("device", "method"), [("cuda", "spawn"), ("cuda:1", "spawn"), ("cpu", "fork")]
)
def test_celery__starts_processes_afresh_on_cuda(device: str, method: str) -> None:
    assert in_worker(START_METHOD, ENHANCER_DEVICE=device).stdout == f"{method} True\n"


def test_celery__starts_processes_afresh_wherever_a_driver_is() -> None:
    found = in_worker(WITH_A_DRIVER + START_METHOD, ENHANCER_DEVICE="auto")
    assert found.stdout == "spawn True\n"


def test_celery__process_without_its_device_ends_after_the_task() -> None:
    result = in_worker(AFTER_A_TASK, ENHANCER_DEVICE="cpu")
    assert (result.returncode, result.stdout) == (1, "recorded\n")
    assert "which ends now" in result.stderr


@pytest.fixture
def tuned(tmp_path: Path) -> str:
    """Make a folder of weights in which a network is another one."""
    manifest = json.loads((SHIPPED_WEIGHTS / "weights.json").read_text())
    manifest["weights"]["restore_s"]["sha256"] = hashlib.sha256(TUNED).hexdigest()
    for path in SHIPPED_WEIGHTS.iterdir():
        (tmp_path / path.name).symlink_to(path)
    for name, content in (
        ("weights.json", json.dumps(manifest).encode()),
        ("restore_s.safetensors", TUNED),
    ):
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes(content)
    return str(tmp_path)


def test_celery__worker_takes_the_weights_that_the_shop_names(tuned: str) -> None:
    variables = {"ENHANCER": NEURAL, "SHOP_WEIGHTS_DIR": tuned, "ENHANCER_WEIGHTS_DIR": ""}
    result = in_worker(WITH_THE_SHOPS_WEIGHTS, **variables)
    assert result.stdout == f"{tuned}\ntakes jobs\n"


@pytest.mark.parametrize(
    ("enhancer", "starts"), [(NEURAL, False), ("shopimg.backends.echo.EchoEnhancer", True)]
)
def test_celery__worker_with_other_weights_takes_no_jobs(
    tuned: str, enhancer: str, starts: bool
) -> None:
    ours = str(SHIPPED_WEIGHTS)
    variables = {"SHOP_WEIGHTS_DIR": tuned, "ENHANCER_WEIGHTS_DIR": ours, "ENHANCER": enhancer}
    result = in_worker(WITH_THE_SHOPS_WEIGHTS, **variables)
    assert result.returncode == (0 if starts else 1)
    assert result.stdout == f"{ours}\n" + ("takes jobs\n" if starts else "")
    digest = hashlib.sha256(TUNED).hexdigest()[:12]
    said = f"restore_s: the shop expects the weights {digest} of {tuned}, this worker runs "
    assert (said in result.stderr) is not starts


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_celery__worker_without_all_files_takes_no_jobs(tuned: str, damage: str) -> None:
    path = Path(tuned) / "cutout_s.bin"
    path.unlink()
    if damage == "altered":
        path.write_bytes(b"half a file")
    variables = {"SHOP_WEIGHTS_DIR": tuned, "ENHANCER_WEIGHTS_DIR": tuned, "ENHANCER": NEURAL}
    result = in_worker(WITH_THE_SHOPS_WEIGHTS, **variables)
    assert (result.returncode, result.stdout) == (1, f"{tuned}\n")
    assert {"missing": f"cannot read {path}", "altered": f"{path} has sha256"}[damage] in (
        result.stderr
    )


def test_celery__worker_that_may_download_files_takes_jobs_without_them(tuned: str) -> None:
    (Path(tuned) / "cutout_s.bin").unlink()
    variables = {"SHOP_WEIGHTS_DIR": tuned, "ENHANCER_WEIGHTS_DIR": tuned, "ENHANCER": NEURAL}
    address = {"ENHANCER_WEIGHTS_URL": "https://weights.example/"}
    assert in_worker(WITH_THE_SHOPS_WEIGHTS, **variables, **address).returncode == 0


def test_celery__worker_without_its_enhancer_takes_no_jobs() -> None:
    variables = {"SHOP_WEIGHTS_DIR": "", "ENHANCER": "shopimg.backends.echo.EkoEnhancer"}
    result = in_worker(WITH_THE_SHOPS_WEIGHTS, **variables)
    assert (result.returncode, result.stdout) == (1, f"{SHIPPED_WEIGHTS}\n")
    assert "SHOPIMG['ENHANCER'] = 'shopimg.backends.echo.EkoEnhancer'" in result.stderr


def test_celery__worker_with_a_wrong_setting_says_which_and_no_more() -> None:
    variables = {"SHOP_WEIGHTS_DIR": "", "ENHANCER": NEURAL, "ENHANCER_PRECISION": "fp12"}
    code = "from enhancer_worker.celery import app; app.conf.worker_pool_start_method"
    result = in_worker(code, **variables)
    assert result.returncode == 1
    assert result.stderr.strip().startswith("ENHANCER_PRECISION='fp12': use ")
    assert "Traceback" not in result.stderr


def test_celery__worker_without_a_list_of_weights_takes_no_jobs(tmp_path: Path) -> None:
    folder = str(tmp_path)
    variables = {"SHOP_WEIGHTS_DIR": "", "ENHANCER_WEIGHTS_DIR": folder, "ENHANCER": NEURAL}
    result = in_worker(WITH_THE_SHOPS_WEIGHTS, **variables)
    assert (result.returncode, result.stdout) == (1, f"{folder}\n")
    assert f"{folder}/weights.json: FileNotFoundError" in result.stderr


def test_celery__worker_without_its_device_takes_no_jobs() -> None:
    variables = {"SHOP_WEIGHTS_DIR": "", "ENHANCER_DEVICE": "cuda:7", "ENHANCER": NEURAL}
    result = in_worker(WITH_THE_SHOPS_WEIGHTS, **variables)
    assert (result.returncode, result.stdout) == (1, f"{SHIPPED_WEIGHTS}\n")
    assert "ENHANCER_DEVICE=cuda:7: this machine has " in result.stderr
