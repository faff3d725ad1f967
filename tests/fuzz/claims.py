"""Coverage-led fuzzing of claims behind a good signature: ``python -m tests.fuzz.claims --runs N``, or ``make fuzz``.

No outsider reaches this decoder. An issuer gone wrong would; it must not bring a gate down either.
"""

import atheris

with atheris.instrument_imports(include=["passes"]):
    from tests.fuzz.judging import claims_seeds, judge_claims

from tests.fuzz.engine import fuzz

if __name__ == "__main__":
    fuzz("claims", __doc__, judge_claims, claims_seeds())
