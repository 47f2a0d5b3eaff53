"""The tables of the ledger: what happened, in rows that grow with batches and exceptions only.

No table has a row per good record. Times are stored in UTC and come back aware.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    literal_column,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database, also on SQLite, which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times; store the rest in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give what SQLite returns its zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Count = BigInteger().with_variant(Integer, "sqlite")
"""Row counts and sequences: 64 bits in both databases (SQLite's INTEGER already is)."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial(
    name: str, where: ColumnElement[bool], *columns: Column[Any], is_unique: bool = False
) -> None:
    """An index of the rows for which something holds, in both databases."""
    Index(name, *columns, unique=is_unique, sqlite_where=where, postgresql_where=where)


outcome = Table(
    "opsintel_outcome",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("location", String(200), nullable=False),
    Column("declaration", String(64), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("bound_at", UtcDateTime, nullable=False),
)

declaration = Table(
    "opsintel_declaration",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("outcome", String(200), nullable=False),
    Column("routes", JSON, nullable=False),
    Column("pinned_at", UtcDateTime, nullable=False),
)

lease = Table(
    "opsintel_lease",
    metadata,
    Column("outcome", String(200), primary_key=True),
    Column("epoch", Count, nullable=False),
    Column("holder", Text),
    Column("run_id", String(64)),
    Column("beat", Count, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    Column("crashes", Integer, nullable=False, server_default="0"),
)

arrival = Table(
    "opsintel_arrival",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("outcome", String(200), nullable=False),
    Column("seq", Count, nullable=False),
    Column("name", Text, nullable=False),
    Column("identity", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("content", String(64), nullable=False),
    Column("size", Count, nullable=False),
    Column("records", Count, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("available_at", UtcDateTime, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("is_late", Boolean, nullable=False),
    Column("run_id", String(64)),
    Column("reason", Text),
    Column("duplicate_of", String(32)),
    Column("supersedes", String(32)),
    Column("superseded_by", String(32)),
    Column("profile", JSON(none_as_null=True)),
    Column("symptoms", JSON(none_as_null=True)),
    UniqueConstraint("outcome", "seq"),
    Index("ix_opsintel_arrival_identity", "outcome", "identity"),
    Index("ix_opsintel_arrival_name", "outcome", "name", "seq"),
    Index("ix_opsintel_arrival_state", "outcome", "state"),
)

sighting = Table(
    "opsintel_sighting",
    metadata,
    Column("outcome", String(200), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("size", Count, nullable=False),
    Column("mark", String(100), nullable=False),
    Column("arrival_id", String(32), ForeignKey("opsintel_arrival.id"), nullable=False),
)

batch = Table(
    "opsintel_batch",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("outcome", String(200), nullable=False),
    Column("seq", Count, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("declaration", String(64), nullable=False),
    Column("records", Count, nullable=False),
    Column("case_id", String(32)),
    Column("decision_id", String(32)),
    Column("reference_versions", JSON, nullable=False),
    Column("warned", JSON, nullable=False, default=dict),
    Column("available_at", UtcDateTime, nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_seq", Count),
    Column("waits_for", Text),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("failure", Text),
    Column("failure_class", String(20)),
    Column("is_given_up", Boolean, nullable=False, server_default=false()),
    Column("blocked_by", String(300)),
    Column("begun_epoch", Count),
    Column("kills", Integer, nullable=False, server_default="0"),
    UniqueConstraint("outcome", "seq"),
    UniqueConstraint("outcome", "closed_seq"),
    Index("ix_opsintel_batch_state", "outcome", "state", "seq"),
)
_partial(
    "ix_opsintel_batch_outstanding",
    batch.c.state != "closed",
    batch.c.outcome,
    batch.c.next_attempt_at,
)
_partial("ix_opsintel_batch_decision", batch.c.decision_id.is_not(None), batch.c.decision_id)
_partial("ix_opsintel_batch_blocked", batch.c.blocked_by.is_not(None), batch.c.blocked_by)

batch_arrival = Table(
    "opsintel_batch_arrival",
    metadata,
    Column("batch_id", String(32), ForeignKey("opsintel_batch.id"), primary_key=True),
    Column("arrival_id", String(32), ForeignKey("opsintel_arrival.id"), primary_key=True),
    Column("records", Count, nullable=False),
    Index("ix_opsintel_batch_arrival_arrival", "arrival_id"),
)

stage_file = Table(
    "opsintel_stage_file",
    metadata,
    Column("batch_id", String(32), ForeignKey("opsintel_batch.id"), primary_key=True),
    Column("role", String(20), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("path", Text, nullable=False),
    Column("rows", Count, nullable=False),
    Column("bytes", Count, nullable=False),
    Column("sha256", String(64), nullable=False),
)

case = Table(
    "opsintel_case",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("outcome", String(200), nullable=False),
    Column("failure_mode", String(200), nullable=False),
    Column("cause", Text, nullable=False, server_default=""),
    Column("episode", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", Text),
    Column("tried_version", JSON, nullable=False),
    Column("assigned_by", String(200)),
    Column("snoozed_until", UtcDateTime),
    Index("ix_opsintel_case_state", "outcome", "state", "opened_at"),
    Index("ix_opsintel_case_failure_mode", "outcome", "failure_mode", "state"),
)
_is_open = case.c.state == literal_column("'open'")
_is_closed = case.c.state == literal_column("'closed'")
_partial("ix_opsintel_case_open", _is_open, case.c.opened_at)
_partial("ix_opsintel_case_closed", _is_closed, case.c.closed_at)
_partial("ix_opsintel_case_closed_of", _is_closed, case.c.outcome, case.c.closed_at)

case_rows = Table(
    "opsintel_case_rows",
    metadata,
    Column("case_id", String(32), ForeignKey("opsintel_case.id"), primary_key=True),
    Column("batch_id", String(32), ForeignKey("opsintel_batch.id"), primary_key=True),
    Column("arrival_id", String(32), ForeignKey("opsintel_arrival.id"), primary_key=True),
    Column("rules_id", String(32), primary_key=True),
    Column("rules", Text, nullable=False),
    Column("rows", Count, nullable=False),
    Column("resolved", Count, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_opsintel_case_rows_batch", "batch_id"),
    Index("ix_opsintel_case_rows_arrival", "arrival_id"),
)
_is_lying = case_rows.c.rows > case_rows.c.resolved
_partial("ix_opsintel_case_rows_lying", _is_lying, case_rows.c.case_id)

delivery = Table(
    "opsintel_delivery",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("outcome", String(200), nullable=False),
    Column("batch_id", String(32), ForeignKey("opsintel_batch.id"), nullable=False),
    Column("route", String(200), nullable=False),
    Column("part", String(64), nullable=False, server_default=""),
    Column("guarantee", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("records", Count, nullable=False),
    Column("epoch", Count, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("receipt", JSON),
    Column("reason", Text),
    Column("run_id", String(64)),
    Column("intent_at", UtcDateTime, nullable=False),
    Column("receipt_at", UtcDateTime),
    Column("confirmed_at", UtcDateTime),
    Index("ix_opsintel_delivery_batch", "batch_id"),
    Index("ix_opsintel_delivery_route", "outcome", "route", "state"),
)

attempt = Table(
    "opsintel_attempt",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(200), nullable=False),
    Column("batch_id", String(32)),
    Column("stage", String(20), nullable=False),
    Column("failure_class", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("dependency", String(300)),
    Column("run_id", String(64)),
    Column("next_attempt_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Column("settled_by", String(200)),
    Index("ix_opsintel_attempt_at", "outcome", "at"),
    Index("ix_opsintel_attempt_batch", "batch_id"),
    Index("ix_opsintel_attempt_run", "run_id"),
)
_partial("ix_opsintel_attempt_unsettled", attempt.c.settled_at.is_(None), attempt.c.outcome)

breaker = Table(
    "opsintel_breaker",
    metadata,
    Column("name", String(300), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failure_class", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_at", UtcDateTime),
    Column("retry_at", UtcDateTime),
    Column("probed_by", String(200)),
    Column("probe_until", UtcDateTime),
    Column("changed_at", UtcDateTime, nullable=False),
)

episode = Table(
    "opsintel_episode",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("outcome", String(200)),
    Column("subject", String(300), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("over_at", UtcDateTime),
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", String(200)),
    Index("ix_opsintel_episode_began", "outcome", "began_at"),
)
_partial("uq_opsintel_episode_open", episode.c.over_at.is_(None), episode.c.key, is_unique=True)

notice = Table(
    "opsintel_notice",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("outcome", String(200)),
    Column("episode_id", String(32), ForeignKey("opsintel_episode.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("step", Integer, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("accepted", JSON, nullable=False),
    Column("failure", Text),
    Index("ix_opsintel_notice_decided", "outcome", "decided_at"),
    Index("ix_opsintel_notice_episode", "episode_id", "owner"),
)
_partial("ix_opsintel_notice_due", notice.c.next_attempt_at.is_not(None), notice.c.next_attempt_at)

reference_use = Table(
    "opsintel_reference_use",
    metadata,
    Column("outcome", String(200), primary_key=True),
    Column("reference", String(200), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("rows", Count, nullable=False),
    Column("used_at", UtcDateTime, nullable=False),
)

entry = Table(
    "opsintel_entry",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(200), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_opsintel_entry_subject", "outcome", "subject"),
)

touch = Table(
    "opsintel_touch",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(200), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("minutes", Float),
    Column("is_estimate", Boolean, nullable=False),
    Index("ix_opsintel_touch_at", "outcome", "at"),
)
