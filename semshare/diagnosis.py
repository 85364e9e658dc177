"""Why a claim comes out as it does: where that is asked, and what the consistency loss asks of each segment encoder."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import islice

import pandas as pd
import torch
from docutils.nodes import make_id
from IPython.display import HTML
from torch import Tensor

from semshare import methods, training
from semshare.model import MODALITIES
from semshare.runs import Run
from semshare.verdicts import Verdict

_BATCHES = 6

# Where it is asked why, by the number of the claim: pages and their headings.
_MEET = ("08_diagnosis", "Where the two losses meet")
_STRENGTH = ("08_diagnosis", "When consistency hurts, and when it helps")
_PAIRS = ("08_diagnosis", "Fewer training pairs")
_APART = ("08_diagnosis", "The shared network, taken apart")
_FIELDS = ("07_presets", "What each difference costs")
EVIDENCE = {1: (_MEET, _STRENGTH, _PAIRS), 2: (_STRENGTH, _MEET), 3: (_APART, _FIELDS), 4: (_APART, _FIELDS), 5: ()}


def asked_why(verdicts: Sequence[Verdict]) -> HTML:
    """Of each claim with a test that was not reproduced: how many were not, and the sections that ask why."""
    lines = []
    for claim, places in EVIDENCE.items():
        own = [one for one in verdicts if one.claim == claim]
        failed = sum(one.verdict == "not reproduced" for one in own)
        if failed:
            links = [f"<a href='{page}.html#{make_id(heading)}'>{html.escape(heading)}</a>" for page, heading in places]
            text = f"Claim {claim}: {failed} of {len(own)} tests not reproduced. "
            lines.append(f"<li>{text}{'; '.join(links) or 'No study of this book asks why.'}</li>")
    return HTML(f"<ul>{''.join(lines)}</ul>" if lines else "<p>No test came out as not reproduced.</p>")


def gradient_conflict(run: Run, eta: float) -> pd.DataFrame:
    """How the gradients of label prediction and of consistency meet in each segment encoder, epoch by epoch.

    Consistency compares what leaves the segment encoders ("Eq. 2"), so their weights are where the two losses meet.
    After each epoch both gradients are taken there over the same training batches, without dropout, and
    averaged. A run trained without consistency is asked what the loss *would* ask of it.

    Args:
        run: of *Traditional*, with every epoch's weights kept.
        eta: the weight that consistency is read at.

    Returns:
        A row for each epoch and modality: ``epoch``, ``modality``, the norms ``label`` and ``consistency`` (weighted by
        ``eta``), their ``ratio``, and ``cosine``: below 0 a step along one undoes the other.
    """
    method = methods.get(run.experiment.method)
    asked = run.experiment.change(eta=eta)
    generator = torch.Generator().manual_seed(run.experiment.seed)
    batches = list(islice(run.dataset.batches("train", run.experiment.batch, generator), _BATCHES))
    rows = []
    for epoch in range(1, len(run.history) + 1):
        network = run.network(training.epoch_checkpoint(run.folder, epoch))
        sums: dict[tuple[str, str], Tensor] = {}
        for batch in batches:
            hidden = method.hide(batch, asked, generator)
            terms = method.terms(method.read(network, batch, hidden), batch.labels, asked)
            consistency = torch.stack([term for name, term in terms.items() if name.startswith(("inter", "intra"))])
            for modality in MODALITIES:
                weights = [one for one in network.segments[modality].parameters() if one.requires_grad]
                for name, loss in (("label", terms[f"label_{modality}"]), ("consistency", consistency.sum())):
                    gradient = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
                    flat = torch.cat([one.flatten() for one in gradient if one is not None]).double()
                    sums[modality, name] = sums.get((modality, name), 0) + flat / len(batches)
        for modality in MODALITIES:
            label, consistency = sums[modality, "label"], sums[modality, "consistency"]
            norms = {"label": float(label.norm()), "consistency": float(consistency.norm())}
            cosine = float(torch.nn.functional.cosine_similarity(label, consistency, dim=0))
            ratio = norms["consistency"] / norms["label"]
            rows.append({"epoch": epoch, "modality": modality} | norms | {"ratio": ratio, "cosine": cosine})
    return pd.DataFrame(rows)
