"""The networks: segment encoders, the shared encoder with its heads, and DSCMR's two branches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import BertConfig, BertModel

from semshare import attention, bert
from semshare.attention import Packing
from semshare.data.segments import Segments
from semshare.data.words import MAX_LENGTH, SPECIAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from semshare.experiment import Experiment

Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, Modality] = ("image", "text")


@dataclass(frozen=True)
class Output:
    """What a network says of B items of one modality.

    Attributes:
        embedding: [B, E] what retrieval compares by cosine; the class-space vector, or DSCMR's hidden one.
        scores: [B, C] what Micro-F1 thresholds: the embedding itself, or under ``bce`` the probabilities.
        probabilities: [B, C] mean over tokens of the plain sigmoids, what ``bce`` reads.
        common: [B, d] what the consistency loss compares: the mean segment before the shared encoder.
        context: [M, K] logits for the M hidden segments; None where nothing was to be hidden.
        targets: [M] what those logits should say.
    """

    embedding: Tensor
    scores: Tensor
    probabilities: Tensor
    common: Tensor
    context: Tensor | None = None
    targets: Tensor | None = None


class RegionEncoder(nn.Module):
    """Regions to segments: a linear map of the feature plus one of the box, ``box_weight`` times."""

    def __init__(self, experiment: Experiment, feature_size: int) -> None:
        super().__init__()
        self.feature = nn.Linear(feature_size, experiment.width)
        self.box = nn.Linear(5, experiment.width)
        self.box_weight = experiment.box_weight
        self.mask = nn.Parameter(torch.zeros(feature_size)) if experiment.masked_region == "replaced" else None

    def forward(self, segments: Segments, hidden: Tensor | None = None) -> Segments:
        """[B, L, D] and boxes [B, L, 5] to [B, L, d]; ``hidden`` [B, L] regions show a learnt vector."""
        features = self.feature(segments.features)
        if hidden is not None and self.mask is not None:
            # The learnt vector is mapped once, not once a region: the features are ten times as wide as the segments.
            features = torch.where(hidden.unsqueeze(-1), self.feature(self.mask), features)
        return segments.with_features(features + self.box_weight * self.box(segments.positions))


class WordEncoder(nn.Module):
    """Words to segments: Word2Vec, then a one-layer BiGRU whose two directions are averaged."""

    def __init__(self, experiment: Experiment, vectors: np.ndarray) -> None:
        super().__init__()
        self.vectors = nn.Embedding.from_pretrained(torch.tensor(vectors), freeze=False, padding_idx=0)
        self.gru = nn.GRU(vectors.shape[1], experiment.width, batch_first=True, bidirectional=True)
        self.shown = SPECIAL.index(f"<{experiment.masked_word}>")

    def forward(self, segments: Segments, hidden: Tensor | None = None) -> Segments:
        """Word ids [B, L] to [B, L, d], 0 on padding; ``hidden`` [B, L] words are read as ``<mask>`` or ``<unk>``."""
        ids = segments.features if hidden is None else segments.features.masked_fill(hidden, self.shown)
        lengths = segments.mask.sum(1).cpu()
        packed = pack_padded_sequence(self.vectors(ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=ids.shape[1])
        forward, backward = states.chunk(2, dim=-1)
        return segments.with_features((forward + backward) / 2)


class BertBlocks(nn.Module):
    """Transformer blocks that normalise last: ``BertModel`` through ``inputs_embeds``, so that BERT weights load.

    Regions all take position 0, since their place comes from the box; words take 0, 1, 2... No token-type
    information: BERT's token-type vector is zero and stays so (:func:`semshare.bert.load` says where a
    checkpoint's goes).
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        sizes = BertConfig(
            vocab_size=1,
            hidden_size=experiment.width,
            num_hidden_layers=experiment.layers,
            num_attention_heads=experiment.heads,
            intermediate_size=experiment.feed_forward,
            hidden_dropout_prob=experiment.dropout,
            attention_probs_dropout_prob=experiment.dropout,
            max_position_embeddings=MAX_LENGTH,
            type_vocab_size=1,
            attn_implementation=attention.NAME,
        )
        self.bert = BertModel(sizes, add_pooling_layer=False)
        attention.use(self.bert)
        if experiment.bert is not None:
            bert.load(self.bert, experiment)
        self.bert.embeddings.word_embeddings.requires_grad_(False)
        self.bert.embeddings.token_type_embeddings.requires_grad_(False)
        nn.init.zeros_(self.bert.embeddings.token_type_embeddings.weight)
        self.place_weight = experiment.place_weight

    def forward(self, segments: Sequence[Segments], packing: Packing) -> Tensor:
        """Batches [B, L, d] to the hidden states [T, d] of all their segments."""
        places = packing.pack([_places(one) for one in segments])
        tokens = packing.pack([one.features for one in segments])
        if self.place_weight != 1:  # BertModel adds each place's vector once
            tokens = tokens + (self.place_weight - 1) * self.bert.embeddings.position_embeddings(places)
        return self.bert(inputs_embeds=tokens[None], position_ids=places[None], packing=packing).last_hidden_state[0]


