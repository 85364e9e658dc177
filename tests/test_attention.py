"""Attention and dropout on a CPU against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from semshare import attention
from semshare.attention import Packing


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_drop_drops_the_share_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(0)
    dropped = attention.drop(torch.ones(1000, 1001), share)
    kept = dropped != 0
    deviation = (share * (1 - share) / kept.numel()) ** 0.5
    assert abs(float((~kept).double().mean()) - share) < 4 * deviation
    assert torch.equal(dropped[kept], torch.full_like(dropped[kept], 1 / (1 - share)))


def test_drop_is_independent_between_neighbours_that_share_a_random_number() -> None:
    torch.manual_seed(0)
    gone = (attention.drop(torch.ones(400_000), 0.25) == 0).view(-1, 4).double()
    together = torch.corrcoef(gone.T) - torch.eye(4)
    assert together.abs().max() < 0.015  # four deviations of a correlation of 100,000 pairs are .0126


def test_drop_follows_the_seed_and_passes_gradients_where_it_keeps() -> None:
    values = torch.randn(7, 5, requires_grad=True)
    torch.manual_seed(3)
    first = attention.drop(values, 0.3)
    torch.manual_seed(3)
    assert torch.equal(first, attention.drop(values, 0.3))
    first.sum().backward()
    assert torch.equal(values.grad != 0, first != 0)
    assert attention.drop(values.bfloat16(), 0.3).dtype == torch.bfloat16


def test_dropout_is_torchs_outside_training() -> None:
    values, layer = torch.randn(4, 9), attention.Dropout(0.4)
    assert torch.equal(layer.eval()(values), values)
    assert not torch.equal(layer.train()(values), values)
    assert torch.equal(attention.Dropout(0.0).train()(values), values)


@pytest.mark.parametrize("lengths", [[6, 6, 6], [6, 4, 1]], ids=["whole", "padded"])
def test_attend_equals_torchs_attention_on_padded_items(lengths: list[int]) -> None:
    torch.manual_seed(1)
    padded = [torch.randn(3, 6, 4, 8, requires_grad=True) for _ in range(3)]
    mask = torch.arange(6) < torch.tensor(lengths).unsqueeze(1)
    packing = Packing([mask])
    packed = [packing.pack([one]).transpose(0, 1)[None] for one in padded]
    found, weights = attention.attend(nn.Module(), *packed, None, packing)
    query, key, value = (one.transpose(1, 2) for one in padded)
    expected = scaled_dot_product_attention(query, key, value, mask[:, None, None, :]).transpose(1, 2)[mask]
    assert weights is None
    torch.testing.assert_close(found[0], expected)
    for mine, theirs in zip(
        torch.autograd.grad(found.square().sum(), padded),
        torch.autograd.grad(expected.square().sum(), padded),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_attend_drops_weights_and_keeps_their_mean() -> None:
    torch.manual_seed(2)
    query, key = torch.randn(1, 1, 6, 8), torch.randn(1, 1, 6, 8)
    value = torch.eye(6).view(1, 1, 6, 6)  # what comes out are the weights themselves
    packing = Packing([torch.ones(1, 6, dtype=torch.bool)])
    plain, _ = attention.attend(nn.Module(), query, key, value, None, packing)
    several = [attention.attend(nn.Module(), query, key, value, None, packing, 0.2)[0] for _ in range(4000)]
    assert any((one == 0).any() for one in several)
    torch.testing.assert_close(torch.stack(several).mean(0), plain, rtol=0, atol=0.025)


def test_use_replaces_every_dropout_and_nothing_else() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1), nn.Sequential(nn.Dropout(0.3), nn.ReLU()))
    attention.use(network)
    assert [type(one).__name__ for one in network.modules()] == [
        "Sequential", "Linear", "Dropout", "Sequential", "Dropout", "ReLU",
    ]  # fmt: skip
    assert isinstance(network[1], attention.Dropout) and isinstance(network[2][0], attention.Dropout)
    assert (network[1].p, network[2][0].p) == (0.1, 0.3)
