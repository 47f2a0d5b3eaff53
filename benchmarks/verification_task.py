"""What every verifier of the benchmark has to do: the same rows, the same sixteen rules.

Twelve columns; four not-null, a unique id, a composite that is unique, an enumeration, membership
in 50,000 codes, an e-mail pattern, three lengths, three ranges, one rule across columns.
"""

from pathlib import Path

import numpy as np
import pandera.polars as pa
import polars as pl

STATUS = ["new", "paid", "sent", "back", "lost"]
CODES = [f"P{code:06d}" for code in range(50_000)]
EMAIL = r"^[a-z0-9.]+@[a-z0-9]+\.[a-z]{2,}$"
LARGEST = 1e5


def orders(rows: int, share_bad: float, seed: int = 7) -> pl.DataFrame:
    """Seeded orders; in `share_bad` of the rows one thing is wrong, now and then two."""
    random = np.random.default_rng(seed)
    number = pl.Series(np.arange(rows))
    ticket = pl.Series(random.integers(1 << 60, 1 << 62, rows)).cast(pl.String)
    price = np.round(random.random(rows) * 1000 + 1, 2)
    frame = pl.DataFrame(
        {
            "id": random.permutation(rows),
            "shop": random.integers(1, 500, rows),
            "ticket": ticket + pl.Series(random.integers(1 << 60, 1 << 62, rows)).cast(pl.String),
            "status": pl.Series(STATUS).gather(random.integers(0, 5, rows)),
            "product": pl.Series(CODES).gather(random.integers(0, 50_000, rows)),
            "email": "u" + (number % 99_991).cast(pl.String) + "@example.com",
            "name": "Name " + (number % 7919).cast(pl.String),
            "city": "City " + (number % 997).cast(pl.String),
            "note": "note " + (number % 31).cast(pl.String),
            "quantity": random.integers(1, 1000, rows),
            "price": price,
            "paid": np.round(price * 0.9, 2),
        }
    )
    bad = random.random(rows) < share_bad
    kind = pl.Series("kind", np.where(bad, random.integers(0, 12, rows), -1))
    broken = {
        "id": pl.lit(0),
        "shop": None,
        "ticket": None,
        "status": pl.lit("gone"),
        "product": pl.lit("P999999"),
        "email": pl.lit("nobody"),
        "name": pl.lit(""),
        "city": pl.lit("x"),
        "note": pl.lit("long " * 30),
        "quantity": pl.lit(0),
        "price": pl.lit(-1.0),
        "paid": pl.lit(5000.0),
    }
    return frame.with_columns(
        pl.when(kind == i).then(value).otherwise(pl.col(name)).alias(name)
        for i, (name, value) in enumerate(broken.items())
    )


def file_of(folder: Path, rows: int, share_bad: float) -> Path:
    """The Parquet file of such rows, written once."""
    path = folder / f"orders-{rows}-{share_bad}.parquet"
    if not path.exists():
        orders(rows, share_bad).write_parquet(path)
    return path


def schema() -> pa.DataFrameSchema:
    """The task as a contract of pandera.polars."""
    paid = pa.Check(
        lambda data: data.lazyframe.select(pl.col("paid") <= pl.col("price")), name="paid_fits"
    )
    return pa.DataFrameSchema(
        {
            "id": pa.Column(pl.Int64, unique=True),
            "shop": pa.Column(pl.Int64),
            "ticket": pa.Column(pl.String),
            "status": pa.Column(pl.String, pa.Check.isin(STATUS)),
            # Pandera's own words for it would be all the codes, in each of its failure cases.
            "product": pa.Column(pl.String, pa.Check.isin(CODES, error="known"), nullable=True),
            "email": pa.Column(pl.String, pa.Check.str_matches(EMAIL), nullable=True),
            "name": pa.Column(pl.String, pa.Check.str_length(1, 40), nullable=True),
            "city": pa.Column(pl.String, pa.Check.str_length(2, 30), nullable=True),
            "note": pa.Column(pl.String, pa.Check.str_length(max_value=80), nullable=True),
            "quantity": pa.Column(pl.Int64, pa.Check.in_range(1, 1000), nullable=True),
            "price": pa.Column(pl.Float64, pa.Check.in_range(0, LARGEST), nullable=True),
            "paid": pa.Column(pl.Float64, pa.Check.in_range(0, LARGEST), nullable=True),
        },
        checks=paid,
        unique=["shop", "ticket"],
        strict=True,
    )


