import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select
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


BEFORE_WALK_INS = """
drop index ix_event_at;
create index ix_event_id on event (site, gate, id);
drop table double_use; drop table alias; drop table command; drop table gate_identity; drop table gate_code;
drop table gate_key; drop table registration;
drop index ix_pass_issued_one_entry; alter table pass_issued drop column one_entry;
create index ix_pass_issued_paper on pass_issued (site, expires_at) where holder_key is null;
insert into pass_issued (site, pass_id, person, category, unit, purpose, gates, stay, status_index, key_id, holder_key,
    issued_at, expires_at)
select 7, name, 'p', 'food', 1, 0, 1, 30, 1, 'k', holder, '2026-11-22T04:00:00.000Z', '2026-11-22T05:00:00.000Z'
from (select 'paper' as name, null as holder union select 'soft', '02' union select 'kept', '03');
insert into enrolment (id, secret_hash, challenge, site, category, created_at, expires_at, used_at, holder_key,
    key_level, pass_id)
select name, name, 'c', 7, 'food', '2026-11-22T04:00:00.000Z', '2026-11-22T05:00:00.000Z', '2026-11-22T04:00:00.000Z',
    '02', level, name
from (select 'soft' as name, 1 as level union select 'kept', 2);
update alembic_version set version_num = '0003';
"""


def test_a_database_from_before_there_were_walk_ins_is_brought_up_to_date(centre: Centre) -> None:
    centre.intake.dead_letter("t", b"payload", "why")
    centre.store.close()
    with sqlite3.connect(centre.path) as connection:
        connection.executescript(BEFORE_WALK_INS)
    connection.close()
    centre.reopen()
    with centre.store.transaction() as opened:
        assert compare_metadata(MigrationContext.configure(opened), schema.metadata) == []
        issued = opened.execute(select(schema.pass_issued.c.pass_id, schema.pass_issued.c.one_entry))
        once = {row.pass_id: row.one_entry for row in issued}
    assert len(centre.rows(schema.dead_letter)) == 1
    assert once == {"paper": True, "soft": True, "kept": False}


def test_a_closed_store_is_not_opened_again_by_accident(centre: Centre) -> None:
    centre.store.close()
    with pytest.raises(StoreError, match="is closed"), centre.store.transaction():
        pass
