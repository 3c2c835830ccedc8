"""When agents' changes were folded, by the node's clock."""

from __future__ import annotations

__all__ = ["LONGEST_LAG_MS", "FoldTimes"]

LONGEST_LAG_MS = 3_600_000  # from an entry's record to its fold, and a reader's next question


class FoldTimes:
    """When changes were folded, in ms of the node's clock: ``now``, and each agent's last one.

    An answer may be given after an entry was recorded and before it is folded. This is no part of
    the floor's state, because it depends on the node.
    """

    def __init__(self) -> None:
        self.now = 0
        self.of_agents: dict[int, int] = {}

    def note(self, agent: int) -> None:
        """The fold of this moment has changed an agent."""
        self.of_agents.pop(agent, None)
        self.of_agents[agent] = self.now

    def forget(self) -> None:
        """Forget changes that no entry on its way can be as old as."""
        of_agents, before = self.of_agents, self.now - LONGEST_LAG_MS
        while of_agents and of_agents[oldest := next(iter(of_agents))] < before:
            del of_agents[oldest]
