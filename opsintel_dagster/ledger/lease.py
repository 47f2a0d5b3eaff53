"""One drain of an outcome at a time: a lease with an epoch, renewed from a thread.

Whether a holder is alive is judged by what can be known for certain: a process of this machine is
looked up; anywhere else the heartbeat must stand still for `stale_after` seconds of *our own*
monotonic clock while we watch it, so that no two clocks are ever compared. A wrong guess costs
nothing but the loser's work: every takeover raises the epoch, and whoever writes with an old epoch
fails.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from opsintel_dagster.errors import LeaseLost, LedgerError
from opsintel_dagster.ledger import batches
from opsintel_dagster.ledger.connection import Ledger
from opsintel_dagster.ledger.tables import lease

STALE_AFTER_SECONDS = 30.0
BEAT_EVERY_SECONDS = 2.0
WATCH_EVERY_SECONDS = 0.2


@dataclass(frozen=True)
class Lease:
    """The right to write for `outcome`, good as long as nobody raised the epoch."""

    ledger: Ledger
    outcome: str
    epoch: int
    crashes: int = 0
    """How many holders before this one died, since a drain last came to its end."""

    def guard(self, connection: Connection) -> None:
        """Let the transaction go on only while the lease is ours; first statement of each one.

        Raises:
            LeaseLost: another drain has taken over.
        """
        mine = (lease.c.outcome == self.outcome) & (lease.c.epoch == self.epoch)
        result = connection.execute(update(lease).where(mine).values(beat=lease.c.beat + 1))
        if result.rowcount != 1:
            raise LeaseLost(self.outcome, self.epoch)

    def came_to_its_end(self, connection: Connection) -> None:
        """Forget the holders that died: this drain has done everything without."""
        mine = (lease.c.outcome == self.outcome) & (lease.c.epoch == self.epoch)
        connection.execute(update(lease).where(mine).values(crashes=0))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction of the ledger that only the holder of the lease can commit.

        Raises:
            LeaseLost: another drain has taken over; nothing was written.
        """
        with self.ledger.write() as connection:
            self.guard(connection)
            yield connection


@dataclass(frozen=True)
class HeldBy:
    """Who holds the lease now, for the message a skipped drain ends with."""

    holder: str
    run_id: str | None

    def __str__(self) -> str:
        run = f" (run {self.run_id})" if self.run_id else ""
        return f"held by {self.holder}{run}"


def heartbeat_of_run(row: Row[Any], run_id: str) -> str | None:
    """What the heartbeat of this run's drain stands at, from the lease of its outcome.

    None: the run holds no lease, or the process that does is gone from this machine. A heartbeat
    that stands still while it is watched is that of a dead one, too.
    """
    if row.holder is None or row.run_id != run_id or _is_dead_here(row.holder):
        return None
    return f"{row.epoch} {row.beat}"


@contextmanager
def hold(
    ledger: Ledger,
    outcome: str,
    *,
    run_id: str | None = None,
    is_run_finished: Callable[[str], bool] = lambda _run_id: False,
    stale_after: float = STALE_AFTER_SECONDS,
) -> Iterator[Lease | HeldBy]:
    """Hold the lease of `outcome` for the block, or learn who holds it.

    A holder that shows no sign of life is watched for up to `stale_after` seconds and then taken
    over from; one whose run Dagster reports as finished (`is_run_finished`), or whose process is
    gone from this machine, at once.
    """
    taken = _take(ledger, outcome, run_id, is_run_finished, stale_after)
    if isinstance(taken, HeldBy):
        yield taken
        return
    stop = threading.Event()
    thread = threading.Thread(
        target=_renew, args=(taken, stop), name=f"opsintel-lease-{outcome}", daemon=True
    )
    thread.start()
    try:
        yield taken
    finally:
        stop.set()
        thread.join()
        _release(taken)


