"""Building data sets: glyph sources, scenes, painting."""
