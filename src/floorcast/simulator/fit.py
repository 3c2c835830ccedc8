"""Fits the simulator to days of the anonymous bank: ``python -m floorcast.simulator.fit FILE…``.

The command prints ``bank.toml``. All fits use maximum likelihood. Talk time is lognormal. Calls
shorter than 10 s are excluded because, according to the study of this bank, agents hung up on those
callers. The time in the voice response unit is exponential. Patience is exponential and censored:
an answered call shows only that the caller's patience was longer than the wait. The mean patience
is therefore the total waiting time divided by the number of abandoned calls.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import log
from pathlib import Path
from statistics import fmean, pstdev

from floorcast.connectors import anonymous_bank
from floorcast.connectors.call_records import RecordedCall
from floorcast.simulator.bank_parameters import HALF_HOURS, BankParameters, BankService

__all__ = ["fit", "main", "toml"]

MIN_TALK_SECONDS = 10.0  # seconds; shorter calls were ended by agents to get a rest
MIN_SKILL_SHARE = (
    0.05  # of an agent's calls; at a service with a smaller share, the agent only helped out
)


def fit(calls: Sequence[RecordedCall]) -> BankParameters:
    """Return the parameters that fit these calls, which can be from any number of days.

    Raises ValueError if there are too few calls.
    """
    days = len({call.record_date for call in calls})
    by_service: defaultdict[str, list[RecordedCall]] = defaultdict(list)
    for call in calls:
        by_service[call.service].append(call)
    starts = Counter(call.started.hour * 2 + call.started.minute // 30 for call in calls)
    return BankParameters(
        half_hours=tuple(starts[half] / days for half in range(HALF_HOURS)),
        skills=round(_skills(calls), 3),
        services={name: _service(by_service[name], days) for name in sorted(by_service)},
    )


def _service(calls: Sequence[RecordedCall], days: int) -> BankService:
    talks = [log(seconds) for call in calls if (seconds := _talk(call)) > MIN_TALK_SECONDS]
    queued = [call for call in calls if call.queued is not None]
    gave_up = sum(call.answered is None for call in queued)
    if len(talks) < 2 or not gave_up:
        raise ValueError(f"service {calls[0].service}: too few calls to fit the parameters")
    in_ivr = sum(call.queued is None and call.answered is None for call in calls)
    priorities = Counter(call.priority for call in calls)
    return BankService(
        calls=len(calls) / days,
        ivr=round(fmean(call.ivr_seconds for call in calls), 2),
        gives_up_in_ivr=round(in_ivr / len(calls), 4),
        patience=round(sum(map(_wait, queued)) / gave_up, 1),
        talk_mu=round(fmean(talks), 4),
        talk_sigma=round(pstdev(talks), 4),
        priorities=(
            round(priorities[0] / len(calls), 4),
            round(priorities[1] / len(calls), 4),
            round(priorities[2] / len(calls), 4),
        ),
    )


def _talk(call: RecordedCall) -> float:
    return 0.0 if call.answered is None else (call.ended - call.answered).total_seconds()


def _wait(call: RecordedCall) -> float:
    wait_end = call.ended if call.answered is None else call.answered
    return 0.0 if call.queued is None else (wait_end - call.queued).total_seconds()


def _skills(calls: Iterable[RecordedCall]) -> float:
    served: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for call in calls:
        if call.agent is not None:
            served[call.agent][call.service] += 1
    return fmean(
        sum(count >= MIN_SKILL_SHARE * services.total() for count in services.values())
        for services in served.values()
    )


def toml(parameters: BankParameters) -> str:
    """Return the parameters in the format of ``bank.toml``."""
    lines = [
        (
            "# Fitted by floorcast.simulator.fit; bank_parameters.py and docs/simulator.md explain"
            " the values."
        ),
        f"half_hours = {_format_list(parameters.half_hours)}",
        f"skills = {parameters.skills}",
    ]
    for name, service in parameters.services.items():
        lines += ["", f"[services.{name}]"]
        for member in BankService.__struct_fields__:
            value = getattr(service, member)
            lines.append(f"{member} = {_format_list(value) if isinstance(value, tuple) else value}")
    return "\n".join(lines) + "\n"


def _format_list(values: Sequence[float]) -> str:
    rows = [values[first : first + 12] for first in range(0, len(values), 12)]
    texts = [", ".join(map(str, row)) for row in rows]
    return f"[{texts[0]}]" if len(texts) == 1 else "[\n    " + ",\n    ".join(texts) + ",\n]"


def main(paths: Sequence[str]) -> None:
    """Print the parameters that fit the files. Exits with a message if a file cannot be used."""
    if not paths:
        sys.exit("no files given; usage: python -m floorcast.simulator.fit 1999-08-01.csv …")
    calls: list[RecordedCall] = []
    for path in paths:
        try:
            with Path(path).open(encoding="utf-8-sig", newline="") as lines:
                calls += anonymous_bank.read(lines)
        except (OSError, ValueError) as error:
            sys.exit(f"{path}: {error}")
    try:
        sys.stdout.write(toml(fit(calls)))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
