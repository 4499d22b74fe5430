"""One HTML file that shows what a panel is, why, and what it is worth.

Findings are summarised into plain text and numbers first (``content``), figures are drawn (``figures``), and a template
turns both into a page (``page``).
"""

from selectormlp.reports.findings import Findings
from selectormlp.reports.page import check_place, render, write_report

__all__ = ["Findings", "check_place", "render", "write_report"]
