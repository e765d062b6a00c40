"""How people put what they want: families of phrasing, noun phrases, noise."""
