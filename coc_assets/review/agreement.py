"""How far people agree with each other about labels, and instruments with people.

Agreement by chance is taken out by Cohen's kappa. What people say of a label is their majority: more of them keep it
than reject or edit it, or fewer; labels on which they are even count for nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from coc_assets.filtered_coc import human_review
from coc_assets.filtered_coc.policy import Policy, decide, load_policy
from coc_assets.review.reading import read_chunk
from coc_assets.stage import Workspace
from resources import schemas
from resources.reviews import CHECKLIST, Review, in_force, read_reviews

_KEY = ["chunk", "label_id"]
_REVIEWERS = {
    "reviewer": pl.String,
    "labels": pl.Int64,
    "keep": pl.Int64,
    "reject": pl.Int64,
    "edit": pl.Int64,
    "median_s": pl.Float64,
}
_PAIRS = {
    "question": pl.String,
    "reviewer_a": pl.String,
    "reviewer_b": pl.String,
    "labels": pl.Int64,
    "agreement": pl.Float64,
    "kappa": pl.Float64,
}
_RULES = {
    "rule": pl.String,
    "verdict": pl.String,
    "labels": pl.Int64,
    "fired": pl.Int64,
    "not_kept": pl.Int64,
    "both": pl.Int64,
    "precision": pl.Float64,
    "recall": pl.Float64,
    "agreement": pl.Float64,
    "kappa": pl.Float64,
}
_FIGURES = {
    "figure": pl.String,
    "labels": pl.Int64,
    "kept": pl.Int64,
    "not_kept": pl.Int64,
    "mean_kept": pl.Float64,
    "mean_not_kept": pl.Float64,
    "auc": pl.Float64,
}
ANY_RULE = "(any rule: not keep)"
"""Stands for the policy's verdict as a whole, without the rules that follow people."""


