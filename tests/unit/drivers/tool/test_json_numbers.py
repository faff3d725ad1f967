"""JSON of the tool that every reader takes, whatever a gate's file holds."""

import json
from pathlib import Path

from typer.testing import CliRunner

from drivers.tool.config_cli import config_app


def test_what_json_has_no_number_for_is_shown_as_text(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text("a = [inf, -inf, nan, 1.5]\n", encoding="utf-8")
    done = CliRunner().invoke(config_app, ["show", "--config", str(file), "--json"])

    def refused(word: str) -> None:
        raise AssertionError(word)

    assert "1.5" in done.stdout
    assert "inf" in done.stdout
    json.loads(done.stdout, parse_constant=refused)
