"""Telling failures apart: what an exception, or the text of one, says about trying again."""

from opsintel_dagster.healing.classification import classify, classify_links, links_of
from opsintel_dagster.healing.failure import Failure, Link

__all__ = ["Failure", "Link", "classify", "classify_links", "links_of"]
