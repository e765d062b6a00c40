"""Finding again: from a query to ranked hits."""
