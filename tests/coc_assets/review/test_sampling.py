from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from coc_assets.review.sampling import AUDIT, chosen, draw, judged_labels
from resources.settings import load_settings
from resources.sql import query
from resources.store import Store
from tests.coc_assets.review.made import judged

UNEVEN = judged(plain=500, doubtful=40, rare=3, single=1)


def strata(drawn: pl.DataFrame) -> Counter[str]:
    return Counter(drawn["stratum"].to_list())


def test_small_strata_are_covered_in_full_and_large_ones_share_the_rest() -> None:
    assert strata(draw(UNEVEN, 24, 0.0, 0)) == {"plain": 10, "doubtful": 10, "rare": 3, "single": 1}


def test_too_few_draws_for_all_strata_go_to_the_smallest() -> None:
    assert strata(draw(UNEVEN, 2, 0.0, 0)) == {"single": 1, "rare": 1}


def test_the_audit_share_is_drawn_over_everything_and_spread_over_the_sample() -> None:
    drawn = draw(UNEVEN, 100, 0.2, 0)
    audits = drawn.with_row_index("place").filter(pl.col("stratum") == AUDIT)
    assert audits.height == 20
    assert drawn["label_id"].n_unique() == 100
    assert sum("plain" in name for name in audits["label_id"]) >= 15, "as the set is, not as the strata are"
    assert audits["place"].diff().drop_nulls().max() <= 6


def test_a_seed_names_a_sample_whatever_the_order_of_the_rows() -> None:
    first = draw(UNEVEN, 30, 0.1, 7)
    assert first.equals(draw(UNEVEN.reverse(), 30, 0.1, 7))
    assert set(first["label_id"]) != set(draw(UNEVEN, 30, 0.1, 8)["label_id"])


def test_labels_that_are_added_leave_the_others_where_they_were() -> None:
    grown = pl.concat([UNEVEN, judged(elsewhere=20)])
    before, after = (set(draw(rows, 30, 0.0, 0)["label_id"]) for rows in (UNEVEN, grown))
    assert not {name for name in after - before if "elsewhere" not in name}


def test_a_sample_of_everything_holds_each_label_once() -> None:
    assert sorted(draw(UNEVEN, 10_000, 0.1, 0)["label_id"]) == sorted(UNEVEN["label_id"])


def test_people_s_edits_are_drawn_only_when_asked_for() -> None:
    rows = pl.concat([judged(a=2), judged(b=1).with_columns(labeler=pl.lit("human"))])
    assert chosen(rows, None, None)["labeler"].to_list() == ["rules", "rules"]
    assert chosen(rows, "human", None).height == 1
    assert chosen(rows, None, ("reject",)).height == 0


def test_every_judged_label_of_a_store_has_a_stratum_of_action_decision_and_verdict(sample_store: Path) -> None:
    store = Store(sample_store)
    rows = judged_labels(store, load_settings(store=sample_store))
    assert rows.height == query(store, "SELECT count(*) FROM filtered_coc").item() > 0
    action, decision, verdict = rows["cell"][0].split(" | ")
    told = query(
        store,
        "SELECT k.action, r.longitudinal_decision, r.lateral_decision "
        f"FROM raw_coc r JOIN keyframes k USING (keyframe_id) WHERE label_id = '{rows['label_id'][0]}'",
    ).row(0)
    assert (action, *decision.split(" + ")) == tuple(value or "none" for value in told)
    assert verdict == rows["verdict"][0]
