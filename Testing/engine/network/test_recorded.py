"""The student as recorded graphs: what can be told of it without a graphics card."""

import pytest
import torch

from cmaformer.network.cmaformer import configuration
from cmaformer.network.memory import PortionedNetwork
from cmaformer.network.recorded import SIZES, RecordedNetwork

CPU = torch.device("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PortionedNetwork(configuration("small", classes=3, norm="batch")).train()


def batch(rows, side=32):
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, 1, side, side, generator=generator), torch.tensor([[-1.0, -1, 1, 1]]).repeat(rows, 1)


def statistics(network):
    return [buffer.clone() for buffer in network.buffers()]


def test_what_cannot_be_recorded_is_launched(network, monkeypatch):
    def refuse(call, samples, **_):
        call(*samples)  # statistics move
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    recorded, images = RecordedNetwork(network, CPU), batch(2)
    before = statistics(network)
    expected = network(*images).logits
    after = statistics(network)
    for buffer, value in zip(network.buffers(), before):
        buffer.copy_(value)
    found = recorded(*images).logits
    assert torch.equal(found, expected) and not recorded.records(images[0])
    # Those of one step, not those of the steps that recording takes.
    assert all(torch.equal(a, b) for a, b in zip(statistics(network), after))


def test_each_size_is_recorded_once_and_only_where_it_learns(network, monkeypatch):
    sizes = []

    def record(call, samples, **_):
        sizes.append(len(samples[0]))
        for _ in range(3):
            call(*samples)

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    recorded = RecordedNetwork(network, CPU)
    before = statistics(network)
    with torch.no_grad():
        recorded(*batch(2))
    assert sizes == []
    for buffer, value in zip(network.buffers(), before):
        buffer.copy_(value)
    for rows in (2, 2, 4, 2, 4):
        recorded(*batch(rows))
    assert sizes == [2, 4] and recorded.records(batch(2)[0])
    seen = next(buffer for name, buffer in network.named_buffers() if name.endswith("num_batches_tracked"))
    assert int(seen) == 5
    for rows in (6, 8):  # memory is kept for few sizes alone
        recorded(*batch(rows))
    assert len(sizes) == SIZES
    network.rows = 2  # portions of a batch are computed again in the backward pass: nothing to record
    recorded(*batch(10))
    assert len(sizes) == SIZES