def hand_written(
    frame: pl.DataFrame, *, is_tuned: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What somebody who knows Polars writes for this task and no other.

    Tuned: the same by somebody who has measured it, and compares hashes first and builds the list
    of reasons once for each distinct set of them.
    """
    column = pl.col
    length = {name: column(name).str.len_chars() for name in ("name", "city", "note")}
    broken = {
        "id.not_null": column("id").is_null(),
        "shop.not_null": column("shop").is_null(),
        "ticket.not_null": column("ticket").is_null(),
        "status.not_null": column("status").is_null(),
        "status.isin": ~column("status").is_in(STATUS),
        "product.isin": ~column("product").is_in(CODES),
        "email.matches": ~column("email").str.contains(EMAIL),
        "name.length": ~length["name"].is_between(1, 40),
        "city.length": ~length["city"].is_between(2, 30),
        "note.length": length["note"] > 80,
        "quantity.in_range": ~column("quantity").is_between(1, 1000),
        "price.in_range": ~column("price").is_between(0, LARGEST),
        "paid.in_range": ~column("paid").is_between(0, LARGEST),
        "paid_fits": column("paid") > column("price"),
    }
    if is_tuned:
        broken["id.unique"] = _repeated(frame, ["id"])
        broken["shop+ticket.unique"] = _repeated(frame, ["shop", "ticket"])
    else:
        broken["id.unique"] = column("id").is_duplicated()
        broken["shop+ticket.unique"] = pl.struct("shop", "ticket").is_duplicated()
    masks = frame.select(mask.fill_null(value=False).alias(rule) for rule, mask in broken.items())
    bad = masks.select(pl.any_horizontal(pl.all())).to_series()
    lists = (_lists_of_sets if is_tuned else _lists)(masks.filter(bad))
    return frame.filter(~bad), pl.concat([frame.filter(bad), lists], how="horizontal")


def _lists(masks: pl.DataFrame) -> pl.DataFrame:
    names = [pl.when(rule).then(pl.lit(rule)) for rule in masks.columns]
    return masks.select(pl.concat_list(names).list.drop_nulls().alias("_rules"))


def _lists_of_sets(masks: pl.DataFrame) -> pl.DataFrame:
    rules = masks.columns
    bits = (pl.col(rule).cast(pl.UInt32) * (1 << i) for i, rule in enumerate(rules))
    sets = masks.select(pl.sum_horizontal(bits).alias("set"))
    distinct = sets.get_column("set").unique()
    lists = [[rule for i, rule in enumerate(rules) if one >> i & 1] for one in distinct]
    named = pl.DataFrame({"set": distinct, "_rules": lists})
    return sets.join(named, on="set", how="left", maintain_order="left").select("_rules")


def _repeated(frame: pl.DataFrame, names: list[str]) -> pl.Expr:
    """By hash first, and exactly among the rows whose hash is not theirs alone."""
    hashes = frame.select(names).hash_rows()
    ordered = hashes.sort(multithreaded=False)
    shared = ordered.slice(1).filter(ordered.slice(1) == ordered.slice(0, len(ordered) - 1))
    at = hashes.is_in(shared.unique().implode()).arg_true()
    exact = frame.select(names)[at].is_duplicated()
    return pl.lit(pl.zeros(frame.height, dtype=pl.Boolean, eager=True).scatter(at, exact))
