"""Which changes of a game help? The verdicts on them, for a picture's colours and its title."""

from collections.abc import Collection, Mapping
from typing import Any

from demos.kit.comparing import HELPS, HURTS, NOTHING
from demos.kit.style import OTHERS, RIGHT, WRONG
from demos.kit.words import say

LOOKS = {HELPS: (RIGHT, "o"), HURTS: (WRONG, "X"), NOTHING: (OTHERS[3], "s")}  # colour, marker


def verdict_on(m: Mapping[str, Any], difference: str, better: str = "lower") -> str:
    """The verdict on a compared difference (`Claim.compare`)."""
    return say(f"{{{difference}|{better}}}", m)


def by_verdict(m: Mapping[str, Any], difference: str, changes: Collection[str], better: str = "lower") -> dict[str, list[str]]:
    """The changes with each verdict. `difference`: the metric's name, with {} for the change's."""
    verdicts = {change: verdict_on(m, difference.format(change), better) for change in changes}
    return {word: [change for change in changes if verdicts[change] == word] for word in LOOKS}
