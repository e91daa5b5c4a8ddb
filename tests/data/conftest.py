"""What lies here is read by tests, and is not one of ours."""

collect_ignore_glob = ["*"]
