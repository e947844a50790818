"""What making labels and judgements anew would ask of models: told before anything is made, as answers are paid for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coc_assets.filtered_coc.model_judge.estimate import estimate_judging
from coc_assets.filtered_coc.model_judge.judge import judges
from coc_assets.raw_coc.stage import uses_model
from coc_assets.raw_coc.vlm.estimate import Estimate, estimate
from coc_assets.running import ChunkPlan, all_upstream
from coc_assets.stage import Work, Workspace, standing
from coc_assets.stages import STAGES_BY_NAME
from resources.receipts import WHOLE, Receipt, read_receipt
from resources.settings import Settings
from resources.store import JUDGE_PREFIX


@dataclass(frozen=True)
class AskedAnew:
    """What one model would be asked about chunks that it has labelled or judged before.

    Attributes:
        stage: raw_coc or filtered_coc.
        requests: to send if no answer has to be asked for again and none repaired.
        cost_usd: expected; None without a price.
        by_present_rows: what is asked about changes first, so the figures go by what is there now.
    """

    stage: str
    alias: str
    chunks: tuple[str, ...]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    by_present_rows: bool

    @property
    def may_cost(self) -> bool:
        return self.requests > 0 and self.cost_usd != 0.0


@dataclass(frozen=True)
class _Asking:
    """A stage that may ask a model.

    Attributes:
        alias: the model that it asks; None where it asks none.
        has_asked: whether a receipt says that this model was asked all there was to ask.
        estimate: what is still to be asked of the model on chunks.
    """

    alias: Callable[[Settings], str | None]
    has_asked: Callable[[Receipt, str], bool]
    estimate: Callable[..., Estimate]


def _judged(receipt: Receipt, alias: str) -> bool:
    made_from = receipt.fingerprints.get(WHOLE)
    return made_from is not None and f"{JUDGE_PREFIX}{alias}" in made_from.inputs


_ASKING: Mapping[str, _Asking] = {
    "raw_coc": _Asking(
        alias=lambda settings: settings.labeler if uses_model(settings) else None,
        has_asked=lambda receipt, alias: alias in receipt.fingerprints,
        estimate=estimate,
    ),
    "filtered_coc": _Asking(
        alias=lambda settings: settings.filtering.judge.model if judges(settings) else None,
        has_asked=_judged,
        estimate=estimate_judging,
    ),
}


def asked_anew(workspace: Workspace, plans: Sequence[ChunkPlan], *, stale: bool = False) -> list[AskedAnew]:
    """What the plans would ask models again and may cost something; models not asked before on a chunk do not count.

    Args:
        stale: the plans are of what is out of date, whoever labelled or judged it before: a model that is new to a
            chunk counts too.
    """
    found = []
    for stage, asking in _ASKING.items():
        alias = asking.alias(workspace.settings)
        if alias is None:
            continue
        again = [
            plan for plan in plans if stage in plan.due and (stale or _has_asked(workspace, stage, plan.chunk, alias))
        ]
        found.append(_asked_of(workspace, stage, alias, again))
    return [one for one in found if one.may_cost]


def _has_asked(workspace: Workspace, stage: str, chunk: str, alias: str) -> bool:
    receipt = read_receipt(workspace.store, stage, chunk)
    return receipt is not None and receipt.status == "done" and _ASKING[stage].has_asked(receipt, alias)


def _asked_of(workspace: Workspace, stage: str, alias: str, plans: Sequence[ChunkPlan]) -> AskedAnew:
    """Chunks whose own inputs stand go by the answers kept; where these are made anew first, no answer may fit."""
    shifting = [plan.chunk for plan in plans if _reads_what_changes(workspace, stage, plan)]
    steady = [plan.chunk for plan in plans if plan.chunk not in shifting]
    measure = _ASKING[stage].estimate
    parts = [measure(workspace, steady), measure(workspace, shifting, anew=True)]
    costs = [part.cost_usd for part in parts if part.requests]
    return AskedAnew(
        stage=stage,
        alias=alias,
        chunks=tuple(plan.chunk for plan in plans),
        requests=sum(part.requests for part in parts),
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        completion_tokens=sum(part.completion_tokens for part in parts),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        by_present_rows=bool(parts[1].requests),
    )


def _reads_what_changes(workspace: Workspace, stage: str, plan: ChunkPlan) -> bool:
    """Whether a stage before it will be made from other inputs; one that is only checked again gives the same rows."""
    before = all_upstream(STAGES_BY_NAME[stage]) & set(plan.due)
    works = [Work(workspace, STAGES_BY_NAME[name], plan.chunk) for name in before]
    return any(not standing(work).is_fresh(work) for work in works)
