import pytest

from coc_assets.raw_coc.imported.events import instant_in, text_in


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", "nan", "None", "NULL", 3, ["Stop"], b"Stop"])
def test_what_stands_for_no_text_is_none(value: object) -> None:
    assert text_in(value) is None


@pytest.mark.parametrize(
    "text", [" Stop. ", "Yield <|im_end|> <image>", "Stop \x00 now\n", "停车 because 🚦", "none at all"]
)
def test_text_stays_as_it_is(text: str) -> None:
    assert text_in(text) == text


def test_lone_surrogates_become_what_a_table_can_hold() -> None:
    assert text_in("\ud83d\ude00 go") == "😀 go"
    assert text_in("\ud800 go") == "\ufffd go"


@pytest.mark.parametrize(
    ("value", "instant"),
    [(0, 0), (5_200_000, 5_200_000), (5.2e6, 5_200_000), (" 5200000 ", 5_200_000)],
)
def test_instants(value: object, instant: int) -> None:
    assert instant_in(value) == instant


@pytest.mark.parametrize(
    "value", [None, True, -1, 0.5, float("nan"), float("inf"), "", "abc", "-5", 10**12, "9" * 5000]
)
def test_what_is_no_instant(value: object) -> None:
    assert instant_in(value) is None
