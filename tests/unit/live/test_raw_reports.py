"""The newest reports are kept as the bot wrote them."""

from __future__ import annotations

import gzip
from pathlib import Path

from pytest_soak.live.raw_reports import KEPT, RawReports
from tests.unit.live.scripted import Bench


def test_the_last_ten_iterations_are_kept_as_they_were_written(tmp_path: Path) -> None:
    raw = RawReports(tmp_path / "reports")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "notes.txt").write_text("of the user")
    for iteration in range(1, 26):
        raw.keep(iteration, [f'{{"seq": {iteration}}}'.encode()])
    names = sorted(path.name for path in (tmp_path / "reports").glob("*.gz"))
    assert names == [f"{number:04d}.json.gz" for number in range(26 - KEPT, 26)]
    assert gzip.decompress((tmp_path / "reports" / names[-1]).read_bytes()) == b'{"seq": 25}'
    assert (tmp_path / "reports" / "notes.txt").exists()


def test_several_sources_have_a_file_each(tmp_path: Path) -> None:
    RawReports(tmp_path).keep(3, [b"{}", b"", b"[]"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0003-1.json.gz", "0003-3.json.gz"]


def test_the_lane_goes_on_if_they_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file in the place of the folder")
    RawReports(tmp_path / "reports").keep(1, [b"{}"])


def test_a_live_lane_keeps_what_its_source_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.start()
    bench.answers()
    bench.source.raw = b'{"totals": {"net_bps": 3.0}, "pid": 1}'
    bench.run(1)
    bench.target.stop()
    (path,) = (tmp_path / "target" / "reports").iterdir()
    assert gzip.decompress(path.read_bytes()) == bench.source.raw


def test_a_text_of_metrics_has_the_name_of_a_text(tmp_path: Path) -> None:
    raw = RawReports(tmp_path)
    for iteration in (1, 2 + KEPT):
        raw.keep(iteration, [b"# TYPE depth gauge\ndepth 1\n"])
    assert [path.name for path in tmp_path.iterdir()] == [f"{2 + KEPT:04d}.txt.gz"]
