"""Attention and dropout on a CPU against torch's own."""

from __future__ import annotations

import math

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


# The released code's normalisation


def _released_norm(values: list[float], scale: list[float], shift: list[float]) -> list[float]:
    """A number at a time: divided by the unbiased standard deviation + 1e-6."""
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return [a * (value - mean) / (deviation + 1e-6) + b for value, a, b in zip(values, scale, shift, strict=True)]


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6, 3e-7])
def test_deviation_norm_equals_a_slow_loop_and_keeps_the_weights(spread: float) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.LayerNorm(6))
    torch.nn.init.normal_(network[0].weight), torch.nn.init.normal_(network[0].bias)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    attention.divide_by_deviation(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    tokens = torch.randn(2, 3, 6) * spread
    found = network(tokens)
    for row in tokens.reshape(-1, 6).tolist():
        expected = _released_norm(row, network[0].weight.tolist(), network[0].bias.tolist())
        index = tokens.reshape(-1, 6).tolist().index(row)
        assert found.reshape(-1, 6)[index].tolist() == pytest.approx(expected, abs=1e-5)


def test_both_norms_agree_on_ordinary_tokens_and_not_on_read_padding() -> None:
    # A token of 1,024 numbers whose standard deviation is 3e-7, as 1e-5 / 2 times a place's vector has it: the root
    # mean square after the norm is s / (s + 1e-6) = .23 in the released code, s / sqrt(s^2 + 1e-5) = 1e-4 in torch's.
    signs = torch.tensor([1.0, -1.0]).repeat(512)
    plain, released = torch.nn.LayerNorm(1024), attention.DeviationNorm(1024)
    for norm, expected in ((released, 0.2308), (plain, 9.5e-5)):
        assert norm(3e-7 * signs).square().mean().sqrt().item() == pytest.approx(expected, rel=1e-2)
    tokens = torch.randn(5, 1024, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(tokens), released(tokens), rtol=1e-3, atol=0)


def test_a_constant_token_has_a_gradient_all_the_same() -> None:
    norm, token = attention.DeviationNorm(4), torch.full((1, 4), 0.3, requires_grad=True)
    norm(token).sum().backward()
    assert token.grad.isfinite().all()


# Packing


MASKS = [torch.tensor([[True, True], [True, True]]), torch.tensor([[True, False, False], [True, True, False]])]


def test_packed_segments_stand_in_order_without_padding() -> None:
    packing = Packing(MASKS)
    first, second = torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5, 0, 0], [6, 7, 0]])
    assert packing.sizes == [4, 3]
    packed = packing.pack([first, second])
    assert packed.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert [one.tolist() for one in packing.split(packed)] == [[1, 2, 3, 4], [5, 6, 7]]
    assert all(torch.equal(*pair) for pair in zip(packing.unpack(packed), (first, second), strict=True))


def test_padding_is_zero_again_whatever_it_held_and_gets_no_gradient() -> None:
    packing = Packing(MASKS[1:])
    padded = torch.randn(2, 3, 5, requires_grad=True)
    back = packing.unpack(packing.pack([padded]))[0]
    assert torch.equal(back[MASKS[1]], padded[MASKS[1]]) and not back[~MASKS[1]].any()
    back.sum().backward()
    assert torch.equal(padded.grad, MASKS[1].unsqueeze(-1).expand(2, 3, 5).float())
