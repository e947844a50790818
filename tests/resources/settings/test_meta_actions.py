from __future__ import annotations

import pytest
from pydantic import ValidationError

from resources.settings.meta_actions import MetaActionSettings


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"smoothing_ticks": 4}, "odd number of ticks, not 4"),
        ({"cut_hysteresis": 1.0}, "less than 1"),
        ({"stop_speed": -0.1}, "greater than or equal to 0"),
        ({"stop_sped": 0.1}, "Extra inputs"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        MetaActionSettings(**change)