def report(workspace: Workspace, chunks: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Every table of the report over some chunks: `reviewers`, `pairs`, `rules`, `figures`.

    Raises:
        PolicyError: there is no policy such as the settings name.
    """
    policy = load_policy(workspace.settings.filtering.policy)
    store = workspace.store
    lines = {chunk: in_force(read_reviews(store.reviews_path(chunk))) for chunk in chunks}
    people, labels, measurements = _nothing()
    for chunk in (chunk for chunk, reviews in lines.items() if reviews):
        tables = read_chunk(store, chunk)
        reviewed = tables.labels.join(_ids(lines[chunk]), on="label_id", how="semi")
        labels = pl.concat([labels, reviewed])
        measurements = pl.concat([measurements, tables.measurements.join(reviewed, on="label_id", how="semi")])
        people = pl.concat([people, majorities(reviewed, lines[chunk])])
    every = [review for reviews in lines.values() for review in reviews]
    return {
        "reviewers": by_reviewer(every),
        "pairs": between_reviewers(every),
        "rules": of_rules(people, labels, measurements, policy),
        "figures": of_figures(people, measurements),
    }


def by_reviewer(reviews: Sequence[Review]) -> pl.DataFrame:
    """Labels that each reviewer decided on, by decision, and the median time they took, s.

    Args:
        reviews: those in force.
    """
    rows = _frame(reviews)
    counts = [(pl.col("decision") == decision).sum().alias(decision) for decision in ("keep", "reject", "edit")]
    summed = rows.group_by("reviewer").agg(
        pl.len().alias("labels"), *counts, pl.col("seconds").median().alias("median_s")
    )
    return _typed(summed.sort("reviewer"), _REVIEWERS)


def between_reviewers(reviews: Sequence[Review]) -> pl.DataFrame:
    """For each two reviewers and each question, over the labels that both answered: raw agreement and Cohen's kappa.

    Questions are the decision (keep, reject or edit) and those of the checklist; pairs without a common answer have no
    row.

    Args:
        reviews: those in force.
    """
    rows = _frame(reviews)
    found = []
    for a, b in combinations(sorted(rows["reviewer"].unique()), 2):
        both = rows.filter(pl.col("reviewer") == a).join(
            rows.filter(pl.col("reviewer") == b), on="label_id", suffix="_b"
        )
        for question in ("decision", *CHECKLIST):
            answered = both.select(pl.col(question).alias("a"), pl.col(f"{question}_b").alias("b")).drop_nulls()
            if answered.height:
                agreement, kappa = cohens_kappa(answered["a"], answered["b"])
                found.append((question, a, b, answered.height, agreement, kappa))
    return pl.DataFrame(found, schema=_PAIRS, orient="row")


def majorities(labels: pl.DataFrame, reviews: Sequence[Review]) -> pl.DataFrame:
    """What people say of labels: chunk, label_id, kept (truth value); labels on which they are even are left out."""
    measured = human_review.measure(labels, reviews).filter(pl.col("name") == "majority", pl.col("value") != 0.5)
    said = measured.select("label_id", (pl.col("value") == 1).alias("kept"))
    return labels.select(_KEY).join(said, on="label_id", how="inner")


def of_rules(people: pl.DataFrame, labels: pl.DataFrame, measurements: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """How each rule of a policy that does not keep compares with people who do not keep.

    Args:
        people: as `majorities` gives it. labels, measurements: rows of `raw_coc` and `measurements` of these labels.

    Returns:
        One row a rule that has a figure for any of the labels, and a first one for the policy as a whole:
        labels: those with a figure that people decided on. fired: where the rule fired. not_kept: where people do not
        keep the label. both: where both is so. precision: both / fired. recall: both / not_kept.
    """
    instruments = policy.model_copy(
        update={"rules": tuple(rule for rule in policy.rules if rule.instrument != human_review.INSTRUMENT)}
    )
    decided = decide(measurements, labels, instruments, key=_KEY).join(people, on=_KEY, how="inner")
    rows = []
    if decided.height:
        rows.append(_compared(ANY_RULE, None, decided["verdict"] != "keep", ~decided["kept"]))
    for rule in instruments.rules:
        if rule.verdict == "keep":
            continue
        of_figure = (pl.col("instrument") == rule.instrument) & (pl.col("name") == rule.name)
        newest = measurements.filter(of_figure).unique(_KEY, keep="last").drop_nulls("value")
        seen = decided if rule.missing == "fire" else decided.join(newest, on=_KEY, how="semi")
        if rule.labelers:
            seen = seen.filter(pl.col("labeler").is_in(rule.labelers))
        if seen.height:
            fired = seen["reasons"].list.contains(rule.rule)
            rows.append(_compared(rule.rule, rule.verdict, fired, ~seen["kept"]))
    return pl.DataFrame(rows, schema=_RULES, orient="row")


def of_figures(people: pl.DataFrame, measurements: pl.DataFrame) -> pl.DataFrame:
    """How well each figure alone tells labels that people keep from those they do not.

    Returns:
        One row a figure that varies over labels of both kinds: auc is the probability that a label that people keep has
        the larger figure than one that they do not (0.5 says nothing, below 0.5 large figures speak against a label).
    """
    newest = measurements.unique([*_KEY, "instrument", "name"], keep="last", maintain_order=True)
    values = (
        newest.filter(pl.col("instrument") != human_review.INSTRUMENT)
        .drop_nulls("value")
        .join(people, on=_KEY, how="inner")
        .with_columns(figure=pl.format("{}.{}", "instrument", "name"))
    )
    figures = values.group_by("figure").agg(
        pl.len().alias("labels"),
        pl.col("kept").sum().alias("kept"),
        (~pl.col("kept")).sum().alias("not_kept"),
        pl.col("value").filter("kept").mean().alias("mean_kept"),
        pl.col("value").filter(~pl.col("kept")).mean().alias("mean_not_kept"),
        pl.col("value").n_unique().alias("distinct"),
        pl.col("value").rank("average").filter("kept").sum().alias("ranks"),
    )
    tells = figures.filter((pl.col("kept") > 0) & (pl.col("not_kept") > 0) & (pl.col("distinct") > 1))
    # Mann-Whitney's U over the number of pairs
    least = pl.col("kept") * (pl.col("kept") + 1) / 2
    auc = ((pl.col("ranks") - least) / (pl.col("kept") * pl.col("not_kept"))).alias("auc")
    return _typed(
        tells.with_columns(auc).sort((pl.col("auc") - 0.5).abs(), "figure", descending=[True, False]), _FIGURES
    )


def cohens_kappa(a: pl.Series, b: pl.Series) -> tuple[float, float | None]:
    """Raw agreement and Cohen's kappa of two answers each of the same N > 0 labels.

    Returns:
        Shares in [0, 1] and [−1, 1]; kappa is None where chance alone makes them agree (both always say the same).
    """
    agreement = int((a == b).sum()) / a.len()
    shares_a, shares_b = (dict(answers.value_counts(normalize=True).iter_rows()) for answers in (a, b))
    by_chance = sum(share * shares_b.get(answer, 0.0) for answer, share in shares_a.items())
    return agreement, None if by_chance >= 1.0 else (agreement - by_chance) / (1.0 - by_chance)


def _compared(name: str, verdict: str | None, fired: pl.Series, against: pl.Series) -> tuple[object, ...]:
    both = int((fired & against).sum())
    agreement, kappa = cohens_kappa(fired, against)
    precision = both / count if (count := int(fired.sum())) else None
    recall = both / count if (count := int(against.sum())) else None
    return name, verdict, fired.len(), int(fired.sum()), int(against.sum()), both, precision, recall, agreement, kappa


def _frame(reviews: Sequence[Review]) -> pl.DataFrame:
    columns = ("label_id", "reviewer", "decision", "seconds", *CHECKLIST)
    return pl.DataFrame(
        [{name: getattr(review, name) for name in columns} for review in reviews],
        schema={name: schemas.REVIEWS.schema[name] for name in columns},
    )


def _ids(reviews: Sequence[Review]) -> pl.DataFrame:
    """Labels that were looked at; what an edit became was not, though its editor stands behind it."""
    return pl.DataFrame({"label_id": sorted({review.label_id for review in reviews})}, schema={"label_id": pl.String})


def _nothing() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    people = pl.DataFrame(schema={"chunk": pl.String, "label_id": pl.String, "kept": pl.Boolean})
    return people, schemas.empty(schemas.RAW_COC), schemas.empty(schemas.MEASUREMENTS)


def _typed(rows: pl.DataFrame, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
