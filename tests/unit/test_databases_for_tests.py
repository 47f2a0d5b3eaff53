from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool


def test_each_test_gets_an_empty_database_that_takes_writes(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE things (n INTEGER)"))
        connection.execute(text("INSERT INTO things VALUES (1)"))
        assert connection.execute(text("SELECT count(*) FROM things")).scalar_one() == 1


def test_a_database_does_not_carry_over_to_the_next_test(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE things (n INTEGER)"))
