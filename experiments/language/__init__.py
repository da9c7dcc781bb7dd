"""Language models: what they are judged by."""
