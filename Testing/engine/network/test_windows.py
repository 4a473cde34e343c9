"""Whole slices through windows of the size of the training patches."""

import numpy as np
import pytest
import torch

from cmaformer.network.cmaformer import CMAformer, Prediction, configuration
from cmaformer.network.sliding_window import predict, starts


class Recorder:
    """A network that knows each pixel's class from its value, and remembers what it was shown."""

    def __init__(self):
        self.sizes, self.frames = [], []

    def __call__(self, images, frames=None):
        self.sizes.append(tuple(images.shape[2:]))
        self.frames.append(None if frames is None else frames[0].tolist())
        foreground = (images[:, :1] > 0).float()
        logits = 8 * torch.cat([1 - foreground, foreground], 1)
        return Prediction(logits, 1 - 2 * foreground, ())


@pytest.mark.parametrize("shape", [(40, 50), (64, 64), (70, 66), (64, 200), (131, 97), (300, 80)])
def test_every_pixel_keeps_its_place(shape):
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 1, *shape)).astype(np.float32))
    network = Recorder()
    prediction = predict(network, images, 64)
    assert prediction.logits.shape == (2, 2, *shape) and prediction.sdm.shape == (2, 1, *shape)
    assert torch.equal(prediction.logits.argmax(1), (images[:, 0] > 0).long())
    assert torch.allclose(prediction.sdm, 1 - 2 * (images > 0).float(), atol=1e-5)
    assert all(64 <= side <= 1.1 * 64 for size in network.sizes for side in size)


def test_blended_logits_give_the_mean_probabilities():
    images = torch.rand(1, 1, 128, 64) + 0.1
    probabilities = predict(Recorder(), images, 64).logits.softmax(1)
    assert torch.allclose(probabilities, Recorder()(images).logits.softmax(1), atol=1e-5)


def test_frames_tell_where_a_window_is_in_the_slice():
    network = Recorder()
    predict(network, torch.zeros(1, 1, 128, 48), 64)
    # 48 columns get 8 on either side, so windows reach a third of the slice's half width beyond it.
    assert network.frames[0] == pytest.approx([-1, -4 / 3, 0, 4 / 3])
    assert network.frames[-1] == pytest.approx([0, -4 / 3, 1, 4 / 3])


def test_windows_overlap_by_half_and_reach_the_ends():
    for side in range(30, 400, 7):
        begins = starts(side, 64)
        if side <= 70:
            assert begins == [0]
        else:
            assert begins[0] == 0 and begins[-1] == side - 64
            assert max(np.diff(begins)) <= 33


def test_without_a_patch_slices_are_taken_as_they_are():
    network = Recorder()
    predict(network, torch.zeros(1, 1, 130, 33), None)
    assert network.sizes == [(130, 33)] and network.frames == [None]


def test_a_small_slice_is_seen_as_a_patch_with_a_border():
    torch.manual_seed(0)
    network = CMAformer(configuration("small", classes=3, widths=(4, 8, 8, 8, 8, 8))).eval()
    small = torch.randn(1, 1, 40, 50)
    patch = torch.zeros(1, 1, 64, 64)
    patch[..., 12:52, 7:57] = small
    frame = torch.tensor([[-12 / 40, -7 / 50, 52 / 40, 57 / 50]]) * 2 - 1
    with torch.no_grad():
        expected = network(patch, frame).logits[..., 12:52, 7:57]
        assert torch.allclose(predict(network, small, 64).logits, expected, atol=1e-5)
