"""Held-out cases: requests in families of phrasing that never train, with what is right."""
