from __future__ import annotations

import pytest

from coc_assets.filtered_coc.policy import load_policy
from coc_assets.review.blind import policy_of, without_people
from resources.settings import load_settings

POLICY = load_policy("default")


@pytest.mark.parametrize(
    ("verdict", "reasons", "alone"),
    [
        (
            "keep",
            ["people_keep", "longitudinal_disagrees", "no_decision"],
            ("reject", ["longitudinal_disagrees", "no_decision"]),
        ),
        ("reject", ["people_reject", "no_decision"], ("review", ["no_decision"])),
        ("review", ["people_disagree"], ("keep", [])),
        ("review", ["no_decision"], ("review", ["no_decision"])),
        ("keep", [], ("keep", [])),
    ],
)
def test_instruments_alone_say_what_they_would_had_nobody_looked(
    verdict: str, reasons: list[str], alone: tuple[str, list[str]]
) -> None:
    assert without_people(verdict, reasons, POLICY) == alone  # type: ignore[arg-type]


def test_an_unknown_policy_leaves_verdicts_as_they_are() -> None:
    assert without_people("keep", ["people_keep"], None) == ("keep", ["people_keep"])


def test_the_policy_behind_a_verdict_is_found_by_its_version() -> None:
    settings = load_settings()
    strict = load_policy("strict")
    assert policy_of(strict.version, settings) == strict
    assert policy_of("mine@000000000000", settings) is None
