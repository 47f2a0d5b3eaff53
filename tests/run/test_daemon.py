"""The real daemon: a file dropped into an inbox is delivered with nobody touching anything."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from project import Project

PATIENCE_SECONDS = 90.0


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with an outcome, its daemon running."""
    created = Project.create(tmp_path)
    declaration = created.scaffold("letters") / "defs.yaml"
    text = declaration.read_text().replace(
        "source: {kind: files,", "source: {kind: files, settle: 0s,"
    )
    declaration.write_text(text)
    with dg.DagsterInstance.from_config(str(created.root / "home")):
        pass  # two processes that make an empty home at once can crash one of them
    log = (tmp_path / "daemon.log").open("w")
    daemon = subprocess.Popen(
        ["dagster-daemon", "run", "-m", "ops.definitions"],
        cwd=tmp_path,
        env=created.environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield created
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        log.close()


def eventually(holds: Callable[[], bool], project: Project) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if holds():
            return
        time.sleep(0.2)
    raise AssertionError((project.root / "daemon.log").read_text()[-5000:])


def test_a_file_in_the_inbox_is_delivered_and_quiet_is_told_with_nobody_touching_anything(project):
    project.drop("letters", "day1.csv", "id,amount,note\nL1,2,\nL2,-1,\n")
    eventually(lambda: len(project.delivered("letters")) == 1, project)
    project.drop("letters", "day2.csv", "id,amount,note\nL3,2,\n")
    eventually(lambda: len(project.delivered("letters")) == 2, project)

    with dg.DagsterInstance.from_config(str(project.root / "home")) as instance:
        promise = dg.AssetKey(["letters", "promise"])
        eventually(lambda: len(_finished(instance)) == 2, project)
        runs = _finished(instance)
        assert {run.tags["opsintel/outcome"] for run in runs} == {"letters"}
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        assert instance.get_latest_materialization_event(promise) is not None


def _finished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs() if run.is_finished]
