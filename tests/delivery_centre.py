"""The centre's receiving end as a process that a test kills: ``python -m tests.delivery_centre DATABASE URL [TLS]``."""

import sys
from pathlib import Path
from random import Random

from controller.intake_store import CentreIntake
from controller.store import Store
from shell.clock import SystemClock
from shell.supervision import stop_event
from sync.intake import Intake
from sync.link import LinkSettings
from tests.delivery_gate import tls_of


def main() -> None:
    clock, stop = SystemClock(), stop_event()
    store = Store(Path(sys.argv[1]))
    intake = Intake(
        CentreIntake(store=store, clock=clock),
        link=LinkSettings(
            url=sys.argv[2],
            client_id="centre-1",
            tls=tls_of(sys.argv[3:]),
            retry_max_s=1.0,
            in_flight_max=1000,
        ),
        clock=clock,
        rng=Random(8),
    )
    intake.start()
    stop.wait()
    intake.stop()
    store.close()


if __name__ == "__main__":
    main()