def _places(segments: Segments) -> Tensor:
    """[B, L] the places of words; 0 for regions, whose place is their box."""
    boxes = segments.positions.is_floating_point()
    return torch.zeros_like(segments.mask, dtype=torch.long) if boxes else segments.positions


class PreNormBlock(nn.TransformerEncoderLayer):
    """``nn.TransformerEncoderLayer`` with its normalisation first, on packed segments."""

    def forward(self, tokens: Tensor, packing: Packing) -> Tensor:
        """[T, d] to [T, d]."""
        tokens = tokens + self.dropout1(self._attended(self.norm1(tokens), packing))
        inner = self.dropout(self.activation(self.linear1(self.norm2(tokens))))
        return tokens + self.dropout2(self.linear2(inner))

    def _attended(self, tokens: Tensor, packing: Packing) -> Tensor:
        own = self.self_attn
        joint = linear(tokens, own.in_proj_weight, own.in_proj_bias).unflatten(-1, (3, own.num_heads, own.head_dim))
        query, key, value = joint.permute(1, 2, 0, 3).unsqueeze(1)  # each [1, heads, T, size]
        mixed, _ = attention.attend(self, query, key, value, None, packing, own.dropout if self.training else 0.0)
        return own.out_proj(mixed[0].flatten(1))


