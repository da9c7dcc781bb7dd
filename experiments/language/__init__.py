"""Language models: what they are judged by, and what they generate."""
