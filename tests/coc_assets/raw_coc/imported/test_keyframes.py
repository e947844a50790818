import polars as pl
import pytest

from coc_assets.raw_coc.imported.keyframes import nearest_frame, with_keyframes_of
from resources import schemas
from resources.settings.keyframes import KeyframeSettings

FIRST_US = -62_941
CLIPS = schemas.rows_to_frame([{"clip_id": "clip-a", "first_us": FIRST_US, "frames": 201}], schemas.CLIPS)
KNOWN = schemas.rows_to_frame(
    [{"chunk": "0000", "keyframe_id": "clip-a-05137059", "clip_id": "clip-a", "frame": 52, "t0_us": 5_137_059}],
    schemas.KEYFRAMES,
)


def labels(*instants: tuple[str, int, str | None]) -> pl.DataFrame:
    rows: list[dict[str, object]] = [
        {
            "chunk": "0000",
            "label_id": str(number),
            "keyframe_id": f"{clip_id}-{t0_us:08d}",
            "clip_id": clip_id,
            "t0_us": t0_us,
            "origin": origin,
        }
        for number, (clip_id, t0_us, origin) in enumerate(instants)
    ]
    return schemas.rows_to_frame(rows, schemas.RAW_COC)


def added(*instants: tuple[str, int, str | None]) -> list[dict[str, object]]:
    both = with_keyframes_of(KNOWN, labels(*instants), CLIPS, KeyframeSettings())
    assert both[: KNOWN.height].equals(KNOWN) and both.schema == schemas.KEYFRAMES.schema
    return both[KNOWN.height :].to_dicts()


@pytest.mark.parametrize("origin", ["imported", "edited"])
def test_a_label_from_elsewhere_brings_its_keyframe(origin: str) -> None:
    (row,) = added(("clip-a", 6_160_000, origin))
    assert (row["chunk"], row["keyframe_id"], row["frame"], row["t0_us"]) == ("0000", "clip-a-06160000", 62, 6_160_000)
    assert (row["event_start_frame"], row["trainable"], row["action"]) == (62, True, None)


def test_a_label_at_a_known_keyframe_brings_none_and_two_at_one_instant_one() -> None:
    assert added(("clip-a", 5_137_059, "imported")) == []
    assert len(added(("clip-a", 6_160_000, "imported"), ("clip-a", 6_160_000, "edited"))) == 1


def test_a_label_made_here_whose_keyframe_is_gone_stays_without() -> None:
    assert added(("clip-a", 6_160_000, None)) == []


def test_neither_a_clip_that_is_gone_nor_an_instant_outside_has_a_keyframe() -> None:
    assert added(("clip-b", 6_160_000, "imported"), ("clip-a", 20_000_000, "imported")) == []


def test_trainable_is_what_it_is_for_every_keyframe() -> None:
    told = added(
        ("clip-a", 1_600_000, "imported"), ("clip-a", 1_600_001, "imported"), ("clip-a", 13_600_001, "imported")
    )
    assert [row["trainable"] for row in told] == [False, True, False]


@pytest.mark.parametrize(("after_us", "frame"), [(-50_001, -1), (-50_000, 0), (49_999, 0), (50_000, 1), (149_999, 1)])
def test_the_nearest_frame(after_us: int, frame: int) -> None:
    assert nearest_frame(FIRST_US + after_us, FIRST_US) == frame
    column = pl.DataFrame(
        {"t0": [FIRST_US + after_us], "first": [FIRST_US]}, schema={"t0": pl.Int64, "first": pl.Int64}
    )
    assert column.select(nearest_frame(pl.col("t0"), pl.col("first"))).item() == frame
