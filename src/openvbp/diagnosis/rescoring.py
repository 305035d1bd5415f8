"""Re-scoring: what a worst-quarter penalty would be if providers were ranked among their own kind."""

from __future__ import annotations

from collections.abc import Mapping

from openvbp.diagnosis.section import CannotBeMadeError


def ranked_within_groups(
    scores: Mapping[str, float], lost: Mapping[str, bool], groups: Mapping[str, str]
) -> dict[str, bool]:
    """Penalise the same share of providers in every group, by the same scores.

    Parameters
    ----------
    scores
        Provider to score.
    lost
        Provider to whether it is penalised by the rules in force.
    groups
        Provider to its peer group; those without one stay as they are.

    Returns
    -------
    Provider to whether it would be penalised. In each group the number is the share of all penalised, rounded.

    Raises
    ------
    CannotBeMadeError
        If the penalty is not one that falls on all providers beyond a score, so that ranks do not decide it.
    """
    ranked = {one: scores[one] for one in lost if one in scores}
    hit = [score for one, score in ranked.items() if lost[one]]
    spared = [score for one, score in ranked.items() if not lost[one]]
    if not hit or not spared:
        raise CannotBeMadeError("nobody, or everybody, is penalised")
    is_high_worse = sum(hit) / len(hit) > sum(spared) / len(spared)
    sign = 1 if is_high_worse else -1
    # Providers that are exempt may lie beyond the cutoff; that the others do is what makes it a matter of rank.
    if sum(sign * one > sign * min(hit, key=lambda score: sign * score) for one in spared) > 0.02 * len(spared):
        raise CannotBeMadeError("the penalty does not fall on all providers beyond a score")
    share = len(hit) / len(ranked)
    result = dict(lost)
    members: dict[str, list[str]] = {}
    for one in ranked:
        if one in groups:
            members.setdefault(groups[one], []).append(one)
    for mine in members.values():
        mine.sort(key=lambda one: (-sign * ranked[one], one))
        worst = set(mine[: round(share * len(mine))])
        result |= {one: one in worst for one in mine}
    return result
