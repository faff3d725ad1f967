"""Draw the lane's table into docs/lanes.md: ``python -m scripts.lane_table``, after a change of ``edge.lane_table``.

What stands between the two marks of that page is written by this program alone; a test compares them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from edge.lane_table import ABOVE, BEGINS, ENDS, PARTS, ROWS, WALK, Act, Effect, Event, Row, State, Wait, When

PAGE: Final = Path(__file__).parents[1] / "docs" / "lanes.md"
BEGIN: Final = "<!-- drawn from edge/lane_table.py by scripts/lane_table.py -->"
END: Final = "<!-- end of what is drawn -->"


def drawn() -> str:
    """The table as text for the page."""
    return "\n\n".join([_diagram(), _rows(), _above(), _parts()])


def page_with(text: str, table: str) -> str:
    """The page with this table between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{PAGE} lacks its marks"
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _diagram() -> str:
    edges: dict[tuple[State, State], list[str]] = {}
    for row in ROWS:
        for state in row.states:
            if row.to is not None and row.to is not state:
                events = edges.setdefault((state, row.to), [])
                if row.event.value not in events:
                    events.append(row.event.value)
    lines = [f"    {here} --> {there}: {', '.join(events)}" for (here, there), events in edges.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {State.LOCKED}", *lines, "```"])


def _rows() -> str:
    head = ["| in | event | where | then | does | ends by itself |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *map(_row, ROWS)])


def _row(row: Row) -> str:
    cells = [
        "any" if row.states == WALK else _words(row.states),
        row.event.value,
        row.when.value if row.when is not When.ALWAYS else "",
        row.to.value if row.to else "stays",
        _words(row.does, "; "),
        "" if row.wait is Wait.KEEP else row.wait.value,
    ]
    return f"| {' | '.join(cells)} |"


def _above() -> str:
    lines = ["| stands above the walk | begins with | ends with |", "|---|---|---|"]
    for state in ABOVE:
        begins = _words(event for event, begun in BEGINS.items() if begun is state)
        ends = _words(event for event, ended in ENDS.items() if ended is state)
        lines.append(f"| {state.value} | {begins} | {ends} |")
    return "\n".join(lines)


def _parts() -> str:
    said = {event: parts for event, parts in PARTS.items() if parts}
    lines = [
        "| event | is |",
        "|---|---|",
        *(f"| {event.value} | {_words(parts)} |" for event, parts in said.items()),
    ]
    return "\n".join(lines)


def _words(names: Iterable[Act | Effect | Event | State], between: str = ", ") -> str:
    return between.join(name.value for name in names)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), drawn()), encoding="utf-8")


if __name__ == "__main__":
    main()
