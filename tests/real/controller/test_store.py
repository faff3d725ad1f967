import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from controller import schema
from controller.store import PRAGMAS, Store, StoreBusyError, StoreError
from tests.real.controller.centre import NOON, Centre

pytestmark = pytest.mark.real


def test_the_migrations_make_the_tables_that_the_code_names(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "centre.db")
    with store.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    store.close()


def test_what_is_written_is_there_after_a_restart(centre: Centre) -> None:
    centre.intake.dead_letter("t", b"payload", "why")
    centre.store.close()
    centre.reopen()
    assert centre.rows(schema.dead_letter, "topic", "payload", "at") == [("t", b"payload", NOON)]


def test_the_journal_mode_survives_a_power_cut(centre: Centre) -> None:
    assert PRAGMAS["journal_mode"] == "truncate"
    with centre.store.transaction() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar_one() == 2


def test_i17_an_error_names_the_statement_and_not_the_number_in_it(centre: Centre) -> None:
    values = {"site": 7, "person": "aa" * 8, "phone": "+442071838750"}
    with centre.store.transaction() as connection:
        connection.execute(schema.phone.insert().values(values))
    with (
        pytest.raises(IntegrityError, match="INSERT INTO phone") as caught,
        centre.store.transaction() as connection,
    ):
        connection.execute(schema.phone.insert().values(values))
    assert "442071838750" not in str(caught.value)


def test_a_second_centre_on_one_file_is_refused(centre: Centre) -> None:
    with pytest.raises(StoreBusyError, match="another process has it open"):
        Store(centre.path)
    assert centre.rows(schema.event) == []


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "centre.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(path)
    assert path.read_bytes() == b"no database at all" * 100


def test_a_database_of_a_newer_version_is_refused(centre: Centre) -> None:
    centre.store.close()
    with sqlite3.connect(centre.path) as connection:
        (newest,) = connection.execute("select version_num from alembic_version").fetchone()
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        Store(centre.path)
    with sqlite3.connect(centre.path) as connection:
        connection.execute("update alembic_version set version_num = ?", (newest,))
    connection.close()
    centre.reopen()


def test_a_database_from_before_there_were_walk_ins_is_brought_up_to_date(centre: Centre) -> None:
    centre.intake.dead_letter("t", b"payload", "why")
    centre.store.close()
    with sqlite3.connect(centre.path) as connection:
        connection.executescript(
            "drop table gate_key; drop table registration; update alembic_version set version_num = '0003'"
        )
    connection.close()
    centre.reopen()
    with centre.store.transaction() as opened:
        assert compare_metadata(MigrationContext.configure(opened), schema.metadata) == []
    assert len(centre.rows(schema.dead_letter)) == 1


def test_a_closed_store_is_not_opened_again_by_accident(centre: Centre) -> None:
    centre.store.close()
    with pytest.raises(StoreError, match="is closed"), centre.store.transaction():
        pass
