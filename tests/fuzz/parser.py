"""Coverage-led fuzzing of text to answer: ``python -m tests.fuzz.parser --runs N``, or ``make fuzz``.

Any exception, and any pass verified that nobody issued, is a find.
"""

import atheris

with atheris.instrument_imports(include=["passes"]):
    from tests.fuzz.judging import judge, seeds, text_of

from tests.fuzz.engine import fuzz

if __name__ == "__main__":
    fuzz("parser", __doc__, lambda data: judge(text_of(data)), seeds())
