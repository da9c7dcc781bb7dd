"""What runs leave, by kind of problem: outputs for each row of a split, and metrics of them."""
