"""Decides where each verified row goes: a decision table of SQL expressions, first hit wins."""

from opsintel_dagster.routing.decision_table import DECIDED, SENT_TO, DecisionTable
from opsintel_dagster.routing.routes_csv import read_routes_csv

__all__ = ["DECIDED", "SENT_TO", "DecisionTable", "read_routes_csv"]
