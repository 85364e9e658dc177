"""Training steps at the released code's sizes: 1024-d, 6 layers, 8 heads, feed-forward 2048, 64 pairs a step.

    python benchmarks/training.py [rounds] [device]

A pair is 36 regions and a tag list as long as FLICKR25K's; a step is forward, backward and optimiser. Ours, and the
same network written plainly on ``nn.TransformerEncoder`` (padded, each modality in a call of its own, every head on
every token, ``torch.optim.Adam`` as it comes), take steps in turn. Prints pairs a second, what each takes beside ours,
and which share of the device's own rate in a bare matrix product goes into useful arithmetic, padding not counted.
Then the same of DSCMR's step and of a plain loop around its network. All of them keep the memory they free, as runs do.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from rows import Row
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, softplus
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from semshare import methods
from semshare.data.dataset import Batch, pad_words
from semshare.data.segments import Segments
from semshare.data.words import SPECIAL
from semshare.experiment import Experiment
from semshare.model import DSCMRNetwork, SemanticNetwork
from semshare.training import step
from semshare.utils.devices import default_precision
from semshare.utils.memory import memory_kept

PAIRS, REGIONS, FEATURES, CLASSES, WORDS, LABELS = 64, 36, 1024, 1600, 1386, 24
WIDTH, LAYERS, HEADS, FEED_FORWARD, LONGEST = 1024, 6, 8, 2048, 150
VECTORS = np.random.default_rng(0).normal(size=(WORDS, 300)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    parser.add_argument("device", nargs="?", default="cpu")
    given = parser.parse_args()
    measure(given.rounds, given.device)


def measure(rounds: int, device: str = "cpu") -> list[Row]:
    """Print everything, and give each peer's row."""
    place = torch.device(device)
    batches = [draw(np.random.default_rng(seed)).to(place) for seed in range(rounds)]
    words = statistics.mean(float(batch.text.mask.sum()) / PAIRS for batch in batches)
    flops = useful_flops(words)
    print(f"{PAIRS} pairs a step, {words:.1f} words a text, {flops / 1e9:.1f} GFLOP a pair, {rounds} rounds")
    if place.type == "cpu":
        print(f"{torch.get_num_threads()} threads of {torch.cpu.get_capabilities().get('cpu_name', 'a CPU')}")
    dscmr_batches = [draw(np.random.default_rng(seed), 100).to(place) for seed in range(rounds)]
    with memory_kept():
        rows = compare("training step, released sizes", transformer_ways(place), batches, place, flops)
        return rows + compare("training step, DSCMR", dscmr_ways(place), dscmr_batches, place)


def draw(random: np.random.Generator, pairs: int = PAIRS) -> Batch:
    """Pairs of random regions and of random words, as many as FLICKR25K's tag lists have with both ends."""
    lengths = np.minimum(2 + np.round(random.lognormal(1.25, 0.75, pairs)).astype(int), LONGEST)
    words = [random.integers(len(SPECIAL), WORDS, length).tolist() for length in lengths]
    shape = (pairs, REGIONS)
    image = Segments(
        features=torch.from_numpy(random.normal(size=(*shape, FEATURES)).astype(np.float32)),
        positions=torch.from_numpy(random.random((*shape, 5)).astype(np.float32)),
        mask=torch.ones(shape, dtype=torch.bool),
        targets=torch.from_numpy(random.integers(0, CLASSES, shape)),
    )
    labels = torch.from_numpy((random.random((pairs, LABELS)) < 0.16).astype(np.float32))
    return Batch(image, pad_words(words), labels)


def useful_flops(words: float) -> float:
    """Floating point operations a pair in matrix products, forward and backward, without padding."""
    tokens = REGIONS + words
    blocks = LAYERS * (tokens * (4 * WIDTH**2 + 2 * WIDTH * FEED_FORWARD) + 2 * WIDTH * (REGIONS**2 + words**2))
    segments = REGIONS * FEATURES * WIDTH + words * 2 * 3 * WIDTH * (VECTORS.shape[1] + WIDTH)
    heads = tokens * WIDTH * LABELS + 0.15 * WIDTH * (REGIONS * CLASSES + words * WORDS)
    return 3 * 2 * (blocks + segments + heads)


