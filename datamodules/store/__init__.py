"""Keep a corpus as token arrays and cut batches from them."""
