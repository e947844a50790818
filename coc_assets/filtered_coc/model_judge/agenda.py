"""What a judge is asked about a chunk's labels, and what it said, from the journal alone.

Each usable label is a topic at each stage. Questions are named by what they hold, never by a row: labels that say the
same of one keyframe are asked about once, and one whose words change is asked about anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from coc_assets.filtered_coc.model_judge.rubric import PROMPTS, STEPS, JudgeAnswer, label_told
from coc_assets.raw_coc.vlm.answers import Returned, read_answer
from coc_assets.raw_coc.vlm.prompts import Prompt, load_prompts
from coc_assets.raw_coc.vlm.question import Asking, Inquiry, NoAnswer, Question, Talk, Turn, picture_of
from coc_assets.raw_coc.vlm.view import KeyframeView, Scope, frames_of
from coc_assets.raw_coc.vlm.views import chunk_views
from coc_assets.stage import Workspace
from resources import schemas
from resources.journal import Entry
from resources.models.aliases import Model, canonical_id, model_of, shaping
from resources.settings import Settings, SettingsError
from resources.settings.filtering import JudgeStage
from resources.settings.labels import VlmSettings

_NO_KEYFRAME = "no_keyframe: the label is of an instant that is no keyframe of the store, so it has no frames"


@dataclass(frozen=True)
class Rubric:
    """What is the same for every label that one model judges.

    Attributes:
        asked_model: the id that stands for the model wherever it is served.
        model_shape: what of the model's settings shapes an answer.
        media: how frames are sent.
    """

    asked_model: str
    model_shape: Mapping[str, Any]
    vlm: VlmSettings
    prompts: Mapping[str, Prompt]
    stages: tuple[JudgeStage, ...]
    media: Literal["images", "video"] = "images"
    max_tokens: int = 4096
    history_s: float = 2.0
    future_s: float = 6.0

    @cached_property
    def picture(self) -> dict[str, Any]:
        """How frames are encoded."""
        return picture_of(self.vlm, self.media)

    @cached_property
    def shape(self) -> dict[str, Any]:
        """All that shapes what is asked, for the stage's fingerprint."""
        model = {name: value for name, value in self.model_shape.items() if name != "alias"}
        prompts = {stage: self.prompts[stage].version for stage in self.stages}
        return {"model": model, "picture": self.picture, "prompts": prompts}

    def version(self, stage: JudgeStage) -> str:
        """`measurements.version` of a stage's figures."""
        return f"{self.asked_model}/{self.prompts[stage].version}"

    def system(self, stage: JudgeStage) -> str:
        return self._systems[stage]

    @cached_property
    def _systems(self) -> dict[str, str]:
        window = {"history_s": f"{self.history_s:g}", "future_s": f"{self.future_s:g}"}
        return {stage: prompt.rendered(**window) for stage, prompt in self.prompts.items()}


@dataclass(frozen=True)
class Judgement:
    """What a judge said of a label at one stage.

    Attributes:
        status: `ok` where it gave figures.
        figures: by name; empty without an answer.
        detail: its explanation, or why there is none.
        ended_by: the questions to ask again if the status is to be tried once more.
        used: the answers that were read.
    """

    status: schemas.LabelStatus
    figures: Mapping[str, float]
    detail: str | None
    ended_by: tuple[str, ...] = ()
    used: tuple[Entry, ...] = ()


@dataclass(frozen=True, eq=False)
class Unjudged:
    """A label to be judged at one stage.

    Attributes:
        told: the label in words.
    """

    view: KeyframeView
    stage: JudgeStage
    told: str
    label_id: str
    rubric: Rubric

    def talk(self) -> Talk[Judgement]:
        return Talk(self._asking())

    def _asking(self) -> Asking[Judgement]:
        inquiry = Inquiry(self.view, self.rubric, self.label_id)
        problem = self._problem()
        if problem:
            return Judgement("error", {}, problem)
        try:
            answer = yield from self._answer(inquiry)
        except NoAnswer as ended:
            return Judgement(ended.status, {}, ended.reason, ended.keys, tuple(inquiry.used))
        figures = {name: float(getattr(answer, name)) for name in answer.figures()}
        return Judgement("ok", figures, answer.explanation or None, used=tuple(inquiry.used))

    def _problem(self) -> str | None:
        """Why there is nothing to be shown."""
        if self.view.problem:
            return self.view.problem
        shown = STEPS[self.stage].shown
        return None if frames_of(self.view, shown) else f"no_frames: none of the {shown} is in the video"

    def _answer(self, inquiry: Inquiry) -> Asking[JudgeAnswer]:
        step = STEPS[self.stage]
        told = "\n\n".join(filter(None, (self.told, step.told(self.view))))
        turns = (Turn("system", self.rubric.system(self.stage)), Turn("user", told, step.shown))

        def read(returned: Returned) -> JudgeAnswer:
            return read_answer(returned, step.answer)

        return inquiry.answer(self.stage, self.rubric.prompts[self.stage].version, turns, step.schema, read)