Way = Callable[[Batch], object]


def transformer_ways(device: torch.device) -> dict[str, Way]:
    """Ours in the device's own precision, and plain networks."""
    fields = {"width": WIDTH, "layers": LAYERS, "heads": HEADS, "feed_forward": FEED_FORWARD, "block": "pre-ln"}
    experiment = Experiment.make(
        dataset="drawn",
        method="ours",
        scale="full",
        lam=0.1,
        batch=PAIRS,
        precision=default_precision(device),
        **fields,
    )
    ways = {f"ours, {experiment.precision}": ours(experiment, device)}
    bert = experiment.change(block="post-ln")
    ways[f"ours with BERT's blocks, {experiment.precision}"] = ours(bert, device)
    for name, longest, precision in (
        (f"plain, padded to {LONGEST}, float32", LONGEST, torch.float32),
        ("plain, padded to the longest, float32", None, torch.float32),
        ("plain, padded to the longest, bfloat16", None, torch.bfloat16),
    ):
        ways[name] = plain(longest, precision, device)
    return ways


def ours(experiment: Experiment, device: torch.device) -> Way:
    """The library's own training step."""
    torch.manual_seed(0)
    method, generator = methods.get(experiment.method), torch.Generator().manual_seed(0)
    network = SemanticNetwork(experiment, FEATURES, CLASSES, VECTORS, LABELS, shared=True, context=True).to(device)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], fused=True)
    network.train()
    return lambda batch: step(experiment, method, network, optimiser, batch, generator)


class Plain(nn.Module):
    """The same network as one would write it first: padded, every head on every token."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors = nn.Embedding(WORDS, VECTORS.shape[1], padding_idx=0)
        self.gru = nn.GRU(VECTORS.shape[1], WIDTH, batch_first=True, bidirectional=True)
        self.region, self.box = nn.Linear(FEATURES, WIDTH), nn.Linear(5, WIDTH)
        block = nn.TransformerEncoderLayer(WIDTH, HEADS, FEED_FORWARD, 0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(block, LAYERS, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.labels = nn.Linear(WIDTH, LABELS)
        self.contexts = nn.ModuleList([nn.Linear(WIDTH, CLASSES), nn.Linear(WIDTH, WORDS)])

    def forward(self, image: Segments, text: Segments) -> list[tuple[Tensor, Tensor]]:
        """Per modality the class-space embedding [B, C] and the context logits [B, L, K]."""
        regions = self.region(image.features) + self.box(image.positions)
        lengths = text.mask.sum(1).cpu()
        packed = pack_padded_sequence(self.vectors(text.features), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=text.mask.shape[1])
        words = sum(states.chunk(2, dim=-1)) / 2
        outputs = []
        for tokens, mask, context in zip((regions, words), (image.mask, text.mask), self.contexts, strict=True):
            hidden = torch.relu(self.encoder(tokens, src_key_padding_mask=~mask))
            scores = normalize(torch.sigmoid(self.labels(hidden).float()), dim=-1) * mask.unsqueeze(-1)
            outputs.append((scores.sum(1) / mask.sum(1, keepdim=True), context(hidden)))
        return outputs


def plain(longest: int | None, precision: torch.dtype, device: torch.device) -> Way:
    """A plain training step, texts padded to ``longest`` or to the longest of the batch."""
    torch.manual_seed(0)
    network = Plain().to(device)
    optimiser = torch.optim.Adam(network.parameters())

    def take(batch: Batch) -> None:
        text = padded(batch.text, longest) if longest else batch.text
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            outputs = network(batch.image, text)
        loss = torch.zeros((), device=device)
        for (embedding, logits), segments in zip(outputs, (batch.image, text), strict=True):
            hidden = (torch.rand(segments.mask.shape, device=device) < 0.15) & segments.mask
            loss = loss + softplus(-(embedding * batch.labels).sum(1)).mean() / 2
            loss = loss + 0.1 * cross_entropy(logits[hidden].float(), segments.targets[hidden])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return take


def padded(segments: Segments, longest: int) -> Segments:
    """Word segments filled up to ``longest``."""
    missing = longest - segments.mask.shape[1]

    def fill(tensor: Tensor, value: int) -> Tensor:
        return nn.functional.pad(tensor, (0, missing), value=value)

    return Segments(
        fill(segments.features, 0), fill(segments.positions, 0), fill(segments.mask, False), fill(segments.targets, -1)
    )


def dscmr_ways(device: torch.device) -> dict[str, Way]:
    """DSCMR's step as the library takes it, and as a plain loop would: one vector an item, float32, Adam."""
    torch.manual_seed(0)
    fields = {"width": 1024, "feed_forward": 2048, "batch": 100, "precision": default_precision(device)}
    experiment = Experiment.make(dataset="drawn", method="dscmr", scale="full", **fields)
    method, generator = methods.get("dscmr"), torch.Generator()
    networks = [DSCMRNetwork(FEATURES, VECTORS, LABELS, 2048, 1024).to(device) for _ in range(2)]
    fused, unfused = (
        torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-4, betas=(0.5, 0.999), fused=way)
        for network, way in zip(networks, (True, False), strict=True)
    )
    for network in networks:
        network.train()

    def plain_step(batch: Batch) -> None:
        outputs = {"image": networks[1]("image", batch.image), "text": networks[1]("text", batch.text)}
        loss = sum(method.terms(outputs, batch.labels, experiment).values())
        unfused.zero_grad()
        loss.backward()
        unfused.step()

    return {
        f"DSCMR, {experiment.precision}": lambda batch: step(experiment, method, networks[0], fused, batch, generator),
        "DSCMR, plain loop, float32": plain_step,
    }


