"""What the tests in a real browser share: by which rules axe-core looks at a page."""

from __future__ import annotations

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""Accessibility: WCAG 2.2 up to AA, and what axe-core takes for good practice."""
