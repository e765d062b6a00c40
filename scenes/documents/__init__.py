"""A second world with exact truth: receipts, forms, tables, letters and screens, from a seed, worn as paper is."""
