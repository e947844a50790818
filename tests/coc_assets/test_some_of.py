from __future__ import annotations

import pytest

from coc_assets.some_of import some_of


@pytest.mark.parametrize("count, said", [(1, "0000"), (8, "0007"), (10, "0007 and 2 more")])
def test_few_chunks_are_named_and_many_are_counted(count: int, said: str) -> None:
    assert some_of([f"{chunk:04d}" for chunk in range(count)]).endswith(said)
