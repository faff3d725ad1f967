"""Tools of the house: installing, locks and the checks that no other tool makes."""
