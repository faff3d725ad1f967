"""The test suite: promises of the product, held on real parts."""
