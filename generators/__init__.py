"""The built-in generators of datasets: scenes of glyphs, and photographs of house numbers."""
