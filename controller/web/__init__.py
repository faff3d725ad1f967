"""The centre's pages: who is inside, who overstays, which SMS went out, how the gates are."""
