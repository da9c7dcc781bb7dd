"""The picture of a published table: accuracy against parameters, as SVG."""
