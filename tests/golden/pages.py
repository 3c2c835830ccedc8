"""Runs the code blocks of a page in ``docs/`` in order.

A block marked ``sh`` is pasted into a shell. The requests in a block marked ``sh refused`` must be
refused. A block marked ``sh server`` runs in the background, and ``sh by-hand`` is not tested. The
block that follows such a block shows its output: a ``text`` block must equal the output, and a
``json`` block must have the same members and types.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.golden.examples import mismatches
from tests.programs import needs
from tests.real.server import environment

__all__ = ["DOCS", "ROOT", "Block", "blocks", "output_differences", "paste"]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^```(?P<kind>[\w -]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ADDRESS = "127.0.0.1:8080"
_PORT = "8090"  # on pages whose server runs in addition to a demo
_STRICT = 'curl() { command curl --fail-with-body "$@"; }'
_SERVER = f"""
setsid bash server.sh > server.log 2>&1 & SERVER=$!
trap 'kill -- -$SERVER && wait' EXIT
for _ in $(seq 600); do command curl -sf http://{_ADDRESS}/readyz > ready && break; sleep 0.1; done
"""
_SECONDS = 120  # per page, on a busy machine


class Block(NamedTuple):
    """A code block of a page, and the output that the page shows for the block, if any."""

    page: str
    kind: str
    text: str
    printed: str = ""
    form: str = ""


def blocks(page: str, *, until: str = "\0") -> list[Block]:
    """Return the code blocks of a page in ``docs/``, up to the heading ``until``."""
    text = (DOCS / page).read_text("utf-8").partition(f"\n## {until}\n")[0]
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        kind, body = match["kind"], match["text"]
        if kind in {"json", "text"} and found and not found[-1].form:
            found[-1] = found[-1]._replace(printed=body, form=kind)
        else:
            found.append(Block(page, kind, body))
    return found


def paste(pasted: Sequence[Block], url: str, folder: Path, **more: str) -> list[str]:
    """Paste blocks into one shell in ``folder``. Returns each block's output."""
    needs("bash", "curl")
    place = url.removeprefix("http://")

    def here(text: str) -> str:
        return text.replace(_ADDRESS, place).replace(_PORT, place.rpartition(":")[2])

    script = ["set -eu"]
    for number, block in enumerate(pasted):
        script.append("unset -f curl" if block.kind == "sh refused" else _STRICT)
        if block.kind == "sh server":
            (folder / "server.sh").write_text(here(block.text), "utf-8")
            script.append(_SERVER)
        text = "true" if block.kind == "sh server" else block.text
        script.append(f"{{ {text}\n}} > {folder}/printed.{number}")
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", here("\n".join(script))],
        cwd=folder,
        env=environment(PATH=programs, **more),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    printed = sorted(folder.glob("printed.*"), key=lambda file: int(file.suffix[1:]))
    outputs = [file.read_text("utf-8") for file in printed]
    assert done.returncode == 0, f"{pasted[len(outputs) - 1].text}{outputs[-1]}{done.stderr}"
    return outputs


def output_differences(pasted: Iterable[Block], outputs: Iterable[str]) -> list[str]:
    """Return the differences between the outputs on a page and the real outputs."""
    found = []
    for block, output in zip(pasted, outputs, strict=True):
        if block.form == "text" and _lines(output) != _lines(block.printed):
            found.append(f"{block.page}: {block.text} printed {output}")
        elif block.form == "json":
            answers = [json.loads(text) for text in (block.printed, output)]
            found += [f"{block.page}: {fault}" for fault in mismatches(answers[0], answers[1])]
    return found


def _lines(text: str) -> list[str]:
    return text.replace("}{", "}\n{").split("\n") if text.endswith("\n") else _lines(text + "\n")
