"""Which of the papers' requirements are covered, by what, and how they came out (``lab requirements``)."""
