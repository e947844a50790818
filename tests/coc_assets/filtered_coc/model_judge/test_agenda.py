"""What is asked about labels, and what becomes of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from coc_assets.filtered_coc.model_judge.agenda import Prepared, Rubric, judged_labels, measure
from coc_assets.filtered_coc.model_judge.rubric import JUDGE_STAGES, PROMPTS
from coc_assets.raw_coc.records import Component, LabelRecord, LabelText, records_frame
from coc_assets.raw_coc.vlm.asking import ask_chunk
from coc_assets.raw_coc.vlm.prompts import load_prompts
from coc_assets.raw_coc.vlm.question import Question, forget
from coc_assets.raw_coc.vlm.view import KeyframeView
from resources.journal import Entry
from resources.models.aliases import model_of
from resources.models.failures import OverBudget, Refused
from resources.models.request import ChatRequest
from resources.settings.labels import VlmSettings
from resources.settings.models import ModelSettings, ModelsSettings
from tests.coc_assets.raw_coc.vlm.talks import view
from tests.coc_assets.raw_coc.vlm.test_labelling import Caller, Journal, Media
from tests.model_judgements import judgement

ALIASES = {"stub": ModelSettings(backend="server", model="stub-vlm", base_url="http://127.0.0.1:1/v1")}


def label(
    keyframe_id: str = "clip-0-0", labeler: str = "rules", trace: str = "Stop for the bus.", **more: Any
) -> LabelRecord:
    return LabelRecord(
        keyframe_id=keyframe_id,
        clip_id=keyframe_id.rsplit("-", 1)[0],
        t0_us=3_000_000,
        labeler=labeler,
        prompt_version="1",
        parameters="{}",
        components=(Component(rank=1, category="critical_object", phrase="bus ahead"),),
        text=LabelText(trace=trace),
        **more,
    )


def rubric(**changes: Any) -> Rubric:
    values: dict[str, Any] = {
        "asked_model": "stub-vlm",
        "model_shape": {"alias": "stub", "model": "stub-vlm", "temperature": 0.0},
        "vlm": VlmSettings(),
        "prompts": load_prompts(None, PROMPTS),
        "stages": JUDGE_STAGES,
    }
    return Rubric(**{**values, **changes})


def prepared(*labels: Any, views: dict[str, KeyframeView] | None = None, **changes: Any) -> Prepared:
    frame = records_frame(labels or (label(),)).with_columns(chunk=pl.lit("0000"))
    shown = views or {name: view(keyframe_id=name) for name in frame["keyframe_id"].unique(maintain_order=True)}
    return Prepared(frame, shown, rubric(**changes), model_of("stub", ModelsSettings(aliases=ALIASES)))


def usual(request: ChatRequest) -> str:
    return judgement(request.schema_name)  # type: ignore[arg-type]


def asked(
    chunk: Prepared, answer: Callable[[ChatRequest], str] = usual, entries: dict[str, Entry] | None = None
) -> tuple[dict[str, Entry], Caller]:
    known, caller = {} if entries is None else entries, Caller(answer)
    media: Any = Media()
    asyncio.run(
        ask_chunk(
            chunk,
            known,
            media,
            caller,
            Journal(),
            in_flight=3,
            backend="server",
            run=None,
            report=lambda *_: None,
        )
    )
    return known, caller


def keys(chunk: Prepared) -> dict[str, str]:
    questions = {topic.stage: topic.talk().advance({}) for topic in chunk.topics}
    return {stage: question.key for stage, question in questions.items() if isinstance(question, Question)}


def test_figures_of_all_stages_become_rows_with_version_and_explanation() -> None:
    chunk = prepared()
    rows = measure(chunk, asked(chunk)[0])
    assert rows.height == 12 and set(rows["chunk"]) == {"0000"}
    quality = rows.row(by_predicate=pl.col("name") == "causal_quality", named=True)
    assert quality["value"] == 4.0 and quality["detail"] == "Looks right to me (critic)."
    assert quality["version"] == f"stub-vlm/{chunk.rubric.prompts['critic'].version}"
    assert set(rows["instrument"]) == {f"judged_{stage}" for stage in JUDGE_STAGES}


def test_labels_that_say_the_same_of_a_keyframe_share_their_answers() -> None:
    same, other = label(labeler="a"), label(labeler="b")
    chunk = prepared(same, other, label(labeler="c", trace="Go on."))
    entries, caller = asked(chunk)
    assert len(caller.asked) == len(set(caller.asked)) == 8
    assert {entry.label_id for entry in entries.values()} <= {same.label_id, label(labeler="c").label_id}
    rows = measure(chunk, entries)
    assert rows.filter(pl.col("label_id") == other.label_id).height == 12


@pytest.mark.parametrize(
    ("changed", "stages"),
    [
        (lambda: prepared(label(labeler="another")), set()),
        (lambda: prepared(label(trace="Go on.")), set(JUDGE_STAGES)),
        (lambda: prepared(views={"clip-0-0": view(keyframe_id="clip-0-0", video="feed")}), set(JUDGE_STAGES)),
        (lambda: prepared(views={"clip-0-0": view(keyframe_id="clip-0-0", speeds=())}), {"critic"}),
        (lambda: prepared(model_shape={"model": "stub-vlm", "temperature": 1.0}), set(JUDGE_STAGES)),
        (lambda: prepared(vlm=VlmSettings(image_height=360)), set(JUDGE_STAGES)),
    ],
    ids=["labeler", "words", "video", "motion", "model", "picture"],
)
def test_a_question_is_named_by_what_it_holds(changed: Callable[[], Prepared], stages: set[str]) -> None:
    before, after = keys(prepared()), keys(changed())
    assert {stage for stage in JUDGE_STAGES if before[stage] != after[stage]} == stages


def test_an_answer_that_cannot_be_used_is_asked_for_once_more() -> None:
    answers = iter([judgement("critic", causal_quality=7), judgement("critic", causal_quality=2)])
    chunk = prepared(stages=("critic",))
    entries, caller = asked(chunk, lambda _: next(answers))
    assert len(caller.asked) == 2
    rows = measure(chunk, entries)
    assert dict(rows.select("name", "value").iter_rows()) == {"behavior_consistency": 4.0, "causal_quality": 2.0}


@pytest.mark.parametrize(
    ("failure", "detail"),
    [
        (Refused("policy"), "refused_by_provider: policy"),
        (OverBudget("no more"), "over_budget: no more"),
        ("I'm sorry, I can't help with that.", "refused: I'm sorry, I can't help with that."),
        ("no JSON", "invalid_answer: critic, asked twice: "),
    ],
)
def test_without_an_answer_there_is_a_reason(failure: Exception | str, detail: str) -> None:
    def answer(request: ChatRequest) -> str:
        if request.schema_name == "critic":
            if isinstance(failure, Exception):
                raise failure
            return failure
        return usual(request)

    chunk = prepared()
    rows = measure(chunk, asked(chunk, answer)[0])
    lacking = rows.filter(pl.col("value").is_null())
    assert set(lacking["instrument"]) == {"judged_critic"} and lacking.height == 2
    assert all(said.startswith(detail) for said in lacking["detail"])


def test_what_ended_badly_is_asked_again_and_nothing_else() -> None:
    chunk = prepared()
    entries, _ = asked(chunk, lambda request: "no JSON" if request.schema_name == "causal" else usual(request))
    assert forget(chunk, dict(entries), ("refused",)) == 0
    assert forget(chunk, entries, ("invalid",)) == 1
    _, caller = asked(chunk, entries=entries)
    assert len(caller.asked) == 1
    assert measure(chunk, entries)["value"].null_count() == 0


def test_where_nothing_can_be_shown_nothing_is_asked() -> None:
    blind = replace(view(keyframe_id="clip-0-0"), history=(), future=(), problem="no_video: none")
    late = replace(view(keyframe_id="clip-0-1"), future=())
    late = replace(late, history=tuple(frame for frame in late.history if frame.asked_s < 0))
    chunk = prepared(
        label("clip-0-0"), label("clip-0-1"), label("clip-9-9"), views={"clip-0-0": blind, "clip-0-1": late}
    )
    entries, caller = asked(chunk)
    assert len(caller.asked) == 3
    rows = measure(chunk, entries).filter(pl.col("value").is_null())
    by_label = dict(rows.group_by("label_id").agg(pl.col("detail").unique().sort()).iter_rows())
    assert by_label[label("clip-0-0").label_id] == ["no_video: none"]
    assert by_label[label("clip-0-1").label_id] == ["no_frames: none of the future is in the video"]
    assert [said.split(":")[0] for said in by_label[label("clip-9-9").label_id]] == ["no_keyframe"]


def test_a_journal_that_lacks_an_answer_makes_no_figures() -> None:
    with pytest.raises(ValueError, match="has no answer to evidence"):
        measure(prepared(), {})


def test_only_usable_labels_of_the_labelers_asked_for_are_judged() -> None:
    frame = records_frame([label(labeler="a"), label(labeler="b"), label(labeler="c", status="error", reason="x: y")])
    assert judged_labels(frame, None)["labeler"].to_list() == ["a", "b"]
    assert judged_labels(frame, ["b", "c"])["labeler"].to_list() == ["b"]


def test_frames_are_made_for_the_windows_that_are_shown_alone() -> None:
    assert prepared().scopes == ("history", "future", "all")
    assert prepared(stages=("behavior",)).scopes == ("future",)
