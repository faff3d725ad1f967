"""Coverage-led fuzzing of site bundles, key sets and walk-in certificates: ``python -m tests.fuzz.bundles --runs N``.

They come over a broker and on USB sticks, so anybody may write one; and whoever signs them may have a fault too.
"""

import atheris

with atheris.instrument_imports(include=["passes", "edge.bundles"]):
    from tests.fuzz.bundling import bundle_seeds, judge_bundle

from tests.fuzz.engine import fuzz

if __name__ == "__main__":
    fuzz("bundles", __doc__, judge_bundle, bundle_seeds())
