"""``postern-edge fire-reset``: whoever has looked says that people may enter again. The gate records it, then obeys."""

from typing import Annotated

import typer

from drivers.gate.config import load_config
from edge.command import DEFAULT_CONFIG, ConfigOption, DryRunOption, Exit, JsonOption, failure, put_json, say
from edge.control import ASK_WITHIN_S, SOCKET
from shell.control import ControlError, NotAllowedError, RefusedError, ask
from shell.settings import SettingsError


def fire_reset(
    *,
    by: Annotated[str, typer.Option(help="Who has looked; kept in the record.")],
    reason: Annotated[str, typer.Option(help="What was found; kept in the record.")],
    config: ConfigOption = DEFAULT_CONFIG,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """End an emergency whose fire input is clear: from then on the gate lets people in again.

    Example: postern-edge fire-reset --by 王强 --reason 误报，已现场确认 --config gate.toml
    """
    try:
        path = load_config(config).gate.data_dir / SOCKET
        if dry_run:
            phase = ask(path, {"do": "watch"}, within_s=ASK_WITHIN_S)["now"]["emergency"]
            answer = {"emergency": phase}
        else:
            answer = ask(path, {"do": "fire_reset", "by": by, "reason": reason}, within_s=ASK_WITHIN_S)
    except SettingsError as error:
        raise failure(error, Exit.USAGE) from None
    except RefusedError as error:
        usage = error.code == "bad_request"
        raise failure(error, Exit.USAGE if usage else Exit.FAILED) from None
    except NotAllowedError as error:
        raise failure(error, Exit.UNSAFE) from None
    except ControlError as error:
        raise failure(error, Exit.UNREACHABLE) from None
    if as_json:
        put_json(answer)
    else:
        say(f"emergency: {answer['emergency']}")
