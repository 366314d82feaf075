"""What quotad does not start with, and in which words it says so; passwords are in none of them."""

import pytest

from harness import environment
from harness.outage import outage_flags
from harness.process import run
from harness.quotad import policy

SECRET = "s3cr3t-Pa55-of-redis"


def refuse(stack, url, **how):
    """The one sentence that quotad says before it leaves. Flags are for everybody to see, so the
    URL, which may hold a password, is given in the environment."""
    code, said = stack.quotad(policy(), store=url, start=False, variables={"QUOTAD_STORE": url},
                              **how).run_to_the_end()
    assert code > 0, said
    assert SECRET not in said
    lines = [line for line in said.splitlines() if line.strip()]
    assert lines, "it says why"
    return lines[-1]


@pytest.mark.parametrize("kind", ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru",
                                  "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_a_redis_that_may_evict_is_refused(stack, kind):
    redis = stack.redis(policy=kind, settings=["maxmemory 100mb"])
    said = refuse(stack, redis.url)
    assert kind in said
    assert "noeviction" in said
    assert "maxmemory-policy" in said


def test_a_redis_that_refuses_writes_when_it_is_full_is_welcome(stack):
    redis = stack.redis(policy="noeviction", settings=["maxmemory 100mb"])
    quotad = stack.quotad(store=redis.url, flags=outage_flags())
    assert quotad.check(method="GET", path=b"/identify").reason == "ok"


def test_a_redis_that_does_not_show_its_settings_is_looked_at_all_the_same(stack):
    redis = stack.redis(tcp=True, policy="volatile-lru",
                        settings=["user default on nopass ~* &* +@all -config", "maxmemory 100mb"])
    said = refuse(stack, redis.url)
    assert "volatile-lru" in said
    assert "noeviction" in said


@pytest.mark.parametrize("url", ["rediss://127.0.0.1:6379", f"rediss://:{SECRET}@127.0.0.1:6379",
                                 "rediss-sentinel://127.0.0.1/quota", "rediss-cluster://127.0.0.1"])
def test_tls_is_refused_where_the_library_has_none(stack, url):
    quotad = stack.quotad(policy(), store=url, start=False, variables={"QUOTAD_STORE": url},
                          flags=outage_flags())
    process = quotad.launch().process
    if has_tls(quotad):
        pytest.skip("this hiredis speaks TLS")
    code, said = process.wait(), process.log()
    quotad.process = None
    assert code > 0, said
    assert SECRET not in said
    assert "TLS" in said
    assert "hiredis" in said


def has_tls(quotad):
    with open(f"/proc/{quotad.process.pid}/maps", encoding="utf-8") as maps:
        return "hiredis_ssl" in maps.read()


@pytest.mark.parametrize("url, word", [
    ("redis://", "host"),
    (f"redis://:{SECRET}@", "host"),
    (f"redis://:{SECRET}@host:port", "port"),
    (f"redis://user:{SECRET}@host:0", "port"),
    (f"redis://user:{SECRET}@host:65536", "port"),
    (f"redis://:{SECRET}@host/name", "database"),
    (f"redis://:{SECRET}@host/-1", "database"),
    (f"redis://:{SECRET}@host/1/2", "database"),
    (f"redis://:{SECRET}@[::1", ""),
    ("redis+unix://", "path"),
    ("redis+unix://relative/path", "path"),
    (f"redis-sentinel://:{SECRET}@host:26379", "master"),
    (f"redis-sentinel://:{SECRET}@/quota", "host"),
    (f"redis-sentinel://:{SECRET}@a,,b/quota", ""),
    ("redis-cluster://", "host"),
    (f"redis-cluster://:{SECRET}@a:1,b:x", "port"),
    (f"redis-cluster://:{SECRET}@a:1/3", "database"),
    (f"rediz://:{SECRET}@host", "redis"),
    (f"redis:{SECRET}@host", ""),
    (f"{SECRET}", "store"),
])
def test_a_wrong_url_is_refused_without_repeating_what_may_be_a_password(stack, url, word):
    said = refuse(stack, url)
    assert word.lower() in said.lower()


@pytest.mark.parametrize("flags, word", [
    (outage_flags(store_lease_ttl_ms=0), "lease"),
    (outage_flags(store_lease_ttl_ms="soon"), "lease"),
    (outage_flags(store_command_timeout_ms=0), "timeout"),
    (outage_flags(store_exact="perhaps"), "exact"),
    (outage_flags(store_password_file="/nonexistent/password"), "password"),
    (outage_flags(store_tls_ca="/nonexistent/ca.pem"), "tls"),
])
def test_a_wrong_setting_is_refused(stack, flags, word):
    said = refuse(stack, stack.redis().url, flags=flags)
    assert word in said.lower()


def test_a_password_on_the_command_line_is_refused(stack):
    code, said = stack.quotad(policy(), store=f"redis://:{SECRET}@127.0.0.1",
                              start=False).run_to_the_end()
    assert code > 0, said
    assert SECRET not in said
    assert "command line" in said


def test_two_gateways_do_not_share_a_journal(stack):
    redis = stack.redis()
    first = stack.quotad(store=redis.url, flags=outage_flags())
    second = stack.quotad(store=redis.url, start=False, flags=outage_flags())
    second.journal_path.symlink_to(first.journal_path)
    code, said = second.run_to_the_end()
    assert code > 0, said
    assert "journal" in said


def check_file(stack, text):
    path = stack.workdir / "quotad.yaml"
    path.write_text(text)
    done = run([environment.built("quotad"), "--config", path, "--check"])
    return done.returncode, done.stdout + done.stderr


def test_settings_of_the_store_may_stand_below_it(stack):
    code, said = check_file(stack, """
        store:
          url: redis://user@redis.example:6380/2
          exact: true
          lease_ttl_ms: 500
          journal: /tmp/another-journal.db
    """)
    assert code == 0, said


@pytest.mark.parametrize("line", ["exakt: true", "exact: perhaps", f"password: {SECRET}",
                                  "lease_ttl_ms: 0"])
def test_a_wrong_setting_below_the_store_is_refused_by_name(stack, line):
    code, said = check_file(stack, f"store:\n  url: redis://redis.example\n  {line}\n")
    assert code > 0, said
    assert line.split(":")[0] in said
    assert SECRET not in said


def test_check_validates_the_url_and_starts_nothing(stack):
    quotad = stack.quotad(store="redis://nowhere.invalid", start=False, flags=["--check"])
    code, said = quotad.run_to_the_end()
    assert code == 0, said
