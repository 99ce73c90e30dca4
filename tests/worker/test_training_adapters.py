"""Low-rank additions to frozen kernels: nothing at first, folded into the kernels at last."""

from pathlib import Path

import pytest
import torch

from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig
from enhancer_worker.nets.unet_restorer import UNetRestorer, UNetRestorerConfig
from enhancer_worker.training.adapters import (
    AdapterError,
    adapter_header,
    adapter_state,
    add_adapters,
    fold_file,
    plain_state,
)
from enhancer_worker.training.averages import write_weights

NETS = {
    "upscaler": lambda: SRVGG(SRVGGConfig(2, 16, 1)),
    "restorer": lambda: UNetRestorer(UNetRestorerConfig(channels=(16, 16), blocks=(1, 1))),
}


@pytest.mark.parametrize("kind", NETS)
def test_adapters__change_nothing_before_they_learn(kind: str) -> None:
    net, lq = NETS[kind](), torch.rand(1, 3, 16, 16)
    before = net(lq)
    trained = add_adapters(net, 2)
    assert torch.equal(net(lq), before)
    assert trained == sum(value.numel() for value in adapter_state(net).values())


@pytest.mark.parametrize("kind", NETS)
def test_plain_state__computes_the_same_without_adapters(kind: str) -> None:
    net, lq = NETS[kind](), torch.rand(1, 3, 16, 16)
    keys = net.state_dict().keys()
    before = net(lq)
    add_adapters(net, 3)
    for parameter in net.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    state = plain_state(net)
    assert state.keys() == keys
    folded = NETS[kind]()
    folded.load_state_dict(state)
    torch.testing.assert_close(folded(lq), net(lq), rtol=0, atol=1e-6)
    assert not torch.allclose(folded(lq), before, atol=1e-3)
    assert len(adapter_state(net)) > 0


def test_fold_file__refuses_adapters_of_other_weights(tmp_path: Path) -> None:
    net = NETS["upscaler"]()
    add_adapters(net, 1)
    path = tmp_path / "a.safetensors"
    write_weights(adapter_state(net), path, adapter_header("upscale_x2_s", "1" * 64))
    with pytest.raises(AdapterError) as caught:
        fold_file(NETS["upscaler"](), path, "2" * 64)
    assert caught.value.detail == f"{path} belongs to upscale_x2_s, of another digest"
