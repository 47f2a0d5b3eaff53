"""Watching: which symptoms are told to whom, when, and exactly once."""

from opsintel_dagster.watching.channels import AppriseSender, Sender
from opsintel_dagster.watching.escalation import Decisions, Episode, decide
from opsintel_dagster.watching.outbox import SendReport, put_decided, send_due
from opsintel_dagster.watching.ping import ping
from opsintel_dagster.watching.symptoms import Symptom, SymptomKind
from opsintel_dagster.watching.windows import is_in_maintenance, maintenance_ends

__all__ = [
    "AppriseSender",
    "Decisions",
    "Episode",
    "SendReport",
    "Sender",
    "Symptom",
    "SymptomKind",
    "decide",
    "is_in_maintenance",
    "maintenance_ends",
    "ping",
    "put_decided",
    "send_due",
]
