"""Tools called by name, by programs and by controllers of others."""
