"""Names that stand in files and on the wire: what they may be made of."""

from typing import Annotated

from pydantic import StringConstraints

GateId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
