"""The networks: segment encoders, the shared encoder with its heads, and DSCMR's two branches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from semshare import attention, bert
from semshare.attention import Packing
from semshare.data.segments import Segments
from semshare.data.words import MASK, MAX_LENGTH, SPECIAL
from semshare.losses import widened

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
        embedding: [B, E] what retrieval compares, as the experiment's ``ranking`` says; the class-space vector, or
            DSCMR's hidden one.
        scores: [B, C] what Micro-F1 thresholds: the embedding itself, or under ``bce`` the probabilities.
        probabilities: [B, C] mean over tokens of the plain sigmoids, what ``bce`` reads.
        common: [B, d] what the consistency loss compares: the mean segment before the shared encoder.
        context: [M, K] logits for the M hidden segments that are asked for; None where nothing was to be hidden.
        targets: [M] what those logits should say.
    """

    embedding: Tensor
    scores: Tensor
    probabilities: Tensor
    common: Tensor
    context: Tensor | None = None
    targets: Tensor | None = None


class RegionEncoder(nn.Module):
    """Regions to segments: a linear map of the feature plus one of the box, ``box_weight`` times; or half of that."""

    def __init__(self, experiment: Experiment, feature_size: int) -> None:
        super().__init__()
        self.feature = nn.Linear(feature_size, experiment.width)
        self.box = nn.Linear(5, experiment.width)
        self.box_weight, self.share = experiment.box_weight, _share(experiment)
        self.mask = nn.Parameter(torch.zeros(feature_size)) if experiment.masked_region == "replaced" else None
        self.box.requires_grad_(experiment.boxes == "own")
        if experiment.initial_layers == "xavier":
            nn.init.xavier_uniform_(self.feature.weight)
            nn.init.zeros_(self.feature.bias)

    def forward(self, segments: Segments, hidden: Tensor | None = None) -> Segments:
        """[B, L, D] and boxes [B, L, 5] to [B, L, d]; ``hidden`` [B, L] regions show a learnt vector."""
        features = self.feature(segments.features)
        if hidden is not None and self.mask is not None:
            # The learnt vector is mapped once, not once a region: the features are ten times as wide as the segments.
            features = torch.where(hidden.unsqueeze(-1), self.feature(self.mask), features)
        return segments.with_features(self.share * (features + self.box_weight * self.box(segments.positions)))


