"""A daemon as a process: signals, workers, reload, take-over."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from rules_engine.daemon import facts

pytestmark = pytest.mark.system


def command(site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rules_engine", *arguments, "--db", "events.db"],
        cwd=site.folder, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def last_reload(site):
    return site.store.fact(facts.LAST_RELOAD)


def test_publish_decide_perform_in_three_processes_and_a_gentle_end(site):
    daemon = site.daemon()
    worker = site.start("work", "--handlers", "valve_handlers")
    published = command(site, "publish", "READING", "sensor=a", "value=12", "n=1")
    assert published.returncode == 0, published.stderr
    site.until(lambda: len(site.performed()) == 2)
    site.until(site.at_rest)
    for process in (worker, daemon):
        process.terminate()
        assert process.wait(10) == 0
    assert site.store.holder("rules") is None or not site.store.holder("rules").alive


def test_interrupt_ends_it_as_gently(site):
    daemon = site.daemon()
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(10) == 0
    assert "stopped" in site.log()


def test_a_handler_at_work_may_finish_when_the_daemon_is_told_to_stop(site):
    (site.folder / "slow_handlers.py").write_text(
        "import time\nfrom pathlib import Path\nfrom rules_engine import action\n"
        "@action('Valve.close')\ndef close(sensor, n):\n"
        "    Path('begun').touch()\n    time.sleep(0.5)\n    Path('ended').touch()\n"
        "@action('Valve.set_gain')\ndef set_gain(sensor, gain): ...\n"
    )
    daemon = site.daemon("--handlers", "slow_handlers")
    site.publish(1)
    site.until((site.folder / "begun").exists)
    daemon.terminate()
    assert daemon.wait(10) == 0
    assert (site.folder / "ended").exists()
    assert [action.action for action in site.store.owed(10)] == []


def test_a_saved_file_is_active_at_once_and_a_broken_one_never(site):
    site.daemon()
    before = site.store.fact(facts.RULES)["hash"]
    site.rules.write_text(site.rules.read_text().replace("value > 10", "value > 11"))
    saved = time.monotonic()
    site.until(lambda: site.store.fact(facts.RULES)["hash"] != before)
    assert time.monotonic() - saved < 5
    good = site.store.fact(facts.RULES)["hash"]

    (site.rules.parent / "b.loop").write_text("loop half_writ")
    site.rules.write_text(site.rules.read_text() + "\nloop broken on NOPE\n")
    site.until(lambda: not last_reload(site)["ok"])
    assert site.store.fact(facts.RULES)["hash"] == good
    site.publish(1)
    site.until(lambda: site.store.firing_counts().get("high_closes") == 1)
    status = command(site, "status")
    assert status.returncode == 0
    assert "failed" in status.stdout
    site.until(
        lambda: {d["path"] for d in last_reload(site)["diagnostics"]} == {"rules/a.loop", "rules/b.loop"}
    )

    (site.rules.parent / "b.loop").unlink()
    site.rules.write_text(site.rules.read_text().replace("\nloop broken on NOPE\n", ""))
    site.until(lambda: last_reload(site)["ok"])


def test_a_hangup_reloads(site):
    daemon = site.daemon()
    before = last_reload(site)["time_ms"]
    daemon.send_signal(signal.SIGHUP)
    site.until(lambda: last_reload(site)["time_ms"] > before)
    assert last_reload(site)["ok"]


def test_a_renamed_folder_leaves_the_last_good_rules_and_its_return_is_seen(site):
    site.daemon()
    site.rules.parent.rename(site.folder / "away")
    site.until(lambda: not last_reload(site)["ok"])
    site.publish(1)
    site.until(lambda: site.store.firing_counts().get("high_closes") == 1)
    (site.folder / "away").rename(site.rules.parent)
    site.until(lambda: last_reload(site)["ok"])


def test_a_restart_with_broken_rules_goes_on_with_the_last_good_ones(site):
    site.daemon().kill()
    site.rules.write_text("loop broken on NOPE\n")
    site.daemon()
    site.publish(1)
    site.until(lambda: site.store.firing_counts().get("high_closes") == 1)
    assert not last_reload(site)["ok"]
    assert "the last good ones go on" in site.log()


def test_of_two_daemons_the_second_is_refused_and_takes_over_when_the_first_is_killed(site):
    first = site.daemon()
    second = site.start("run")
    assert second.wait(30) == 2
    assert f"pid {first.pid}" in site.log()
    first.kill()
    first.wait()
    site.daemon()


def test_a_daemon_that_was_stopped_while_another_took_over_commits_nothing_and_ends(site):
    old = site.daemon()
    old.send_signal(signal.SIGSTOP)
    site.until(lambda: not site.store.holder("rules").alive)
    site.daemon("--handlers", "valve_handlers")
    site.publish(20)
    site.until(site.at_rest)
    decided = site.store.firing_counts()
    old.send_signal(signal.SIGCONT)
    assert old.wait(10) == 2
    assert (
        "took over" in (site.folder / "log-0.txt").read_text()
        or "taken over" in (site.folder / "log-0.txt").read_text()
    )
    assert site.store.firing_counts() == decided


def test_lesson_44_a_daemon_says_at_its_start_who_does_not_listen(site):
    (site.folder / "rules-engine.toml").write_text(
        '[expected_listeners]\nValve = ["READING", "HOST_ONLINE"]\nrules = ["READING", "PRESSURE_ALARM"]\n'
    )
    site.daemon()
    said = site.until(lambda: [line for line in site.log().splitlines() if "expected listener" in line])
    assert len(said) == 1  # the loop acts on `Valve` when READING comes, and the rules hear both of theirs
    assert "Valve" in said[0]
    assert "HOST_ONLINE" in said[0]


def test_pages_for_those_who_watch(site):
    from urllib.request import urlopen

    site.daemon("--http", "127.0.0.1:0")
    port = site.until(lambda: [w for w in site.log().split() if w.startswith("http=")])[0].rpartition(":")[2]
    site.publish(1)
    site.until(lambda: site.store.firing_counts().get("high_closes") == 1)
    with urlopen(f"http://127.0.0.1:{port}/health") as answer:
        assert answer.status == 200
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b'rules_engine_firings_total{loop="high_closes"} 1' in answer.read()


def test_l21_it_ticks_by_itself_and_what_it_missed_while_down_collapses_into_one(site):
    site.rules.write_text(
        "event BEAT { n: int }\naction Valve.close(sensor: str, n: int)\n"
        'loop beats "Beat." on every 1s emit BEAT { n: count(over 1h) }'
        ' do Valve.close("a", n: count(over 1h)) timeout 1m\n'
    )

    def beats():
        return [kept.firing.time_ms for kept in site.store.firings()]

    daemon = site.daemon("--handlers", "valve_handlers")  # over a log without a row
    site.until(lambda: len(beats()) >= 2 and len(site.performed()) >= 2)
    daemon.terminate()
    assert daemon.wait(10) == 0
    before = beats()
    assert {time_ms % 1_000 for time_ms in before} == {0}
    site.until(lambda: site.store.now_ms() >= before[-1] + 3_000)
    missed_ms = site.store.now_ms()
    site.daemon("--handlers", "valve_handlers")
    site.until(lambda: len(beats()) > len(before) + 1)
    after = beats()[len(before) :]
    assert after[0] > missed_ms - 1_000, "the latest one alone, at its own time"
    assert len(set(beats())) == len(beats())
