"""Every word that a model is told, as files, with a small checked loader."""
