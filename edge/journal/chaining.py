"""Which of the rows that lie in the bytes of a broken file are of one chain.

The bytes tell no epoch, and earlier epochs have rows of the same numbers. A row's hash covers all rows before it: what
an accepted row names as the one before it is that row, and what names an accepted row follows it.
"""

from collections.abc import Collection, Iterable, Mapping

from edge.journal.broken import Carved


def chained(
    found: Iterable[Carved], held: Mapping[int, tuple[str, str]], elsewhere: Collection[str]
) -> list[Carved]:
    """Those of ``found`` that hang on rows which are held, directly or by one another.

    Args:
        found: What lies in the bytes.
        held: By number: ``prev`` and ``hash`` of the rows of the epoch that could be read.
        elsewhere: Hashes of rows of other epochs that could be read.
    """
    chain = dict(held)
    rows = {row.digest: row for row in found if row.seq not in held}
    if not chain:
        known = {digest: row for digest, row in rows.items() if digest not in elsewhere}
        if len({row.seq for row in known.values()}) == len(known):
            return list(known.values())  # no number is there twice: all are of one epoch
        if not known:
            return []
        newest = max(known.values(), key=lambda row: (row.at, -row.seq))  # carried rows have lower numbers
        chain[newest.seq] = newest.prev, newest.digest
    taken: dict[int, Carved] = {}
    for seq in sorted(
        chain, reverse=True
    ):  # what comes before: named by its hash, so whatever epoch has it, too
        prev, below = chain[seq][0], seq - 1
        while below not in chain and prev in rows and rows[prev].seq == below:
            taken[below] = rows[prev]
            chain[below] = rows[prev].prev, prev
            prev, below = rows[prev].prev, below - 1
    behind = {(row.seq, row.prev): row for row in rows.values() if row.digest not in elsewhere}
    for seq in sorted(chain):
        above, digest = seq + 1, chain[seq][1]
        while above not in chain and (row := behind.get((above, digest))) is not None:
            taken[above] = row
            chain[above] = row.prev, row.digest
            above, digest = above + 1, row.digest
    if not held:
        taken[newest.seq] = newest
    return [taken[seq] for seq in sorted(taken)]
