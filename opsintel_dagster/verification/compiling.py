"""From the facts of a schema to rules: their ids, order and tiers."""

from collections import defaultdict
from dataclasses import dataclass

from opsintel_dagster.errors import ContractError
from opsintel_dagster.verification.compiled import (
    CellRule,
    CheckRefusedError,
    CheckRule,
    UniqueRule,
    compile_check,
)
from opsintel_dagster.verification.descriptions import describe, describe_dtype
from opsintel_dagster.verification.naming import DeclaredCheck, check_name, name_checks
from opsintel_dagster.verification.problems import ContractProblem
from opsintel_dagster.verification.rules import (
    KEY_NOT_NULL,
    KEY_UNIQUE,
    Rule,
    Severity,
    Tier,
    rule_of_column,
)
from opsintel_dagster.verification.schema_reading import SchemaFacts
from opsintel_dagster.verification.text_forms import reads_every_text


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """All rules of a contract, by how they are judged."""

    coerce: tuple[CellRule, ...]
    not_null: tuple[CellRule, ...]
    key_not_null: Rule | None
    unique: tuple[UniqueRule, ...]
    checks: tuple[CheckRule, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule: cells first, then checks, then what is unique; the key's last."""
        plain = [one.rule for one in (*self.coerce, *self.not_null)]
        checks = [one.rule for one in self.checks]
        unique = [one.rule for one in self.unique]
        key = [] if self.key_not_null is None else [self.key_not_null]
        return (*plain, *checks, *key, *unique)


def compile_rules(
    facts: SchemaFacts, key: tuple[str, ...], problems: list[ContractProblem]
) -> CompiledRules:
    """Compile every rule of the schema.

    Args:
        facts: The schema.
        key: The columns that name a record.
        problems: What was found wrong so far; more is added.

    Raises:
        ContractError: There is any problem, old or new.
    """
    for name in key:
        if name not in facts.columns and not any(f"column {name!r}" == p.where for p in problems):
            reason = "it is part of the key and no column of the contract"
            fix = f"Declare it, or use some of {', '.join(facts.columns)}"
            problems.append(ContractProblem(f"column {name!r}", reason, fix))
    if problems and any(name not in facts.columns for name in key):
        raise ContractError(facts.name, problems)
    coerce, not_null = _cell_rules(facts)
    key_not_null = _key_not_null(facts, key)
    unique = _unique_rules(facts, key)
    taken = [one.rule.id for one in (*coerce, *not_null)] + [one.rule.id for one in unique]
    checks = _check_rules(facts, taken, problems)
    compiled = CompiledRules(coerce, not_null, key_not_null, unique, checks)
    problems += _indistinguishable(compiled.rules)
    if problems:
        raise ContractError(facts.name, problems)
    return compiled


def _indistinguishable(rules: tuple[Rule, ...]) -> list[ContractProblem]:
    """Rules of columns like `a b` and `a_b`, which are one name to Dagster."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for rule in rules:
        by_name[check_name(rule.id)].append(rule.id)
    fix = "Rename one of the columns"
    return [
        ContractProblem(f"rules {' and '.join(ids)}", f"both would be the check {name!r}", fix)
        for name, ids in by_name.items()
        if len(ids) > 1
    ]


def _cell_rules(facts: SchemaFacts) -> tuple[tuple[CellRule, ...], tuple[CellRule, ...]]:
    coerce: list[CellRule] = []
    not_null: list[CellRule] = []
    for name, column in facts.declared.items():
        if not reads_every_text(column.dtype):
            text = describe_dtype(name, column.dtype)
            rule = Rule(
                rule_of_column(name, "coerce"), (name,), Severity.ERROR, Tier.ROW, None, text
            )
            coerce.append(CellRule(rule, name))
        if not column.is_nullable:
            text = f"{name} is not empty."
            rule = Rule(
                rule_of_column(name, "not_null"), (name,), Severity.ERROR, Tier.ROW, None, text
            )
            not_null.append(CellRule(rule, name))
    return tuple(coerce), tuple(not_null)


def _key_not_null(facts: SchemaFacts, key: tuple[str, ...]) -> Rule | None:
    open_columns = [facts.columns[name] for name in key]
    if all(column.is_required and not column.is_nullable for column in open_columns):
        return None
    text = f"Every part of the key ({', '.join(key)}) is filled in."
    return Rule(KEY_NOT_NULL, key, Severity.ERROR, Tier.ROW, None, text)


def _unique_rules(facts: SchemaFacts, key: tuple[str, ...]) -> tuple[UniqueRule, ...]:
    declared: list[tuple[tuple[str, ...], str]] = [
        ((name,), column.report_duplicates)
        for name, column in facts.declared.items()
        if column.is_unique
    ]
    declared += [(columns, facts.report_duplicates) for columns in facts.unique]
    rules: dict[str, UniqueRule] = {}
    for columns, report in declared:
        text = f"No two records of an arrival have the same {', '.join(columns)}."
        rule_id = rule_of_column("+".join(columns), "unique")
        rule = Rule(rule_id, columns, Severity.ERROR, Tier.FRAME, None, text, True)
        if rule_id not in rules or report == "all":
            rules[rule_id] = UniqueRule(rule, columns, report, ignores_null=False)
    if key:
        text = f"No two records of an arrival have the same key ({', '.join(key)})."
        rule = Rule(KEY_UNIQUE, key, Severity.ERROR, Tier.FRAME, None, text, True)
        rules[KEY_UNIQUE] = UniqueRule(rule, key, "all", ignores_null=True)
    return tuple(rules.values())


def _check_rules(
    facts: SchemaFacts, taken: list[str], problems: list[ContractProblem]
) -> tuple[CheckRule, ...]:
    declared = [
        DeclaredCheck(check, name)
        for name, column in facts.declared.items()
        for check in column.checks
    ]
    declared += [DeclaredCheck(check, None) for check in facts.checks]
    rules: list[CheckRule] = []
    for one, rule_id in zip(declared, name_checks(declared, taken, problems), strict=True):
        try:
            seen = facts.seen_by(one.column)
            rule = compile_check(one.check, one.column, rule_id, describe(one), seen)
        except CheckRefusedError as refusal:
            if any(f'"{name}"' in str(refusal) for name in facts.refused):
                continue  # it would run if that column were mended
            fix = "Fit the check to the column's dtype, or the dtype to the check"
            problems.append(ContractProblem(f"rule {rule_id!r}", f"it cannot run: {refusal}", fix))
        else:
            rules.append(rule)
    return tuple(rules)
