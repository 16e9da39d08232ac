"""Measurements of speed and memory; a package, so that one of the same name elsewhere is not imported instead."""
