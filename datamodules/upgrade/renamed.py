"""Table of classes and functions that were renamed or left their module; others moved with it."""

from __future__ import annotations

_RENAMED = {
    "datamodules": """
        batching.BucketSampler store.sampler.BucketSampler
        batching.Cut store.truncation.TokenTruncation
        batching.Ragged store.ragged.Ragged
        batching.TrainView store.train_view.TrainView
        batching.Truncation store.truncation.Truncation
        download.take_out reading.download.extract
        imdb.find_corpus reading.aclimdb.find_corpus
        imdb.parse_movies reading.aclimdb.parse_movies
        ragged.joined store.ragged.concat_ragged
        ragged.without store.ragged.drop_token
        vectors.Covered vectors.base.Coverage
        vectors.Text vectors.base.Text
        vectors.TokenRows vectors.base.TokenRows
        vectors.Vectors vectors.base.Vectors
        vectors.Word2Vec vectors.word2vec.Word2Vec
        vectors.WordVectors vectors.base.WordVectors
    """,
    "experiments": """
        callbacks.Clock training.callbacks.TrainingTimer
        callbacks.Finite training.callbacks.NonFiniteGuard
        callbacks.Progress training.callbacks.ProgressCallback
        callbacks.StopAfter training.callbacks.StopAfterEpochs
        challenges.challenges inference.robustness_sets.build_challenges
        challenges.with_typos inference.robustness_sets.add_typos
        challenges.without_punctuation inference.robustness_sets.remove_punctuation
        config.CONFIGS config.registry.CONFIGS
        config.Profile config.registry.Profile
        config.comparable config.identity.comparable
        config.config_hash config.identity.config_hash
        config.ConfigError config.registry.ConfigError
        config.Registry config.registry.Registry
        config.RunSettings config.run_settings.RunSettings
        config.layered config.registry.layered
        config.merge config.registry.merge
        config.read_profile config.registry.read_profile
        config.read_yaml config.registry.read_yaml
        cost.cost_file records.costs.cost_file
        cost.with_costs records.costs.add_costs
        evaluation_log.check records.test_log.check_logged
        evaluation_log.holds records.test_log.is_logged
        evaluation_log.lacks records.test_log.is_missing
        evaluation_log.record records.test_log.record_evaluation
        fitting.Tell training.callbacks.ProgressFn
        fitting.fit_again training.fitting.refit
        fitting.ready training.fitting.build_and_setup
        launchers.Watch launch.launcher.RunObserver
        plan.Planned records.plan.PlannedRun
        plan.keep_plan records.plan.add_to_plan
        pretraining.Told training.pretraining.PretrainingProgress
        pretraining.held_out_loss training.pretraining.validation_loss
        pruning.Prune tuning.study.PruningCallback
        pruning.trial_of tuning.study.load_trial
        publishing.without_paths records.publishing.strip_paths
        rank_group.STOPPED training.signals.EXIT_STOPPED
        rank_group.joined launch.process_group.join_process_group
        rank_group.started launch.process_group.start_process_group
        ranks.Processes training.ranks.RankEnvironment
        report.evidence.statistics report.evidence.analyse_rows
        report.facts.machine report.facts.describe_machine
        report.figure.span report.figure.padded_range
        report.markdown.explanation report.markdown.explain_intervals
        report.missing.Missing report.missing.MissingRun
        report.missing.missing report.missing.missing_runs
        report.pareto.front report.pareto.pareto_front
        report.provenance.origin report.provenance.find_origin
        report.robustness.grid report.robustness.print_table
        report.robustness.markdown report.robustness.markdown_table
        report.texts.Texts report.texts.ReviewTexts
        report.texts.find report.texts.find_texts
        results.ResultsError records.row.ResultsError
        results.Row records.row.Row
        resuming.Resumable training.checkpointing.ResumeCheckpoint
        resuming.WholeFiles training.checkpointing.AtomicCheckpointIO
        robustness.Judged inference.robustness.RobustnessResult
        robustness.Refused inference.robustness.UnsuitableRun
        robustness.judge inference.robustness.evaluate_run
        robustness.judge_all inference.robustness.evaluate_benchmark
        robustness.publish inference.robustness.publish_result
        robustness.read_judged inference.robustness.read_result
        robustness.read_published inference.robustness.read_published_results
        run.RunSpec training.spec.RunSpec
        run.failed_row training.outcome.failed_row
        shares.shares machine.resources.split_resources
        shares.take machine.resources.apply_share
        slurm.work launch.slurm.run_job
        space.words_of tuning.search_space.to_arguments
        speed.process.run speed.process.run_measurement
        speed.record.write speed.record.write_measurement
        squeue.tagged launch.squeue.find_job
        statistics.calibration.scaled statistics.calibration.apply_temperature
        statistics.calibration.temperature statistics.calibration.fit_temperature
        statistics.groups.letters statistics.groups.group_letters
        statistics.intervals.check statistics.totals.check_correct
        statistics.intervals.quantile statistics.intervals.t_quantile
        statistics.intervals.seeds_part statistics.seeds.seed_variance
        statistics.pairs.holm statistics.pairwise_tests.holm_correction
        statistics.reading.predictions_of statistics.reading.read_run_predictions
        statistics.subsets.Part statistics.subsets.SubsetAccuracy
        statistics.subsets.accuracy statistics.subsets.subset_accuracy
        statistics.subsets.copies statistics.subsets.find_copies
        statistics.table.check_same statistics.table.check_same_reviews
        stopping.Stop training.signals.StopRequest
        submission.submit inference.kaggle_submission.write_submission
        tracking.refitting training.wandb_run.refit_logger
        weights.fetched launch.prefetch.fetched_names
        weights.variables launch.prefetch.offline_variables
        word_table.answer inference.word_table.answer_lines
    """,
}

NAMES: dict[str, str] = {
    f"{package}.{old}": f"{package}.{new}"
    for package, table in _RENAMED.items()
    for old, new in (line.split() for line in table.strip().splitlines())
}
"""Old dotted path to new."""
