"""CLIP: pictures compared with words, and whether a picture is of the kind that it knows."""
