"""The whole way of one explanation: the same case as the answer it explains, one method, results as files."""
