"""The page of evidence: what the four papers report beside what is reached here, made from saved predictions."""
