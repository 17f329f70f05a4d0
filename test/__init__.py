"""Tests; the folders mirror those of sipproxy."""
