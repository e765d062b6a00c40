"""The bundled controller: conversations to learn from, and the recipe."""
