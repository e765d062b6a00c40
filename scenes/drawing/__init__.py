"""How a scene becomes pixels: backdrops, shapes, materials, signs."""
