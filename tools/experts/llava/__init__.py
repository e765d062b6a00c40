"""LLaVA: its model, its prompt, its decoding."""
