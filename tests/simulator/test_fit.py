"""Tests that fitting finds known parameters, and that the package has those of the bank's days."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from random import Random

import msgspec
import pytest

from floorcast.connectors.call_records import RecordedCall
from floorcast.simulator.bank_parameters import BankParameters, load_parameters
from floorcast.simulator.fit import fit, main, toml

BANK = Path(__file__).resolve().parents[3] / "shared" / "data" / "anonymous-bank"
DAY = date(1999, 8, 1)
MU, SIGMA, PATIENCE, IVR = 5.0, 0.6, 90.0, 12.0


def made_up(number: int, chance: Random) -> RecordedCall:
    """Return a call that waits a random time for a free agent."""
    started = datetime.combine(DAY, time(9 + number % 4))
    ivr = chance.expovariate(1 / IVR)
    queued = started + timedelta(seconds=ivr)
    patience, wait = chance.expovariate(1 / PATIENCE), chance.uniform(0, 120)
    over = queued + timedelta(seconds=min(patience, wait))
    answered = wait < patience
    talk = timedelta(seconds=chance.lognormvariate(MU, SIGMA))
    return RecordedCall(
        record_date=DAY,
        day=DAY,
        row=number,
        line="L",
        call_id=str(number),
        service="S",
        priority=number % 2,
        outcome="AGENT" if answered else "HANG",
        agent="A" if answered else None,
        ivr_seconds=round(ivr),
        started=started,
        queued=queued,
        answered=over if answered else None,
        ended=over + talk if answered else over,
    )


def test_fitting_finds_known_parameters() -> None:
    """Talk time, patience (mostly censored) and the voice unit are within a few percent."""
    chance = Random(5)
    found = fit([made_up(number, chance) for number in range(5_000)])
    service = found.services["S"]
    assert service.talk_mu == pytest.approx(MU, rel=0.02)
    assert service.talk_sigma == pytest.approx(SIGMA, rel=0.05)
    assert service.patience == pytest.approx(PATIENCE, rel=0.05)
    assert service.ivr == pytest.approx(IVR, rel=0.05)
    assert service.priorities == (0.5, 0.5, 0.0)
    assert found.half_hours[18] == found.half_hours[24] == 1_250
    assert msgspec.toml.decode(toml(found), type=BankParameters) == found


def test_too_few_calls_are_refused() -> None:
    """A service without an answered call cannot be fitted."""
    with pytest.raises(ValueError, match="service S: too few calls"):
        fit([made_up(1, Random(1))])


@pytest.mark.skipif(not BANK.exists(), reason="the bank's days are not here: ../shared/data")
def test_the_packaged_parameters_match_the_bank_data(capsys: pytest.CaptureFixture[str]) -> None:
    """``bank.toml`` equals the command's output for the two days."""
    main([str(path) for path in sorted(BANK.glob("*.csv"))])
    committed = (files("floorcast.simulator") / "bank.toml").read_text("utf-8")
    assert capsys.readouterr().out == committed
    assert set(load_parameters().services) == {"PS", "PE", "IN", "NE", "NW", "TT"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "no files given"), (["/nowhere.csv"], "/nowhere.csv: "), ([__file__], "line ")],
)
def test_unusable_files_are_reported(arguments: list[str], says: str) -> None:
    """The error message is one line, and the exit code is not 0."""
    with pytest.raises(SystemExit, match=says):
        main(arguments)
