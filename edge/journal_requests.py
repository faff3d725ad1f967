"""What the tools on this machine may ask of the running gate's journal: a copy. ``edge.control`` has the table."""

import os
from collections.abc import Mapping
from typing import Any, Final

from edge.disk_watch import COPIES
from edge.journal import Journal, JournalError
from shell.control import Handler, RequestError

COPIES_MAX: Final = 2  # that nobody has taken away yet


def journal_handlers(journal: Journal) -> dict[str, Handler]:
    """What each ``do`` does; in the connection's thread, for the journal is copied while it goes on."""

    def journal_backup(content: Mapping[str, Any]) -> Mapping[str, Any]:
        if set(content) != {"do"}:
            raise RequestError("bad_request", "此请求没有其他字段 this request has no other fields")
        folder = journal.path.with_name(COPIES)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if len(list(folder.iterdir())) >= COPIES_MAX:
                raise RequestError(
                    "busy", f"{folder} 中的副本未取走 holds copies that nobody took away; delete them first"
                )
            path = folder / f"{os.urandom(8).hex()}.db"
            size = journal.backup(path)
        except (JournalError, OSError) as error:
            raise RequestError("no_copy", f"日志无法复制 The journal cannot be copied: {error}") from error
        return {"path": str(path), "bytes": size, "epoch": journal.epoch(), "last": journal.last_seq()}

    return {"journal_backup": journal_backup}
