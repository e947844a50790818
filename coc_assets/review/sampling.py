"""Which labels people look at: a stratified sample, the same for everyone who asks with the same seed.

Strata are keyframe action × decision × verdict, so that rare manoeuvres and doubtful labels are looked at however many
plain ones there are; a random audit share over everything says how good the set is as a whole.
"""

from __future__ import annotations

import hashlib

import polars as pl

from coc_assets.review.blind import policy_of, rules_of_people, without_people
from resources.settings import HUMAN, Settings
from resources.sql import query
from resources.store import Store

AUDIT = "audit"
"""Stratum of labels that were drawn at random over everything."""
_CELL = "cell"
_JUDGED = """
SELECT f.chunk, f.label_id, f.labeler, f.verdict, f.reasons, f.policy_version, k.action, r.longitudinal_decision,
       r.lateral_decision
FROM filtered_coc f JOIN raw_coc r USING (chunk, label_id) LEFT JOIN keyframes k ON k.chunk = f.chunk
     AND k.keyframe_id = f.keyframe_id
ORDER BY f.chunk, f.label_id
"""


def judged_labels(store: Store, settings: Settings) -> pl.DataFrame:
    """Every judged label of the store with what it is drawn by.

    Returns:
        chunk, label_id, labeler, verdict (of the instruments alone, so that the sample stays when people decide), cell
        (its stratum); by chunk and label.
    """
    rows = query(store, _JUDGED)
    policies = {version: policy_of(version, settings) for version in rows["policy_version"].unique()}
    of_people = {version: rules_of_people(policy) for version, policy in policies.items()}
    verdicts = [
        without_people(verdict, reasons, policies[version], of_people[version])[0]
        for verdict, reasons, version in rows.select("verdict", "reasons", "policy_version").iter_rows()
    ]
    decision = pl.format(
        "{} + {}", *(pl.col(name).fill_null("none") for name in ("longitudinal_decision", "lateral_decision"))
    )
    judged = rows.with_columns(pl.Series("verdict", verdicts, pl.String))
    cell = pl.format("{} | {} | {}", pl.col("action").fill_null("no keyframe"), decision, "verdict")
    return judged.select("chunk", "label_id", "labeler", "verdict", cell.alias(_CELL))


def chosen(judged: pl.DataFrame, labeler: str | None, verdicts: tuple[str, ...] | None) -> pl.DataFrame:
    """Those of a labeler and with certain verdicts; where no labeler is named, all but what people edited."""
    of_labeler = pl.col("labeler") == labeler if labeler else pl.col("labeler") != HUMAN
    return judged.filter(of_labeler & (pl.col("verdict").is_in(verdicts) if verdicts else pl.lit(True)))


def draw(judged: pl.DataFrame, count: int, audit_share: float, seed: int) -> pl.DataFrame:
    """A sample in the order in which it is looked at; what is seen of it is balanced wherever a reviewer stops.

    Each stratum gives one label a round, the smallest stratum first, so small ones are covered in full before large
    ones fill what is left. Which label of a stratum comes first is decided by a hash of its id.

    Args:
        judged: as `judged_labels` gives it.
        count: labels to draw; all where there are fewer.
        audit_share: part of them that is drawn at random over everything, spread evenly over the sample.

    Returns:
        chunk, label_id, stratum.
    """
    audits = (
        judged.with_columns(lot=_lots(judged, f"{seed}:{AUDIT}")).sort("lot").head(round(count * audit_share))
    ).with_columns(stratum=pl.lit(AUDIT), place=(pl.int_range(pl.len()) + 0.5) / pl.len())
    others = judged.join(audits, on=["chunk", "label_id"], how="anti")
    rounds = others.with_columns(lot=_lots(others, str(seed))).sort("lot")
    rounds = rounds.with_columns(turn=pl.int_range(pl.len()).over(_CELL), size=pl.len().over(_CELL))
    strata = (
        rounds.sort("turn", "size", _CELL)
        .head(count - audits.height)
        .with_columns(stratum=pl.col(_CELL), place=(pl.int_range(pl.len()) + 0.5) / pl.len())
    )
    both = pl.concat([part.select("chunk", "label_id", "stratum", "place") for part in (strata, audits)])
    return both.sort("place", maintain_order=True).drop("place")


def _lots(labels: pl.DataFrame, salt: str) -> pl.Series:
    """A label's place in a draw: decided by its id and the salt alone, whatever other labels there are."""
    lots = [hashlib.sha256(f"{salt}:{label_id}".encode()).hexdigest() for label_id in labels["label_id"]]
    return pl.Series("lot", lots, pl.String)
