"""The ledger: its file, its tables, and the rows of what is kept."""
