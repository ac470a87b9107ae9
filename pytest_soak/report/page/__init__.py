"""REPORT.html: a run as one page, whose pictures are whole without scripts."""
