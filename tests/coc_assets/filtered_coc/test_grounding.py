from __future__ import annotations

import polars as pl
import pytest

from coc_assets.filtered_coc.grounding import measure
from resources import schemas
from resources.settings.filtering import GroundingThresholds
from tests.coc_assets.filtered_coc.made import KEYFRAME, boxes, component, figures, label, labels

T0 = KEYFRAME * 100_000
LEAD = boxes("7", first_us=0, last_us=T0 + 3_000_000, x_m=20.0)
THRESHOLDS = GroundingThresholds()


def measured(*components: dict[str, object], tracks: pl.DataFrame = LEAD) -> dict[str, float | None]:
    return figures(measure(labels(label(components=list(components))), tracks, THRESHOLDS))


@pytest.mark.parametrize(
    ("track_id", "tracks", "unknown", "far"),
    [
        pytest.param("7", LEAD, 0, 0, id="seen"),
        pytest.param("8", LEAD, 1, 0, id="no such track"),
        pytest.param("7", boxes("7", first_us=T0 + 100_000, last_us=T0 + 900_000, x_m=9), 1, 0, id="seen only later"),
        pytest.param("7", boxes("7", first_us=T0, last_us=T0, x_m=9), 0, 0, id="seen at the keyframe"),
        pytest.param("7", boxes("7", first_us=0, last_us=T0 - 2_100_000, x_m=9), 1, 0, id="seen only too early"),
        pytest.param("7", boxes("7", first_us=0, last_us=T0 - 2_000_000, x_m=9), 0, 0, id="seen as the window begins"),
        pytest.param("7", boxes("7", first_us=0, last_us=T0, x_m=-100), 0, 0, id="just in range, behind"),
        pytest.param("7", boxes("7", first_us=0, last_us=T0, x_m=100.1), 0, 1, id="out of range"),
        pytest.param("7", boxes("7", first_us=0, last_us=T0, x_m=9, clip_id="d"), None, None, id="clip without tracks"),
    ],
)
def test_cited_tracks(track_id: str, tracks: pl.DataFrame, unknown: float | None, far: float | None) -> None:
    found = measured(component(track_id=track_id), tracks=tracks)
    assert found["cited_tracks"] == 1
    assert (found["unknown_tracks"], found["tracks_out_of_range"]) == (unknown, far)


PERSON_FAR = boxes("p", label_class="person", first_us=0, last_us=T0, x_m=120.0)


@pytest.mark.parametrize(
    ("cited", "tracks", "ungrounded"),
    [
        pytest.param(component(phrase="the lead vehicle"), LEAD, 0, id="a vehicle is there"),
        pytest.param(component(phrase="Pedestrians on the crosswalk"), LEAD, 1, id="no person is there"),
        pytest.param(component(phrase="pedestrian"), pl.concat([LEAD, PERSON_FAR]), 1, id="the person is too far"),
        pytest.param(component(phrase="a motorcycle"), LEAD, 1, id="no rider is there"),
        pytest.param(component(phrase="something"), LEAD, 0, id="of no known kind"),
        pytest.param(
            component(phrase="actor", attributes=[{"key": "type", "value": "person"}]), LEAD, 1, id="kind in attributes"
        ),
        pytest.param(component(phrase="pedestrian", category="road_event"), LEAD, 0, id="no critical object"),
        pytest.param(component(phrase="pedestrian", track_id="7"), LEAD, 0, id="cited by its track"),
        pytest.param(
            component(phrase="pedestrian"), boxes("7", first_us=T0 + 1, last_us=T0 + 200_000, x_m=9), None, id="blind"
        ),
        pytest.param(component(phrase="pedestrian"), schemas.empty(schemas.TRACKS), None, id="no tracks at all"),
    ],
)
def test_ungrounded_objects(cited: dict[str, object], tracks: pl.DataFrame, ungrounded: float | None) -> None:
    assert measured(cited, tracks=tracks)["ungrounded_objects"] == ungrounded


@pytest.mark.parametrize(
    ("seen_from_us", "seen_to_us", "outside"),
    [
        (T0 - 1_000_000, T0, 0),
        (T0 - 3_000_000, T0 - 2_000_000, 0),
        (T0 - 3_000_000, T0 - 2_100_000, 1),
        (T0 + 1, T0 + 500_000, 1),
        (None, None, 0),
    ],
)
def test_causes_outside_history(seen_from_us: int | None, seen_to_us: int | None, outside: float) -> None:
    cited = component(category="traffic_light", seen_from_us=seen_from_us, seen_to_us=seen_to_us)
    assert measured(cited)["causes_outside_history"] == outside


def test_counts_and_details() -> None:
    cited = [
        component(track_id="7"),
        component(rank=2, phrase="a truck", track_id="9"),
        component(rank=3, track_id="8"),
    ]
    made = measure(labels(label(components=cited)), LEAD, THRESHOLDS)
    assert made.schema == schemas.MEASUREMENTS.schema
    unknown = made.row(by_predicate=pl.col("name") == "unknown_tracks", named=True)
    assert (unknown["value"], unknown["detail"]) == (2, "a truck [9]; the lead vehicle [8]")
    assert figures(made)["uncited_objects"] == 0


@pytest.mark.parametrize("components", [[], None])
def test_a_label_that_cites_nothing_has_nothing_wrong(components: list[object] | None) -> None:
    found = figures(measure(labels(label(components=components)), LEAD, THRESHOLDS))
    assert set(found.values()) == {0.0}


