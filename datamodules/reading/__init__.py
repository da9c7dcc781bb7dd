"""Readers of files: tables of texts, archives, downloads."""
