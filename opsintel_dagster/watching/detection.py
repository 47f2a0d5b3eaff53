"""What is wrong, from what the watcher knows at one look: pure, the same answer every time.

The costliest is told first. What a symptom says of numbers may change from look to look; its key
does not, so that the same thing stays one episode.
"""

from opsintel_dagster.watching.machinery_symptoms import machinery_symptoms
from opsintel_dagster.watching.outcome_symptoms import outcome_symptoms
from opsintel_dagster.watching.snapshot import Snapshot
from opsintel_dagster.watching.symptoms import Symptom


def detect(snapshot: Snapshot) -> list[Symptom]:
    """The symptoms of a snapshot: the machinery's first, then the outcomes' by what they cost."""
    costliest = sorted(snapshot.outcomes, key=lambda one: (-one.cost_per_hour, one.name))
    found = list(machinery_symptoms(snapshot))
    for one in costliest:
        found += outcome_symptoms(one, snapshot.now)
    return found
