"""What can be asked of things that have boxes and labels: one typed language, and the one executor that answers it.

It knows neither pictures nor models: the drawn world asks it about its truth (`scenes.language.programs`), and the
tools ask it about what detectors found (`tools.shared.choosing`).
"""
