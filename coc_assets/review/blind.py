"""What the instruments alone say of a label: whoever reviews it must not be told first what others decided."""

from __future__ import annotations

from collections.abc import Sequence

from coc_assets.filtered_coc import human_review
from coc_assets.filtered_coc.policy import Policy, Rule, load_policy, packaged_policies
from resources.schemas import Verdict
from resources.settings import Settings


def policy_of(version: str, settings: Settings) -> Policy | None:
    """The policy that verdicts of a version came from: the one in force or a packaged one, None where it is neither."""
    names = (settings.filtering.policy, *packaged_policies())
    return next((policy for name in names if (policy := load_policy(name)).version == version), None)


def rules_of_people(policy: Policy | None) -> frozenset[str]:
    """Names of the rules that follow people's decisions."""
    rules = policy.rules if policy else ()
    return frozenset(rule.rule for rule in rules if rule.instrument == human_review.INSTRUMENT)


def without_people(
    verdict: Verdict, reasons: Sequence[str], policy: Policy | None, of_people: frozenset[str] | None = None
) -> tuple[Verdict, list[str]]:
    """Verdict and reasons as they would be had nobody looked at the label.

    Args:
        verdict, reasons: as in `filtered_coc`; reasons name every rule that fired, the one that decides first.
        policy: what decided; None leaves both as they are.
        of_people: `rules_of_people`, where it is known already.
    """
    of_people = rules_of_people(policy) if of_people is None else of_people
    if policy is None or of_people.isdisjoint(reasons):
        return verdict, list(reasons)
    left = [reason for reason in reasons if reason not in of_people]
    return (rule_named(policy, left[0]).verdict if left else "keep"), left


def rule_named(policy: Policy, name: str) -> Rule:
    return next(rule for rule in policy.rules if rule.rule == name)
