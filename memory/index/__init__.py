"""The index: a copy of the ledger's vectors in Chroma, and what keeps it whole."""
