"""`fmt`: what it writes, what it leaves alone, and its exit codes."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

UGLY = "loop   quiet on READING when value>10 # high\n"
NEAT = "loop quiet\n  on READING\n  when value > 10  # high\n"


@pytest.fixture
def ugly(here):
    (here / "rules" / "a.loop").write_text(UGLY)
    (here / "rules" / "neat.loop").write_text(NEAT)
    return here / "rules" / "a.loop"


def test_fmt_rewrites_what_is_not_in_the_layout_and_names_it(command, ugly):
    result = command("fmt")
    assert (result.code, result.out) == (0, "formatted rules/a.loop\n")
    assert "1 file formatted" in result.err
    assert ugly.read_text() == NEAT
    assert command("fmt", "rules").out == ""


def test_check_changes_nothing_and_exits_with_1(command, ugly):
    result = command("fmt", "--check", "rules")
    assert (result.code, result.out) == (1, "would format rules/a.loop\n")
    assert ugly.read_text() == UGLY
    command("fmt")
    assert command("fmt", "--check").code == 0


def test_diff_shows_the_change_and_makes_none(command, ugly):
    result = command("fmt", "--diff")
    assert result.code == 0
    assert "--- rules/a.loop\n+++ rules/a.loop\n" in result.out
    assert "-loop   quiet on READING when value>10 # high\n" in result.out
    assert "+  when value > 10  # high\n" in result.out
    assert ugly.read_text() == UGLY
    assert command("fmt", "--diff", "--check").code == 1


def test_the_diff_can_be_applied(command, ugly):
    ugly.write_text(UGLY.rstrip("\n"))
    patch = command("fmt", "--diff").out
    assert (
        "-loop   quiet on READING when value>10 # high\n\\ No newline at end of file\n+loop quiet\n" in patch
    )
    applied = subprocess.run(["git", "apply", "-p0", "-"], input=patch, text=True, check=False)
    assert applied.returncode == 0
    assert ugly.read_text() == NEAT


def test_a_file_with_mistakes_of_syntax_is_left_alone_and_the_others_are_formatted(command, ugly, here):
    (here / "rules" / "b.loop").write_text("loop  broken\n  on\n")
    result = command("fmt")
    assert (result.code, result.out) == (2, "formatted rules/a.loop\n")
    assert "rules/b.loop was left as it is" in result.err
    assert "error[RE0" in result.err
    assert (here / "rules" / "b.loop").read_text() == "loop  broken\n  on\n"


def test_names_that_mean_nothing_do_not_keep_a_file_from_being_formatted(command, ugly):
    ugly.write_text("loop x on NO_SUCH_EVENT set nothing=1")
    assert command("fmt").code == 0
    assert ugly.read_text() == "loop x\n  on NO_SUCH_EVENT\n  set nothing = 1\n"


def test_bytes_that_are_no_text_are_left_alone(command, ugly):
    ugly.write_bytes(b"loop   x on A # \xff\n")
    result = command("fmt")
    assert result.code == 2
    assert "RE008" in result.err
    assert ugly.read_bytes() == b"loop   x on A # \xff\n"


def test_a_missing_path_is_told(command, here):
    result = command("fmt", "nowhere", "rules")
    assert result.code == 2
    assert "nowhere: there is no such file or folder" in result.err


def test_line_ends_become_line_feeds_and_a_byte_order_mark_goes(command, ugly):
    ugly.write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert command("fmt").code == 0
    assert ugly.read_bytes() == NEAT.encode()


def test_the_mode_of_a_file_stays(command, ugly):
    ugly.chmod(0o640)
    command("fmt")
    assert stat.S_IMODE(ugly.stat().st_mode) == 0o640


def test_a_link_stays_a_link_and_its_target_is_formatted(command, ugly, here):
    target = here / "elsewhere.txt"
    target.write_text(UGLY)
    ugly.unlink()
    ugly.symlink_to(target)
    command("fmt")
    assert ugly.is_symlink()
    assert target.read_text() == NEAT


def test_nothing_is_left_beside_the_files(command, ugly):
    command("fmt")
    assert sorted(path.name for path in ugly.parent.iterdir()) == ["a.loop", "neat.loop"]


def test_a_file_that_cannot_be_written_stays_whole_and_the_others_are_formatted(
    command, ugly, here, monkeypatch
):
    (here / "rules" / "z.loop").write_text("let   z = 1")
    replace = os.replace

    def full(source, target):
        if str(target).endswith("a.loop"):
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    result = command("fmt")
    assert (result.code, result.out) == (2, "formatted rules/z.loop\n")
    assert "rules/a.loop: No space left on device" in result.err
    assert ugly.read_text() == UGLY
    assert sorted(path.name for path in ugly.parent.iterdir()) == ["a.loop", "neat.loop", "z.loop"]


def test_a_file_that_may_not_be_written_is_left_alone(command, ugly, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anything
    result = command("fmt")
    assert (result.code, result.out) == (2, "")
    assert "rules/a.loop: it may not be written" in result.err
    assert ugly.read_text() == UGLY


def test_standard_input_is_formatted_to_standard_output(command):
    assert command("fmt", "-", stdin=UGLY).out == NEAT
    assert command("fmt", "-", "--check", stdin=UGLY).code == 1
    assert command("fmt", "-", "--check", stdin=NEAT).code == 0
    assert "+  on READING" in command("fmt", "-", "--diff", stdin=UGLY).out
    broken = command("fmt", "-", stdin="loop x on")
    assert (broken.code, broken.out) == (2, "")


def test_the_rules_of_these_tests_mean_the_same_when_formatted(command, here):
    text = (here / "rules" / "a.loop").read_text()
    before = command("lint", "--format", "json").json["summary"]
    command("fmt")
    assert (here / "rules" / "a.loop").read_text() != text
    assert command("lint", "--format", "json").json["summary"] == before
