"""What `dg scaffold defs` writes: a declaration that loads as it stands, and its contract."""

import re
from typing import Final

import dagster as dg

_OUTCOME: Final = """\
type: {type}

attributes:
  name: {name}
  promise: Every record reaches its desk, once.   # what must be true, in a sentence
  within: 15m                                     # counted from when the source made it available
  owner: team:operations                          # team:<name> or an e-mail address
  cost_per_hour: 0                                # what a broken hour costs; orders runs, reports
  source: {{kind: files, path: "inbox/{name}/*.csv", same_name: correction}}
  contract: .contract.{model}
  key: [id]
  failure_modes:
    - name: negative_amount
      rules: [amount.ge]
      human_step: {{does: looks the amount up and corrects the file, minutes: 5}}
  routes:                                         # the first whose condition holds takes the record
    - {{to: desk, when: "amount > 0"}}
    - {{to: nowhere, when: "amount = 0"}}
  repeats: skip_equal                             # a record that came before goes out once
  handoff:
    desk: {{kind: files, path: "outbox/{name}", format: csv}}
"""

_CONTRACT: Final = '''\
"""What a correct record of {name} is."""

import pandera.polars as pa


class {model}(pa.DataFrameModel):
    """Each check becomes a rule; `amount.ge` is what failure modes call this one."""

    id: str = pa.Field(unique=True)
    amount: float = pa.Field(ge=0)
    note: str = pa.Field(nullable=True)
'''

_DEFAULTS: Final = """\
type: {type}

attributes:
  name: {name}
  owner: team:operations
"""


class OutcomeScaffolder(dg.Scaffolder):
    """Writes `defs.yaml` and `contract.py`."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write the files of a new outcome, named after its folder."""
        name = _name(request.target_path.name)
        model = "".join(word.capitalize() for word in name.split("_"))
        words = {"type": request.type_name, "name": name, "model": model}
        contract = request.target_path / "contract.py"
        contract.write_text(_CONTRACT.format(**words), encoding="utf-8")
        _write(request, _OUTCOME.format(**words))


class DefaultsScaffolder(dg.Scaffolder):
    """Writes `defs.yaml`."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write the file of new defaults, named after their folder."""
        name = _name(request.target_path.name)
        _write(request, _DEFAULTS.format(type=request.type_name, name=name))


def _write(request: dg.ScaffoldRequest, declaration: str) -> None:
    """Write the declaration, after what stands in the file already with `dg scaffold --append`.

    It is YAML whatever format was asked for: there every finding has a position.
    """
    if request.append:
        with request.target_path.open("a", encoding="utf-8") as file:
            file.write(f"---\n{declaration}")
        return
    (request.target_path / "defs.yaml").write_text(declaration, encoding="utf-8")


def _name(folder: str) -> str:
    """A folder's name as an outcome may be called."""
    words = re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_")
    return words.lstrip("0123456789_") or "outcome"
