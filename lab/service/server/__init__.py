"""IBM's service server: log-in by SSH, authorization, audit, and a namespace for each session's tools."""
