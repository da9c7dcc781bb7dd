"""A finished run at work: predict, judge, submit, look into its words."""