class WordEncoder(nn.Module):
    """Words to segments: a word vector, then a one-layer BiGRU whose two directions are averaged.

    With pre-LN blocks, which know nothing of places, a learnt vector of the word's place is added, ``place_weight``
    times; BERT's blocks add their own. Half of the sum where ``segment_sum`` is the mean.
    """

    def __init__(self, experiment: Experiment, vectors: np.ndarray) -> None:
        super().__init__()
        self.vectors = nn.Embedding.from_pretrained(torch.tensor(vectors), freeze=False, padding_idx=0)
        self.gru = nn.GRU(vectors.shape[1], experiment.width, batch_first=True, bidirectional=True)
        self.places = nn.Embedding(MAX_LENGTH, experiment.width) if experiment.block == "pre-ln" else None
        self.place_weight, self.share = experiment.place_weight, _share(experiment)
        self.in_order = experiment.word_places == "in-order"
        self.shown = SPECIAL.index(f"<{experiment.masked_word}>")
        if self.places is not None:
            nn.init.xavier_uniform_(self.places.weight)
            self.places.requires_grad_(self.in_order)
        if experiment.initial_words == "uniform":
            for table in filter(None, (self.vectors, self.places)):
                nn.init.uniform_(table.weight, -_WORDS_WITHIN, _WORDS_WITHIN)
            nn.init.zeros_(self.vectors.weight[0])

    def forward(self, segments: Segments, hidden: Tensor | None = None) -> Segments:
        """Word ids [B, L] to [B, L, d], on padding its place alone; ``hidden`` [B, L] are read as mask or unknown."""
        ids = segments.features if hidden is None else segments.features.masked_fill(hidden, self.shown)
        lengths = segments.mask.sum(1).cpu()
        packed = pack_padded_sequence(self.vectors(ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=ids.shape[1])
        forward, backward = states.chunk(2, dim=-1)
        words = (forward + backward) / 2
        places = segments.positions if self.in_order else torch.zeros_like(segments.positions)
        if self.places is not None:
            words = words + self.place_weight * self.places(places)
        return replace(segments, features=self.share * words, positions=places)


# Words begin uniform within this of 0 in the released code. So do places here, as its read padding has it after the
# first normalisation: root mean square .23 = s / (s + 1e-6) where s is 1e-5 / 2 times the spread of a place's vector.
_WORDS_WITHIN = 0.1


def _share(experiment: Experiment) -> float:
    """How much of the sum of what it is and where it is a segment takes."""
    return 0.5 if experiment.segment_sum == "mean" else 1.0


class BertBlocks(nn.Module):
    """Transformer blocks that normalise last: ``BertModel`` through ``inputs_embeds``, so that BERT weights load.

    Regions all take position 0, since their place comes from the box; words those that the segments name. BERT's
    token-type vector is zero and stays so (:func:`semshare.bert.load` says where a checkpoint's goes).
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        attention.register()
        from transformers import BertConfig, BertModel  # takes seconds to import, and only a network needs it

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
        if experiment.layer_norm == "deviation":
            attention.divide_by_deviation(self.bert)
        if experiment.initial_layers == "xavier":
            for layer in self.bert.encoder.layer:
                for part in (layer.attention.self.query, layer.attention.self.key, layer.attention.self.value):
                    nn.init.xavier_uniform_(part.weight)
        if experiment.bert is not None:
            bert.load(self.bert, experiment)
        self.bert.embeddings.word_embeddings.requires_grad_(False)
        self.bert.embeddings.token_type_embeddings.requires_grad_(False)
        nn.init.zeros_(self.bert.embeddings.token_type_embeddings.weight)
        self.bert.embeddings.position_embeddings.requires_grad_(experiment.word_places == "in-order")
        self.place_weight = _share(experiment) * experiment.place_weight

    def forward(self, segments: Sequence[Segments], packing: Packing) -> Tensor:
        """Batches [B, L, d] to the hidden states [T, d] of all their segments."""
        places = packing.pack([_places(item) for item in segments])
        tokens = packing.pack([item.features for item in segments])
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

    Segments bring their places with them. Matrices begin with Xavier's uniform weights; those of queries, keys and
    values as one, or each by itself as ``initial_layers`` says.
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        width = experiment.width
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
        if experiment.initial_layers == "xavier":
            for layer in self.blocks.layers:
                for part in layer.self_attn.in_proj_weight.data.chunk(3):
                    nn.init.xavier_uniform_(part)
        if experiment.layer_norm == "deviation":
            attention.divide_by_deviation(self.blocks)

    def forward(self, segments: Sequence[Segments], packing: Packing) -> Tensor:
        """Batches [B, L, d] to the hidden states [T, d] of all their segments, none below 0."""
        tokens = packing.pack([batch.features for batch in segments])
        for block in self.blocks.layers:
            tokens = block(tokens, packing)
        return torch.relu(self.blocks.norm(tokens))


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
        self.no_class = SPECIAL.index(MASK) if experiment.context_words == "all" else None  # <mask> is no answer
        if context:
            words = len(vectors) - (self.no_class is not None)
            self.context = nn.ModuleDict({"image": nn.Linear(width, region_classes), "text": nn.Linear(width, words)})

    def forward(self, modality: Modality, segments: Segments, hidden: Tensor | None = None) -> Output:
        """Read B items; ``hidden`` [B, L] marks segments to mask and to predict."""
        return self.read({modality: segments}, {} if hidden is None else {modality: hidden})[modality]

    def read(
        self, segments: Mapping[Modality, Segments], hidden: Mapping[Modality, Tensor] = MappingProxyType({})
    ) -> dict[Modality, Output]:
        """:meth:`forward` for several modalities, which pass a shared encoder in one call."""
        embedded = {name: self.segments[name](batch, hidden.get(name)) for name, batch in segments.items()}
        if self.reads_padding:
            embedded = {
                name: replace(segments, mask=torch.ones_like(segments.mask)) for name, segments in embedded.items()
            }
        outputs: dict[Modality, Output] = {}
        for owner, encoder in self.encoders.items():
            read = [name for name in embedded if owner in ("both", name)]
            if read:
                packing = Packing([embedded[name].mask for name in read])
                states = encoder([embedded[name] for name in read], packing)
                scores = packing.unpack(torch.sigmoid(widened(self.classifiers[owner](states))))
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
        context = targets = None
        if hidden is not None:
            asked = hidden & (segments.targets >= 0)
            context, targets = self.context[modality](states[asked[embedded.mask]]), segments.targets[asked]
            if modality == "text" and self.no_class is not None:
                targets = targets - (targets > self.no_class).long()
        return Output(
            embedding=embedding,
            scores=probabilities if self.plain_scores else embedding,
            probabilities=probabilities,
            common=embedded.mean(),
            context=context,
            targets=targets,
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
        scores = widened(self.classifier(embedding))
        return Output(embedding=embedding, scores=scores, probabilities=scores, common=embedding)

    def read(self, segments: Mapping[Modality, Segments], hidden: Mapping[Modality, Tensor]) -> dict[Modality, Output]:
        """:meth:`forward` for several modalities; nothing is ever ``hidden``."""
        return {name: self(name, batch) for name, batch in segments.items()}
