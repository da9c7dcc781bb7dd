"""Tests of what models of transcription share."""
