"""Text to pieces: tokenizing, words, windows, segments, truncation."""

WORD_SEPARATOR = "\n"
"""Stands between words that are given one by one, in the one string that they travel in."""