def test_labels_of_one_clip_are_judged_by_their_own_history() -> None:
    """The same track, cited before and after it appears."""
    cited = [component(track_id="7")]
    rows = labels(label(frame=20, components=cited), label(frame=60, components=cited))
    made = measure(rows, boxes("7", first_us=4_500_000, last_us=8_000_000, x_m=9), THRESHOLDS)
    assert [figures(made, label_id)["unknown_tracks"] for label_id in rows["label_id"]] == [1, 0]


@pytest.mark.parametrize(
    ("text", "ungrounded"),
    [
        ("Slow down because a jogger runs across", 1),
        ("Yield to the pedestrian crossing ahead", 1),
        ("Slow down for the pedestrians crossing ahead of us", 1),
        ("The ped has cleared, the ego speeds up", 1),
        ("Stop: two school children step off the kerb", 1),
        ("Someone is walking across the road so the ego stops", 1),
        ("Slow for the construction worker with a flag", 1),
        ("Swerve left around the dog on the road", 1),
        ("Keep distance to the motorcycle ahead", 1),
        ("A kid on an e-scooter darts out in front of a wheelchair user", 3),
        ("Brakes for a juggler who walks between the cars", 1),
        ("Brakes for the driver who cuts in", 0),
        ("Follow the SUV behind the box truck", 0),
        ("Slow down because there is no pedestrian but the lead brakes", 0),
        ("Keep the speed, the road is clear of pedestrians and cyclists", 0),
        ("Slow down for the pedestrian crossing ahead", 0),
        ("Stay out of the bike lane and turn at the pedestrian signal", 0),
        ("Slow down near the crosswalk in case a pedestrian appears", 0),
        ("Slow for the deer crossing sign", 0),
        ("Nobody is on the crosswalk so proceed past the bus stop in the school zone", 0),
        ("Watch for children and slow down", 0),
        ("An elderly couple shuffles over the crossing so we wait", 1),
        ("Two walkers step off the kerb, stop", 1),
        ("The schoolkids' game spills onto the road, ease off", 1),
        ("Somebody hurries across, brake", 1),
        ("A pushbike wobbles ahead, hang back", 1),
        ("Granddad crosses with a buggy, come to rest", 2),
        ("The old bloke is crossing, hold", 1),
        ("Ducks waddling across, stop", 1),
        ("A squirrel is in the way, slow a little", 1),
        ("Nobody is about, just one hiker crossing, so slow", 1),
        ("Nobody in sight, speed up", 0),
        ("Empty of walkers, so carry on", 0),
        ("Pedestrians: none. Accelerate", 0),
        ("The street is pedestrian-free, keep going", 0),
        ("The guy in front brakes, so slow", 0),
        ("Someone cuts in, back off", 0),
        ("The bloke in the van ahead indicates, slow", 0),
        ("The truck who brakes ahead makes us slow", 0),
        ("Wait a couple of seconds at the line", 0),
        ("Ducks into the gap on the left", 0),
        ("Bear left at the dog-leg", 0),
        ("Head left, then lifts off and brakes lightly", 0),
        ("Cross the cattle grid at walking pace", 0),
        ("The tourist coach and the family car brake ahead", 0),
        ("The men at work sign is passed slowly", 0),
        ("Nurses the brakes and snakes through the chicane", 0),
    ],
)
def test_mentions_without_a_track_of_their_kind(text: str, ungrounded: float) -> None:
    """Whether or not a component cites them."""
    found = figures(measure(labels(label(trace=text, justification=None)), LEAD, THRESHOLDS))
    assert (found["ungrounded_mentions"], found["ungrounded_objects"]) == (ungrounded, 0)


@pytest.mark.parametrize(
    ("text", "ungrounded"),
    [
        ("To take the bend the car slows down", 0),
        ("The vehicle swings right into the yard", 0),
        ("Slow down as the car ahead brakes", 1),
        ("Slow down behind a van", 1),
        ("Stop at the bus bay beside the tram rails", 0),
    ],
)
def test_the_car_may_be_the_ego(text: str, ungrounded: float) -> None:
    """It is taken for another only where it is said to be elsewhere."""
    dog = boxes("d", label_class="animal", first_us=0, last_us=T0, x_m=20.0)
    rows = labels(label(trace=text, justification=None))
    assert figures(measure(rows, dog, THRESHOLDS))["ungrounded_mentions"] == ungrounded


def test_mentions_abstain_where_nothing_is_known() -> None:
    rows = labels(label(trace="Yield to the pedestrian on the road"))
    later = boxes("7", first_us=T0 + 1, last_us=T0 + 200_000, x_m=9)
    for tracks in (later, schemas.empty(schemas.TRACKS)):
        assert figures(measure(rows, tracks, THRESHOLDS))["ungrounded_mentions"] is None


def test_mentions_are_borne_out_by_a_track_in_range() -> None:
    person = boxes("p", label_class="person", first_us=T0 - 500_000, last_us=T0, x_m=30.0)
    rows = labels(label(trace="Yield to the pedestrian on the road"))
    assert figures(measure(rows, person, THRESHOLDS))["ungrounded_mentions"] == 0
    assert figures(measure(rows, PERSON_FAR, THRESHOLDS))["ungrounded_mentions"] == 1


def test_mentions_in_the_justification_count() -> None:
    made = measure(labels(label(justification="A cyclist is in the lane.")), LEAD, THRESHOLDS)
    row = made.row(by_predicate=pl.col("name") == "ungrounded_mentions", named=True)
    assert (row["value"], row["detail"]) == (1, "cyclist")
