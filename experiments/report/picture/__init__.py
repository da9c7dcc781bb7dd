"""Picture of a published table: accuracy against number of parameters, as SVG."""
