"""What tests need that have no models: a scripted controller, experts that know the truth, a small embedder."""
