from __future__ import annotations

import pytest
from pydantic import ValidationError

from resources.schemas import LATERAL_ACTIONS, LONGITUDINAL_ACTIONS
from resources.settings.keyframes import RAREST_FIRST, UNEVENTFUL, KeyframeSettings


def test_every_action_found_without_a_map_is_ranked_or_uneventful():
    known = set(LONGITUDINAL_ACTIONS + LATERAL_ACTIONS)
    assert known == set(RAREST_FIRST) | (set(UNEVENTFUL) & known)
    assert not set(RAREST_FIRST) & set(UNEVENTFUL)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rarest_first": ("stop", "halt")}, r"unknown meta-actions \['halt'\]"),
        ({"keep_fraction": {"halt": 0.5}}, r"unknown meta-actions \['halt'\]"),
        ({"keep_fraction": {"stop": 1.5}}, "less than or equal to 1"),
        ({"mode": "random"}, "'decision' or 'span_start'"),
    ],
)
def test_unknown_actions_and_fractions_are_refused(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        KeyframeSettings(**change)
