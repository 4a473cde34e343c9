"""The network: what the paper says it is, and what the authors' published code fails at."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cmaformer.network.cmaformer import CMAformer, NetworkConfig, configuration

TINY = {"widths": (8, 8, 16, 16, 24, 32), "heads": 4, "depth": 1, "pooled": 8}


def tiny(**settings) -> CMAformer:
    torch.manual_seed(0)
    return CMAformer(configuration("small", **{"classes": 4, **TINY, **settings})).eval()


def open_gains(network: CMAformer) -> CMAformer:
    """Cross-attention and positions start at zero; tests of their behavior need them to speak."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("gain"):
                parameter.fill_(0.5)
            elif ".position." in name:
                parameter.normal_(std=0.3)
    return network


def stage_outputs(network: CMAformer, x: torch.Tensor) -> dict[str, torch.Tensor]:
    seen: dict[str, torch.Tensor] = {}
    stages = ("stem", "cma1", "cma2", "cma3")
    hooks = [
        getattr(network, name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name in stages
    ]
    with torch.inference_mode():
        network(x)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("place", [(17, 100), (90, 30), (64, 64), (120, 5)])
def test_response_to_one_pixel_peaks_at_its_place_in_every_encoder_stage(place):
    network = open_gains(tiny())
    torch.manual_seed(2)
    x = torch.randn(1, 1, 128, 128)
    y = x.clone()
    y[0, 0, place[0], place[1]] += 20.0
    before, after = stage_outputs(network, x), stage_outputs(network, y)
    for name, stride in {"stem": 1, "cma1": 4, "cma2": 16, "cma3": 32}.items():
        change = (after[name] - before[name]).abs().sum(1)[0]
        assert change.shape == (128 // stride, 128 // stride)
        row, column = divmod(int(change.argmax()), change.shape[1])
        # A strided 3x3 convolution centers on even pixels, so the peak may fall on the neighboring cell.
        assert abs(row - place[0] / stride) <= 1.5 and abs(column - place[1] / stride) <= 1.5, name


def test_logits_respond_where_the_image_changes():
    network = tiny()
    x = torch.randn(1, 1, 96, 96)
    y = x.clone()
    y[0, 0, 70, 20] += 20.0
    with torch.inference_mode():
        change = (network(y).logits - network(x).logits).abs().sum(1)[0]
    row, column = divmod(int(change.argmax()), 96)
    assert abs(row - 70) <= 2 and abs(column - 20) <= 2


def test_slice_does_not_depend_on_its_batch_mates():
    network = open_gains(tiny())
    batch = torch.randn(3, 1, 96, 64)
    with torch.inference_mode():
        together = network(batch)
        other = network(torch.cat([batch[:1], 100 * torch.randn(2, 1, 96, 64)]))
        alone = network(batch[:1])
    for a, b, c in zip(together[:2], other[:2], alone[:2], strict=True):
        torch.testing.assert_close(a[:1], b[:1], atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(a[:1], c, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(191, 143), (224, 224), (256, 256), (512, 512), (33, 7), (1, 1)])
def test_any_size(size):
    with torch.inference_mode():
        prediction = tiny()(torch.randn(1, 1, *size))
    assert prediction.logits.shape == (1, 4, *size)
    assert prediction.sdm.shape == (1, 3, *size)
    assert prediction.sdm.abs().max() <= 1
    assert torch.isfinite(prediction.logits).all()


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("classes", [2, 4, 14])
def test_any_channels_and_classes(channels, classes):
    network = tiny(in_channels=channels, classes=classes)
    with torch.inference_mode():
        prediction = network(torch.randn(2, channels, 64, 96))
    assert prediction.logits.shape == (2, classes, 64, 96)
    assert prediction.sdm.shape == (2, classes - 1, 64, 96)


@pytest.mark.parametrize(
    ("name", "millions", "gigaflops"),
    [("large", 31.0, (8.0, 10.5, 42.3)), ("base", 8.6, (3.8, 4.9, 20.0))],
)
def test_size_and_cost_are_those_of_the_specification(name, millions, gigaflops):
    network = CMAformer(configuration(name, classes=3)).eval()
    assert network.parameter_count() / 1e6 == pytest.approx(millions, rel=0.1)
    for size, wanted in zip((224, 256, 512), gigaflops, strict=True):
        with torch.device("meta"):
            x = torch.empty(1, 1, size, size)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network.to("meta")(x)
        assert counter.get_total_flops() / 1e9 == pytest.approx(wanted, rel=0.1)


def test_small_fits_in_eight_megabytes_of_fp16():
    config = configuration("small", classes=4)
    assert CMAformer(config).parameter_count() <= 4_000_000
    assert 160 <= config.widths[5] <= 192


def test_with_gain_zero_cross_attention_changes_nothing():
    whole = tiny()
    without = tiny(cross_attention=False)
    without.load_state_dict({k: v for k, v in whole.state_dict().items() if ".cross." not in k})
    x = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(whole(x).logits, without(x).logits)
        assert not torch.allclose(open_gains(whole)(x).logits, without(x).logits, atol=1e-3)


def test_heads_of_the_cross_attention_are_wide_in_new_networks_and_stay_as_they_were_in_old_ones():
    def heads(config: NetworkConfig) -> list[int]:
        network = CMAformer(config)
        return [stage.cross.heads for stage in (network.up1, network.up2, network.up3)]

    small = configuration("small", classes=4)
    assert heads(small) == [1, 4, 4]
    # As the model.json of a model from before this setting says it.
    old = {key: value for key, value in small.to_dict().items() if key != "cross_head_width"}
    assert heads(NetworkConfig.from_dict(old)) == [8, 8, 8]


OFF = {
    "position": False,
    "channel_attention": False,
    "transformer": False,
    "spatial_attention": False,
    "cross_attention": False,
}


@pytest.mark.parametrize("off", [*OFF, "all"])
def test_each_attention_can_be_switched_off(off):
    settings = OFF if off == "all" else {off: False}
    network, whole = tiny(**settings), tiny()
    assert network.parameter_count() < whole.parameter_count()
    assert set(network.state_dict()) < set(whole.state_dict())
    assert torch.isfinite(network(torch.randn(1, 1, 64, 64)).logits).all()


@pytest.mark.parametrize("settings", [{"qk_norm": True}, {"cross_sources": "all"}, {"bottleneck_stride": 16}])
def test_options_run_and_learn(settings):
    network = tiny(**settings).train()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    x = torch.randn(2, 1, 64, 64)
    target = (x[:, 0] > 0).long()
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(network(x).logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_every_parameter_takes_part():
    network = open_gains(tiny(deep_supervision=True))
    prediction = network(torch.randn(2, 1, 64, 64))
    assert [tuple(d.shape[2:]) for d in prediction.deep] == [(16, 16), (4, 4)]
    (
        prediction.logits.square().mean()
        + prediction.sdm.square().mean()
        + sum(d.square().mean() for d in prediction.deep)
    ).backward()
    unused = [name for name, p in network.named_parameters() if p.grad is None]
    assert unused == []


def test_position_is_of_the_slice_and_not_of_the_crop():
    network = open_gains(tiny())
    crop = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        top_left = network(crop, torch.tensor([[-1.0, -1.0, 0.0, 0.0]])).logits
        bottom_right = network(crop, torch.tensor([[0.0, 0.0, 1.0, 1.0]])).logits
        assert not torch.allclose(top_left, bottom_right, atol=1e-3)
        # Padding inside the network must not move the coordinates of the real pixels.
        whole = network(crop).logits
        framed = network(crop, torch.tensor([[-1.0, -1.0, 1.0, 1.0]])).logits
        torch.testing.assert_close(whole, framed)


def test_pyramid_has_a_stage_for_each_factor_of_two():
    network = tiny(layout="pyramid", deep_supervision=True)
    sizes = {}
    for number in range(1, 6):
        getattr(network, f"cma{number}").register_forward_hook(
            lambda _m, _i, out, number=number: sizes.update({number: tuple(out.shape[2:])})
        )
    with torch.inference_mode():
        found = network(torch.randn(2, 1, 64, 96))
    assert sizes == {1: (32, 48), 2: (16, 24), 3: (8, 12), 4: (4, 6), 5: (2, 3)}
    assert found.logits.shape == (2, 4, 64, 96) and found.sdm.shape == (2, 3, 64, 96)
    assert [tuple(logits.shape[2:]) for logits in found.deep] == [(16, 24), (4, 6)]
    assert configuration("small", layout="pyramid").widths != configuration("small").widths
    assert CMAformer(configuration("small", layout="pyramid")).parameter_count() <= 4_000_000


def test_a_gated_transformer_starts_as_the_network_without_it():
    """All its parameters are made after the others' of the encoder, so the same seed gives both the same ones."""
    x = torch.randn(1, 1, 64, 64)
    with_, without = tiny(gated=True), tiny(transformer=False)
    without.load_state_dict(with_.state_dict(), strict=False)
    without.bottleneck.bridge = torch.nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(with_(x).logits, without(x).logits)
        with_.bottleneck.gain.fill_(1.0)
        assert not torch.allclose(with_(x).logits, without(x).logits, atol=1e-3)


def test_with_batch_norm_a_slice_depends_on_its_batch_mates_only_while_learning():
    network, x = tiny(norm="batch", layout="pyramid"), torch.randn(3, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(x).logits[:1], network(x[:1]).logits, atol=1e-5, rtol=1e-4)
        network.train()
        assert not torch.allclose(network(x).logits[:1], network(x[:1]).logits, atol=1e-3)


@pytest.mark.parametrize("size", [(6, 9), (16, 5)])
def test_bias_of_the_bottleneck_serves_any_map(size):
    network = tiny()
    with torch.inference_mode():
        bias = network.bottleneck.bias(*size)
    assert bias.shape == (4, size[0] * size[1], size[0] * size[1])
    # The same offset has the same bias wherever it is.
    torch.testing.assert_close(bias[:, 0, 1], bias[:, size[1], size[1] + 1])


def test_wrong_input_says_what_is_needed():
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\).*\(1, 1, 64, 64\)"):
        tiny(in_channels=3)(torch.randn(1, 1, 64, 64))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"classes": 1}, "background"),
        ({"in_channels": 0}, "in_channels"),
        ({"heads": 7}, "heads"),
        ({"widths": (1, 2, 3)}, "six"),
        ({"bottleneck_stride": 8}, "bottleneck_stride"),
        ({"cross_sources": "some"}, "cross_sources"),
        ({"cross_head_width": -1}, "cross_head_width"),
        ({"layout": "tower"}, "layout"),
        ({"norm": "layer"}, "norm"),
    ],
)
def test_impossible_configuration_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        NetworkConfig(**settings)


def test_configuration_survives_json():
    import json

    config = configuration("base", in_channels=3, classes=9, cross_sources="all")
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match="layers"):
        NetworkConfig.from_dict({"layers": 3})
    with pytest.raises(ValueError, match="huge"):
        configuration("huge")


def test_no_strided_convolution_of_one_pixel() -> None:
    """Their float32 gradient writes beyond its memory on processors with AVX-512 (8 channels, PyTorch 2.13)."""
    modules = CMAformer(configuration("small")).modules()
    kernels = [(m.kernel_size, m.stride) for m in modules if isinstance(m, torch.nn.Conv2d)]
    assert kernels and all(kernel != (1, 1) or stride == (1, 1) for kernel, stride in kernels)
