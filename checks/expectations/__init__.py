"""Expectation suites, one a table of the store, as asset checks."""

from __future__ import annotations

from checks.expectations.asset_checks import EXPECTATION_CHECKS

__all__ = ["EXPECTATION_CHECKS"]
