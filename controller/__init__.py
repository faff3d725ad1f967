"""The centre: issuing, intake of events, ledger of visits, overstay monitor, alerts and web pages."""