class PreNormBlocks(nn.Module):
    """The released code's blocks: normalisation first, ReLU, a last normalisation and a ReLU on what leaves them.

    Words add a learnt vector of their place, ``place_weight`` times; regions have their box alone. Matrices begin
    with Glorot's uniform weights.
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        width = experiment.width
        self.places = nn.Embedding(MAX_LENGTH, width)
        block = PreNormBlock(
            width, experiment.heads, experiment.feed_forward, experiment.dropout, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(
            block, experiment.layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        attention.use(self.blocks)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.place_weight = experiment.place_weight

    def forward(self, segments: Sequence[Segments], packing: Packing) -> Tensor:
        """Batches [B, L, d] to the hidden states [T, d] of all their segments, none below 0."""
        tokens = packing.pack([self._placed(one) for one in segments])
        for block in self.blocks.layers:
            tokens = block(tokens, packing)
        return torch.relu(self.blocks.norm(tokens))

    def _placed(self, segments: Segments) -> Tensor:
        if segments.positions.is_floating_point():
            return segments.features
        return segments.features + self.place_weight * self.places(segments.positions)


_BLOCKS = {"post-ln": BertBlocks, "pre-ln": PreNormBlocks}


class SemanticNetwork(nn.Module):
    """Segment encoders, an encoder and a classifier: one for both modalities, or one for each.

    With ``shared`` one transformer and one classifier read both modalities (Ours, Ours+Con); without, each
    modality has its own (Independent, Traditional).
    """

    def __init__(
        self,
        experiment: Experiment,
        feature_size: int,
        region_classes: int,
        vectors: np.ndarray,
        labels: int,
        shared: bool,
        context: bool,
    ) -> None:
        """``experiment`` gives the sizes; ``labels`` is C; ``context`` adds heads that predict hidden segments."""
        super().__init__()
        width, blocks = experiment.width, _BLOCKS[experiment.block]
        self.plain_scores = experiment.label_loss == "bce"
        self.reads_padding = experiment.padding == "read"
        self.shared = shared
        self.segments = nn.ModuleDict(
            {"image": RegionEncoder(experiment, feature_size), "text": WordEncoder(experiment, vectors)}
        )
        owners = ("both",) if shared else MODALITIES
        self.encoders = nn.ModuleDict({owner: blocks(experiment) for owner in owners})
        self.classifiers = nn.ModuleDict({owner: nn.Linear(width, labels) for owner in owners})
        if context:
            self.context = nn.ModuleDict(
                {"image": nn.Linear(width, region_classes), "text": nn.Linear(width, len(vectors))}
            )

    def forward(self, modality: Modality, segments: Segments, hidden: Tensor | None = None) -> Output:
        """Read B items; ``hidden`` [B, L] marks segments to mask and to predict."""
        return self.read({modality: segments}, {} if hidden is None else {modality: hidden})[modality]

    def read(
        self, segments: Mapping[Modality, Segments], hidden: Mapping[Modality, Tensor] = MappingProxyType({})
    ) -> dict[Modality, Output]:
        """:meth:`forward` for several modalities, which pass a shared encoder in one call."""
        embedded = {name: self.segments[name](batch, hidden.get(name)) for name, batch in segments.items()}
        if self.reads_padding:
            embedded = {name: replace(one, mask=torch.ones_like(one.mask)) for name, one in embedded.items()}
        outputs: dict[Modality, Output] = {}
        for owner, encoder in self.encoders.items():
            read = [name for name in embedded if owner in ("both", name)]
            if read:
                packing = Packing([embedded[name].mask for name in read])
                states = encoder([embedded[name] for name in read], packing)
                scores = packing.unpack(torch.sigmoid(self.classifiers[owner](states).float()))
                for name, own, tokens in zip(read, packing.split(states), scores, strict=True):
                    outputs[name] = self._output(name, embedded[name], own, tokens, segments[name], hidden.get(name))
        return outputs

    def _output(
        self,
        modality: Modality,
        embedded: Segments,
        states: Tensor,
        scores: Tensor,
        segments: Segments,
        hidden: Tensor | None,
    ) -> Output:
        """From segments [B, L, d] before the encoder, states [T, d] and scores [B, L, C] after it."""
        embedding = embedded.with_features(normalize(scores, dim=-1)).mean()
        probabilities = embedded.with_features(scores).mean()
        return Output(
            embedding=embedding,
            scores=probabilities if self.plain_scores else embedding,
            probabilities=probabilities,
            common=embedded.mean(),
            context=None if hidden is None else self.context[modality](states[hidden[embedded.mask]]),
            targets=None if hidden is None else segments.targets[hidden],
        )

    def modality_of(self, parameter: str) -> Modality | None:
        """Which modality alone owns the state entry ``parameter``; None when both do."""
        owner = parameter.split(".")[1]
        return owner if owner in MODALITIES else None


class DSCMRNetwork(nn.Module):
    """DSCMR (CVPR 2019) on one vector an item: a ReLU layer each, then a shared linear map and classifier."""

    def __init__(self, feature_size: int, vectors: np.ndarray, labels: int, hidden: int, width: int) -> None:
        """``hidden`` is each branch's ReLU width (the paper's 2048), ``width`` the embedding's (1024)."""
        super().__init__()
        self.vectors = nn.Embedding.from_pretrained(torch.tensor(vectors), freeze=True, padding_idx=0)
        self.branches = nn.ModuleDict(
            {"image": nn.Linear(feature_size, hidden), "text": nn.Linear(vectors.shape[1], hidden)}
        )
        self.common = nn.Linear(hidden, width)
        self.classifier = nn.Linear(width, labels)

    def forward(self, modality: Modality, segments: Segments) -> Output:
        """Read B items as the mean of their region features, or of their words' vectors."""
        if modality == "text":
            words = segments.mask & (segments.features >= len(SPECIAL))
            segments = Segments(self.vectors(segments.features), segments.positions, words, segments.targets)
        embedding = self.common(torch.relu(self.branches[modality](segments.mean())))
        scores = self.classifier(embedding).float()
        return Output(embedding=embedding, scores=scores, probabilities=scores, common=embedding)

    def read(self, segments: Mapping[Modality, Segments], hidden: Mapping[Modality, Tensor]) -> dict[Modality, Output]:
        """:meth:`forward` for several modalities; nothing is ever ``hidden``."""
        return {name: self(name, batch) for name, batch in segments.items()}
