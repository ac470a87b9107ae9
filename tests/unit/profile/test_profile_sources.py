"""Profiles on disk: which files may be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_soak.profile.errors import ProfileError
from pytest_soak.store.sources import read_source


def test_a_name_is_a_shipped_profile_and_its_label() -> None:
    source = read_source("S1")
    assert source.label == "S1"
    assert b"extends: market_maker" in source.data


@pytest.mark.parametrize("name", ["", "S1\n", "..", "-x", "a b", "x" * 65, "S1\0", "é"])
def test_the_whole_text_must_be_a_name(name: str) -> None:
    with pytest.raises(ProfileError, match="is no profile"):
        read_source(name)


def test_an_unknown_name_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(ProfileError, match="did you mean 'steady'") as caught:
        read_source("stedy")
    assert "S1, market_maker, steady, steady_safe, ultra_safe" in str(caught.value)
    assert "./stedy.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.yaml", "there is no"), ("dir.yaml", "no regular file"), ("./x.json", "ends in .yaml")],
)
def test_a_path_must_be_a_yaml_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir.yaml").mkdir()
    with pytest.raises(ProfileError) as caught:
        read_source(name)
    assert Path(name).name in str(caught.value)
    assert message in str(caught.value) or "No such file" in str(caught.value)


def test_odd_paths_are_refused_without_a_crash(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    for path in (str(loop), "a\0/b.yaml", "x/" * 3000 + "a.yaml"):
        with pytest.raises(ProfileError):
            read_source(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    fifo = tmp_path / "p.yaml"
    os.mkfifo(fifo)
    with pytest.raises(ProfileError, match="regular file"):
        read_source(str(fifo))


def test_a_huge_sparse_file_is_refused_and_a_megabyte_is_not(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    with path.open("wb") as file:
        file.truncate(1_000_000)
    assert len(read_source(str(path)).data) == 1_000_000
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ProfileError, match="bytes"):
        read_source(str(path))


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("extends: S1\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    assert read_source(str(tmp_path / "link.yaml")).data == b"extends: S1\n"


@pytest.mark.parametrize("reference", ["../b.yaml", "/etc/b.yaml", "sub/../../b.yaml", "out.yaml"])
def test_a_file_refers_to_files_beside_it_only(tmp_path: Path, reference: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "b.yaml").write_text("extends: S1\n")
    (inner / "out.yaml").symlink_to(tmp_path / "b.yaml")
    with pytest.raises(ProfileError, match="outside the directory"):
        read_source(reference, str(inner / "a.yaml"))


def test_a_shipped_profile_refers_to_no_path() -> None:
    with pytest.raises(ProfileError, match="refers to shipped ones only"):
        read_source("./a.yaml", "S1")
