"""RunSettings: what a run is beside its model, data and trainer."""

from __future__ import annotations

from typing import Literal


class RunSettings:
    """Settings of a run beside those of its model, data and trainer.

    Args:
        protocol: `holdout` trains on 90% of train and chooses on the rest; `refit` does the same,
            then trains anew on all of train for as many epochs as were chosen, and tests and keeps
            the new weights. Validation metrics are those of the first fit.
        folds: number of folds of cross-validation within the train split: each row of it is
            predicted by a model that learnt from the other folds, and `protocol` does not count.
            Nothing is tested, and no model is kept. None: validation as the corpus has it.
        monitor: metric on the validation rows by which the best epoch is chosen
            (`experiments.config.directions`).
        mode: `min` if a lower metric is better, else `max`; None: as the metric demands.
        patience: epochs without improvement after which a run stops.
        threshold: how the probability is chosen from which on the second of two classes is
            predicted: the one with the highest F1 (`f1`) or balanced accuracy (`balanced`) on the
            validation rows, under `folds` on all rows of train. Probabilities stay what they are.
            None: the more probable class is predicted. Where a text may have several labels, `f1`
            is the micro F1 of all of them, and None a probability of 0.5 for each.
        precision: `auto` is bf16 where the card has it in hardware, fp16 on older cards, fp32
            elsewhere; or any of Lightning's names.
        checkpoint_minutes: how often a resumable checkpoint is written within an epoch.
        wandb_project: W&B project; None is `$WANDB_PROJECT`, else `lit-sentiment`.
        wandb_entity: W&B entity; None is the account's own.
        wandb_mode: `auto` is offline unless an API key is set up.
        wandb_texts: send the worst mistakes with their texts to W&B.
    """

    def __init__(
        self,
        protocol: Literal["holdout", "refit"] = "holdout",
        folds: int | None = None,
        monitor: str = "val/log_loss",
        mode: Literal["min", "max"] | None = None,
        patience: int = 3,
        threshold: Literal["f1", "balanced"] | None = None,
        precision: str = "auto",
        checkpoint_minutes: float = 10.0,
        wandb_project: str | None = None,
        wandb_entity: str | None = None,
        wandb_mode: Literal["auto", "online", "offline", "disabled"] = "auto",
        wandb_texts: bool = False,
    ) -> None:
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
