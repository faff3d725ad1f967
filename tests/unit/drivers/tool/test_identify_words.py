"""``identify`` with a protocol that nobody speaks: the names that there are, and not a word about type plates."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from drivers.registry import PROTOCOLS
from drivers.tool.identify import identify


def test_a_protocol_with_a_misspelt_name_is_answered_with_the_names_that_there_are(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(identify)
    done = CliRunner().invoke(app, ["--port", str(tmp_path / "none"), "--protocol", "kmtronics"])
    said = " ".join(done.output.split())
    assert done.exit_code == 2
    assert "kmtronics is unknown" in said
    assert all(name in said for name in PROTOCOLS)
