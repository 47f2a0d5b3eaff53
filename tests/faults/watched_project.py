"""A project whose daemon, code server and run workers are real, seen and harmed from outside.

Waiting is shortened in the project itself: pauses of seconds in place of minutes, a run that counts
as dead after half a minute. Everything else is as anybody would have it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import dagster as dg
from sqlalchemy import select

from opsintel_dagster.ledger import Ledger
from opsintel_dagster.ledger.tables import metadata
from opsintel_dagster.settings import Settings

PATIENCE_SECONDS: Final = 150.0
OUTCOMES: Final = (
    "letters",
    "held",
    "orphaned",
    "moved",
    "desk_a",
    "desk_b",
    "away",
    "broken",
    "backlog",
)

DEFINITIONS = '''\
"""Outcomes that can be made to fail from outside, by a file."""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandera.polars as pa

from opsintel_dagster import Outcome, build_defs
from opsintel_dagster.healing import retry_plan
from opsintel_dagster.orchestration import pacing, sensors, stage_verified, waking

ROOT = Path(os.environ["OPSINTEL_ROOT"])
retry_plan.FIRST_PAUSE = timedelta(seconds=3)
pacing.FIRST_PAUSE_SECONDS = 2.0
_longest_runtime = sensors.longest_runtime
for module in list(sys.modules.values()):  # it is imported by name
    if getattr(module, "longest_runtime", None) is _longest_runtime:
        module.longest_runtime = lambda compiled: timedelta(seconds=30)
        module.SHORTEST_RUNTIME = timedelta(seconds=30)
_states, _judge = waking.states, stage_verified._judge


def states(*arguments, **options):
    if (ROOT / "raise").exists():
        raise RuntimeError("the sensor was told to raise")
    return _states(*arguments, **options)


sensors.states = states


def judge(work, *arguments):
    while (ROOT / f"hold_{work.name}").exists():
        (ROOT / f"holding_{work.name}").touch()
        time.sleep(0.1)
    if (ROOT / f"break_{work.name}").exists():
        raise ZeroDivisionError("verification was told to break")
    return _judge(work, *arguments)


stage_verified._judge = judge


def outcome(name, **changes):
    contract = pa.DataFrameSchema(
        {"id": pa.Column(str), "amount": pa.Column(int, pa.Check.ge(0), coerce=True)}
    )
    return Outcome(
        **{
            "name": name,
            "promise": f"Every record of {name} arrives, once.",
            "within": "1m" if name == "away" else "15m",
            "owner": "team:tests",
            "source": {"kind": "files", "path": f"inbox/{name}/*.csv", "settle": "0s"},
            "contract": contract,
            "key": ["id"],
            "handoff": {"desk": {"kind": "files", "path": f"outbox/{name}", "format": "csv"}},
            "notices": {"channels": {"team:tests": [{"env": "CHANNEL"}]}},
            **changes,
        }
    )


SHARED = {"desk": {"kind": "files", "path": "shared", "format": "csv"}}
defs = build_defs(
    [
        outcome("letters"),
        outcome("held"),
        outcome("orphaned"),
        outcome("moved"),
        outcome("desk_a", handoff=SHARED),
        outcome("desk_b", handoff=SHARED),
        outcome("away"),
        outcome("broken", batch={"max_files": 1}, healing={"attempts_per_hour": 5}),
        outcome("backlog", batch={"max_files": 1}, description=(ROOT / "deployed").read_text()),
    ],
    location="ops",
)
'''

DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
run_monitoring: {enabled: false}
sensors: {use_threads: true, num_workers: 4}
"""


class Channel:
    """What the owner's channel received; answers 500 while it is told to."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.refused = 0
        self.is_failing = False
        channel = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if channel.is_failing:
                    channel.refused += 1
                    self.send_response(500)
                else:
                    channel.received.append(json.loads(body))
                    self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}"

    def titles(self, about: str) -> list[str]:
        """The titles of what was told about an outcome."""
        return [one["title"] for one in self.received if about in one["title"]]


class WatchedProject:
    """The project, its daemon, and what both left behind."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.channel = Channel()
        package = root / "ops"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "definitions.py").write_text(DEFINITIONS)
        (root / "deployed").write_text("first")
        (root / "home").mkdir()
        (root / "home" / "dagster.yaml").write_text(DAGSTER_YAML)
        for name in OUTCOMES:
            (root / "inbox" / name).mkdir(parents=True)
        with dg.DagsterInstance.from_config(str(root / "home")):
            pass  # two processes that make an empty home at once can crash one of them
        self.log = (root / "daemon.log").open("w")
        self.start()

    def start(self) -> None:
        """The daemon with its code server; run workers are children of that."""
        inherited = {name: value for name, value in os.environ.items() if "DAGSTER" not in name}
        self.daemon = subprocess.Popen(
            [Path(sys.executable).parent / "dagster-daemon", "run", "-m", "ops.definitions"],
            cwd=self.root,
            env={
                **inherited,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": os.pathsep.join(
                    [str(self.root), *filter(None, [os.environ.get("PYTHONPATH")])]
                ),
                "DAGSTER_HOME": str(self.root / "home"),
                "OPSINTEL_ROOT": str(self.root),
                "OPSINTEL_SENSOR_SECONDS": "1",
                "CHANNEL": self.channel.url,
            },
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the daemon and whatever it has started."""
        self.daemon.send_signal(number)
        try:
            self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def processes(self, *words: str) -> list[int]:
        """The living processes of the daemon's session whose command line has all the words."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                continue
            if session == self.daemon.pid and command and all(word in command for word in words):
                found.append(int(entry.name))
        return found

    def drop(self, outcome: str, name: str, *ids: str) -> None:
        """Put a file of good records into an inbox."""
        lines = "".join(f"{one},1\n" for one in ids)
        (self.root / "inbox" / outcome / name).write_text(f"id,amount\n{lines}")

    def delivered(self, folder: str) -> list[str]:
        """The ids a desk holds, all files together."""
        place = self.root / folder
        files = sorted(place.glob("*.csv")) if place.is_dir() else []
        lines = [line for file in files for line in file.read_text().splitlines()[1:]]
        return sorted(line.split(",")[0] for line in lines)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.from_config(str(self.root / "home")) as opened:
            yield opened

    def runs(self, outcome: str) -> list[dg.DagsterRun]:
        """The runs of an outcome, newest first."""
        with self.instance() as opened:
            return list(opened.get_runs(dg.RunsFilter(tags={"opsintel/outcome": outcome})))

    def rows(self, table: str, **equal: object) -> list[Any]:
        """Rows of the ledger."""
        found = metadata.tables[f"opsintel_{table}"]
        query = select(found).where(*(found.c[name] == value for name, value in equal.items()))
        with Ledger(Settings.below(self.root).ledger_url) as ledger, ledger.read() as connection:
            return list(connection.execute(query))

    def eventually(self, holds: Callable[[], Any], what: str, patience: float = 0) -> Any:
        """Wait until something is so; gives what it is."""
        until = time.monotonic() + (patience or PATIENCE_SECONDS)
        while time.monotonic() < until:
            found = holds()
            if found:
                return found
            time.sleep(0.3)
        raise AssertionError(f"{what}\n{(self.root / 'daemon.log').read_text()[-6000:]}")

    def close(self) -> None:
        self.stop()
        self.log.close()
        self.channel.server.shutdown()
        self.channel.server.server_close()
