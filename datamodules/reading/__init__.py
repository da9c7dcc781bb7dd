"""Read files and archives: tables of texts, tar archives, downloads."""