@dataclass(frozen=True)
class Prepared:
    """A chunk's labels as their judge sees them.

    Attributes:
        labels: rows of `raw_coc` that are judged.
        views: by keyframe.
    """

    labels: pl.DataFrame
    views: Mapping[str, KeyframeView]
    rubric: Rubric
    model: Model
    unit: str = "judgements"

    @cached_property
    def topics(self) -> Sequence[Unjudged]:
        """What is asked, by keyframe: each question once, whatever number of labels it answers for."""
        by_keyframe = {keyframe_id: place for place, keyframe_id in enumerate(self.views)}
        once = dict.fromkeys(self._topics.values())
        return sorted(once, key=lambda topic: by_keyframe[topic.view.keyframe_id])

    @property
    def asked_model(self) -> str:
        return self.rubric.asked_model

    @property
    def media(self) -> Literal["images", "video"]:
        return self.rubric.media

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return tuple(dict.fromkeys(STEPS[stage].shown for stage in self.rubric.stages))

    def judgements(self, entries: Mapping[str, Entry]) -> dict[Unjudged, Judgement]:
        """What became of each topic.

        Raises:
            ValueError: the journal lacks an answer.
        """
        return {topic: _judgement(topic, entries) for topic in self.topics}

    def topic(self, label_id: str, stage: JudgeStage) -> Unjudged | None:
        """What is asked about a label; None where its keyframe is gone."""
        return self._topics.get((label_id, stage))

    @cached_property
    def _topics(self) -> dict[tuple[str, JudgeStage], Unjudged]:
        first: dict[tuple[str, JudgeStage, str], Unjudged] = {}
        topics: dict[tuple[str, JudgeStage], Unjudged] = {}
        for label in self.labels.iter_rows(named=True):
            view = self.views.get(label["keyframe_id"])
            if view is None:
                continue
            label_id, told = label["label_id"], label_told(label)
            for stage in self.rubric.stages:
                topic = Unjudged(view, stage, told, label_id, self.rubric)
                topics[label_id, stage] = first.setdefault((view.keyframe_id, stage, told), topic)
        return topics


def rubric_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> Rubric:
    """What the judge in force goes by; needs no credentials.

    Raises:
        SettingsError: it answers in free text, or a prompt is not usable.
    """
    model, judge = judge_of(settings), settings.filtering.judge
    own = model.settings
    if own.answer == "text":
        raise SettingsError(
            f"{model.alias} answers in free text, so it gives no scores. Name another model with --judge or "
            "filtering.judge.model (coc models)."
        )
    return Rubric(
        asked_model=canonical_id(model, environ),
        model_shape=shaping(model, environ),
        vlm=settings.labels.vlm,
        prompts=load_prompts(judge.prompts, PROMPTS),
        stages=judge.stages,
        media=own.media or "images",
        max_tokens=own.max_tokens or 4096,
        history_s=settings.videos.history_s,
        future_s=settings.videos.future_s,
    )


def judge_of(settings: Settings) -> Model:
    """The model that judges.

    Raises:
        SettingsError: there is none of that name, or no judge is set.
    """
    alias = settings.filtering.judge.model
    if alias is None:
        raise SettingsError("No model judges. Name one with --judge or filtering.judge.model (coc models).")
    return model_of(alias, settings.models)


def prepare(workspace: Workspace, chunk: str) -> Prepared:
    """Reads the chunk's labels and identifies its videos; decodes nothing."""
    settings, store = workspace.settings, workspace.store
    labels = judged_labels(store.read_labels(chunk), settings.filtering.judge.labelers)
    keyframes = store.read_table(schemas.KEYFRAMES, chunk).join(labels, on="keyframe_id", how="semi")
    views = {view.keyframe_id: view for view in chunk_views(workspace, chunk, keyframes)}
    return Prepared(labels, views, rubric_of(settings), judge_of(settings))


def judged_labels(labels: pl.DataFrame, labelers: Sequence[str] | None) -> pl.DataFrame:
    """The usable labels, of these labelers or of all."""
    usable = labels.filter(pl.col("status") == "ok")
    return usable if labelers is None else usable.filter(pl.col("labeler").is_in(list(labelers)))


def journal_of(workspace: Workspace, chunk: str) -> Path:
    """Where the answers are kept."""
    return workspace.store.judge_journal_path(chunk, judge_of(workspace.settings).alias)


def measure(prepared: Prepared, entries: Mapping[str, Entry]) -> pl.DataFrame:
    """Rows of `measurements`: every figure of every stage of every label, null with the reason where there is none.

    Raises:
        ValueError: the journal lacks an answer.
    """
    said = prepared.judgements(entries)
    gone = Judgement("error", {}, _NO_KEYFRAME)
    rows = []
    for label_id, chunk in prepared.labels.select("label_id", "chunk").iter_rows():
        for stage in prepared.rubric.stages:
            topic = prepared.topic(label_id, stage)
            judgement = said[topic] if topic else gone
            rows += [
                {
                    "chunk": chunk,
                    "label_id": label_id,
                    "instrument": STEPS[stage].instrument,
                    "version": prepared.rubric.version(stage),
                    "name": name,
                    "value": judgement.figures.get(name),
                    "detail": judgement.detail,
                }
                for name in STEPS[stage].answer.figures()
            ]
    return schemas.rows_to_frame(rows, schemas.MEASUREMENTS).sort("label_id", "instrument", "name")


def _judgement(topic: Unjudged, entries: Mapping[str, Entry]) -> Judgement:
    ended = topic.talk().advance(entries)
    if isinstance(ended, Question):
        raise ValueError(f"label {topic.label_id} has no answer to {ended.step} in the journal")
    return ended
