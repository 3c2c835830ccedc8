"""A campaign's list of people to call. Their time zones decide when they may be called."""

from __future__ import annotations

from floorcast.simulator.people import HOURS_FROM_EASTERN
from floorcast.simulator.scenario import DAY_SECONDS, CampaignPlan
from floorcast.simulator.true_figures import CampaignTruth
from floorcast.simulator.world import Process, World

__all__ = ["CampaignList"]

CALLING_HOURS = range(8, 21)  # hours of the day, in the person's time zone
RETRY_SHARE = 0.7  # share of unanswered attempts
REPORT_SECONDS = 15  # seconds between two reports


class CampaignList:
    """A campaign's records, which are reloaded every day. The floor's clock shows Eastern time."""

    def __init__(self, world: World, plan: CampaignPlan) -> None:
        self.plan = plan
        self._world = world
        self._day = -1.0
        self._remaining: dict[str, int] = {}
        self._completed = 0

    def take_record(self) -> str | None:
        """Return the time zone of the next person to call, or None if nobody may be called now."""
        zones = self._callable_by_zone()
        if not zones:
            return None
        (zone,) = self._world.chance.choices(list(zones), list(zones.values()))
        self._remaining[zone] -= 1
        return zone

    def mark_answered(self) -> None:
        """Mark a record as done, because the person answered."""
        self._completed += 1

    def mark_unanswered(self, zone: str) -> None:
        """Schedule another attempt for an unanswered record, or give up on it."""
        if self._world.happens(RETRY_SHARE):
            self._remaining[zone] += 1
        else:
            self._completed += 1

    def report_progress(self) -> Process:
        """Periodically report the progress if it has changed."""
        reported = None
        while True:
            counts = self._counts()
            if counts != reported:
                self._world.recorder.campaign_update(self.plan, counts)
                reported = counts
            yield self._world.pause(REPORT_SECONDS)

    def _counts(self) -> CampaignTruth:
        dialable = sum(self._callable_by_zone().values())
        loaded = sum(self.plan.records.values())
        remaining = loaded - self._completed
        state = "PLAYING" if dialable else "PAUSED" if remaining else "COMPLETED"
        return CampaignTruth(
            self.plan.service,
            state,
            loaded=loaded,
            completed=self._completed,
            remaining=remaining,
            dialable=dialable,
            zones=dict(self._remaining),
        )

    def _callable_by_zone(self) -> dict[str, int]:
        self._load_daily()
        hour = self._world.time_of_day / 3_600
        return {
            zone: left
            for zone, left in self._remaining.items()
            if left and int((hour + HOURS_FROM_EASTERN[zone]) % 24) in CALLING_HOURS
        }

    def _load_daily(self) -> None:
        day = (self._world.begins_at + self._world.now / 1000) // DAY_SECONDS
        if day != self._day:
            self._day, self._completed = day, 0
            self._remaining = dict(self.plan.records)
