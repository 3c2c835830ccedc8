"""Tests that an archive gives the same reports from a folder and from a bucket."""

from __future__ import annotations

from pathlib import Path

import msgspec

from floorcast.archive.jobs import ClientSpan, ReportJob
from floorcast.archive.reports import agent_report, call_report, service_report
from floorcast.archive.storage import open_archive
from floorcast.model.token import to_ms
from floorcast.site.configuration import Service
from tests.archive.sealed_folders import START, ZONE, folder
from tests.archive.sources import HOUR_MS, LIMITS
from tests.real.sites import ACME

SALES = 38049


def test_a_bucket_and_a_folder_give_the_same_reports(bucket: str, tmp_path: Path) -> None:
    """Reports on services, agents and calls are equal, and have only services the user may see."""
    with folder(tmp_path) as floor:
        floor.advance(5)
        floor.send("agent.state", agent="SEBY", eventType="READY", service="Sales")
        for number in range(3):
            floor.call(number + 1)
            floor.advance(30)
        floor.seal_all()
        floor.seal_all(archive=f"{bucket}/reports")
        begin = int(START.timestamp()) * 1000 // HOUR_MS * HOUR_MS

        def job(services: list[int]) -> ReportJob:
            details = [Service(id=SALES, name="Sales")]
            span = ClientSpan(ACME, ZONE, begin, begin + 4 * HOUR_MS, services, details)
            return ReportJob(
                "service", str(floor.harness.data), "", [span], to_ms(floor.clock()), LIMITS, 3600
            )

        here, there = open_archive(str(floor.archive)), open_archive(f"{bucket}/reports")
        for services in ([SALES], [-1, SALES], [1]):
            answers = [
                [
                    service_report(job(services), archive),
                    agent_report(job(services), archive),
                    call_report(job(services), archive)[0],
                ]
                for archive in (here, there)
            ]
            assert answers[0] == answers[1]
            shown = msgspec.to_builtins(answers[0])
            assert bool(shown[0]["intervals"]) is (SALES in services)
            assert len(shown[2]["calls"]) == (3 if SALES in services else 0)
