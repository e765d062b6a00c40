"""The recipes that make the models in `zoo/`."""