def _take(
    ledger: Ledger,
    outcome: str,
    run_id: str | None,
    is_run_finished: Callable[[str], bool],
    stale_after: float,
) -> Lease | HeldBy:
    seen_beat: int | None = None
    seen_epoch: int | None = None
    seen_since = 0.0
    _ensure_row(ledger, outcome)
    while True:
        with ledger.write() as connection:
            row = connection.execute(
                select(lease).where(lease.c.outcome == outcome).with_for_update()
            ).one()
            now = time.monotonic()
            if row.holder is None:
                return _write_lease(connection, ledger, row, run_id, crashes=row.crashes)
            if seen_beat is not None and (row.beat, row.epoch) != (seen_beat, seen_epoch):
                return HeldBy(_readable(row.holder), row.run_id)
            if seen_beat is None:
                seen_beat, seen_epoch, seen_since = row.beat, row.epoch, now
            is_gone = (
                _is_dead_here(row.holder)
                or (row.run_id is not None and is_run_finished(row.run_id))
                or now - seen_since >= stale_after
            )
            if is_gone:
                batches.count_kills(connection, outcome, row.epoch)
                return _write_lease(connection, ledger, row, run_id, crashes=row.crashes + 1)
        time.sleep(WATCH_EVERY_SECONDS)


def _ensure_row(ledger: Ledger, outcome: str) -> None:
    with ledger.read() as connection:
        if connection.execute(select(lease.c.epoch).where(lease.c.outcome == outcome)).first():
            return
    row = {"outcome": outcome, "epoch": 0, "beat": 0, "beat_at": datetime.now(UTC)}
    with suppress(IntegrityError), ledger.write() as connection:  # another drain was faster
        connection.execute(lease.insert().values(**row))


def _write_lease(
    connection: Connection, ledger: Ledger, before: Row[Any], run_id: str | None, *, crashes: int
) -> Lease:
    # Receivers remember the highest epoch they have seen. Counting from the time keeps a ledger
    # that was lost or restored above it; within one ledger the count alone decides.
    epoch = max(before.epoch + 1, int(time.time()))
    connection.execute(
        update(lease)
        .where(lease.c.outcome == before.outcome)
        .values(
            epoch=epoch,
            crashes=crashes,
            holder=json.dumps(_this_process()),
            run_id=run_id,
            beat=0,
            beat_at=datetime.now(UTC),
        )
    )
    return Lease(ledger, before.outcome, epoch, crashes)


def _renew(held: Lease, stop: threading.Event) -> None:
    mine = (lease.c.outcome == held.outcome) & (lease.c.epoch == held.epoch)
    while not stop.wait(BEAT_EVERY_SECONDS):
        try:
            with held.ledger.write() as connection:
                connection.execute(
                    update(lease)
                    .where(mine)
                    .values(beat=lease.c.beat + 1, beat_at=datetime.now(UTC))
                )
        except (SQLAlchemyError, LedgerError):
            continue  # a missed beat is made up by the next; the guard decides, not the thread


def _release(held: Lease) -> None:
    mine = (lease.c.outcome == held.outcome) & (lease.c.epoch == held.epoch)
    # If the ledger is away just now, the heartbeat standing still says the same a little later.
    with suppress(SQLAlchemyError, LedgerError), held.ledger.write() as connection:
        connection.execute(update(lease).where(mine).values(holder=None, run_id=None))


def _this_process() -> dict[str, str | int]:
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": _started(os.getpid()) or "",
    }


def _machine() -> str:
    """One boot of one machine, one process namespace: within it, a process id means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""  # not Linux: nothing is known for certain, the heartbeat decides


def _started(pid: int) -> str | None:
    """When the process was started, in the kernel's ticks; None if there is no such process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = status.rsplit(")", 1)[-1].split()
    is_zombie = fields[0] in ("Z", "X")
    return None if is_zombie else fields[19]


def _is_here(holder: dict[str, str | int]) -> bool:
    return bool(holder["machine"]) and holder["machine"] == _machine()


def _is_dead_here(text: str) -> bool:
    holder = json.loads(text)
    return _is_here(holder) and _started(int(holder["pid"])) != holder["started"]


def _readable(text: str) -> str:
    holder = json.loads(text)
    return f"process {holder['pid']} on {holder['host']}"
