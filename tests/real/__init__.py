"""See STYLE section 11 for what belongs here."""
