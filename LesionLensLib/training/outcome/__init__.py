"""What every outcome study shares: rows on the same folds, predictions of held-out cases, tables, resuming."""
