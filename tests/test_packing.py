"""Packing and unpacking batches by hand."""

from __future__ import annotations

import torch

from semshare.attention import Packing

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
