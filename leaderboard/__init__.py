"""Committed result records."""
