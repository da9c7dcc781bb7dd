"""Messages of libraries that the user of this suite can do nothing about."""

from __future__ import annotations

import logging
import sys
import warnings

_LEVELS = {
    # Devices, tips for other products, and what the suite does on purpose.
    "lightning.pytorch": logging.WARNING,
    "lightning.fabric": logging.WARNING,
    # Texts that are cut off later, weights of a new head.
    "transformers": logging.ERROR,
    # Few texts for each of its threads.
    "gensim": logging.ERROR,
}
_MESSAGES = (
    # Of Lightning. A run's folder has its log and config before its first checkpoint.
    r"Checkpoint directory .* exists and is not empty",
    r"The number of training batches .* is smaller than the logging interval",
    r"`LightningModule.configure_optimizers` returned `None`",
    r"The '\w+' does not have many workers",  # batches are slices of arrays
    r"Trying to infer the `batch_size` from an ambiguous collection",
    r"Lightning couldn't infer the indices fetched for your dataloader",
    r".*treespec, LeafSpec.* is deprecated",
    # Of PyTorch, about its own layers.
    r"enable_nested_tensor is True",
    r"The PyTorch API of nested tensors is in prototype stage",
    r"Grad strides do not match bucket view strides",
)
_CATEGORIES = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


def quiet_libraries() -> None:
    """Silence messages of libraries about their own code, or about what the suite does on purpose.

    Warnings that a user can act on stay, such as that of a fit that did not converge. Call it again
    after Lightning is imported, which sets the level of its own messages. Warnings that the user
    has asked for with `-W` or `$PYTHONWARNINGS` are left alone.
    """
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    if sys.warnoptions:
        return
    for category in _CATEGORIES:
        warnings.simplefilter("ignore", category)
    for message in _MESSAGES:
        warnings.filterwarnings("ignore", message)