def compare(
    claim: str, ways: dict[str, Way], batches: list[Batch], device: torch.device, flops: float | None = None
) -> list[Row]:
    """Take a step each way in turn, over every batch; print the medians, and give the rows of all but the first."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rates: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for place, batch in enumerate([batches[0], *batches]):  # the first round warms up
        for name, way in ways.items():
            start = now(device)
            way(batch)
            if place:
                seconds[name].append(now(device) - start)
        if flops:
            for precision, found in rates.items():
                found.append(product_rate(precision, device))
    pairs = {name: len(batches[0].labels) / statistics.median(found) for name, found in seconds.items()}
    limits = {name: None for name in ways}
    if flops:
        peaks = {precision: statistics.median(found) for precision, found in rates.items()}
        limits = {name: peaks[torch.bfloat16 if name.endswith("bfloat16") else torch.float32] / flops for name in ways}
        for precision, peak in peaks.items():
            print(f"bare matrix product, {str(precision).removeprefix('torch.')}: {peak / 1e9:.0f} GFLOP/s")
    ours = next(iter(ways))
    print(f"{'':42s} {'pairs/s':>9s} {'ours is':>8s} {'of the bare product':>20s}")
    for name, rate in pairs.items():
        share = f"{rate / limits[name]:19.0%}" if limits[name] else ""
        print(f"{name:42s} {rate:9.1f} {pairs[ours] / rate:7.2f}x {share}", flush=True)
    return [
        Row(claim, "pairs/s", pairs[ours], name, rate, limits[ours]) for name, rate in pairs.items() if name != ours
    ]


def product_rate(precision: torch.dtype, device: torch.device) -> float:
    """Operations a second in the product of one feed-forward layer."""
    left = torch.ones(PAIRS * REGIONS, WIDTH, dtype=precision, device=device)
    right = torch.ones(WIDTH, FEED_FORWARD, dtype=precision, device=device)
    start = now(device)
    for _ in range(4):
        left @ right
    return 4 * 2 * left.numel() * FEED_FORWARD / (now(device) - start)


def now(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()
