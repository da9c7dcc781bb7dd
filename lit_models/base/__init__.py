"""Machinery common to architectures: training, estimators, optimisers, weight averaging."""
