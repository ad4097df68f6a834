"""The program: plans runs, trains, scores the test images once, leaves one record per run."""
