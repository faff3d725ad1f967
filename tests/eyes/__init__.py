"""Pictures for eyes, and eyes that go wrong: what the nursery of a test forks instead of the real one."""
