"""The live page, in a real browser."""

import json
import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness.browser import Browser
from harness.process import wait_until
from harness.quotad import ADMIN_TOKEN, Background, consumer, policy

HOSTILE = "<img/src=x/onerror=window.hacked=1>" + "W" * 90


@pytest.fixture(name="browser", scope="module")
def fixture_browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.stop()


@pytest.fixture(name="quotad")
def fixture_quotad(stack):
    return stack.quotad(policy([consumer("acme", "free"), consumer("globex", "pro")]))


@pytest.fixture(name="traffic")
def fixture_traffic(quotad):
    """Until the test ends; acme is soon denied."""
    client = quotad.client()
    load = Background(lambda: [client.check(method="GET", path=b"/identify", api_key=key).outcome
                               for key in (b"acme-key", b"globex-key")], threads=1)
    yield load
    load.stop()


def open_page(browser, quotad, **how):
    browser.show(quotad.admin + "/", **how)
    wait_until(lambda: browser.text("state") == "Live", "the page is live")


def number(browser, element_id):
    text = browser.text(element_id).replace(",", "")
    return float(text) if re.fullmatch(r"[\d.]+", text) else 0.0


def answers(path, answer):
    """JavaScript that answers one path in quotad's stead."""
    return f"""
        const ask = window.fetch;
        window.fetch = (path, ...more) => path.startsWith({json.dumps(path)})
          ? Promise.resolve(new Response({json.dumps(json.dumps(answer))}))
          : ask(path, ...more);"""


def busy(*names):
    state = {"limit": 1234567890, "remaining": 234567890, "reset_unix_ms": 1795169358000,
             "window_s": 60}
    return {"window_s": 60,
            "totals": {"consumers": len(names), "requests": 123456789, "denied": 12345678,
                       "cost": 1.5, "per_second": 1234567.8},
            "top": [{"consumer": name, "tier": name or "anonymous", "requests": 123456789,
                     "denied": 12345678, "cost": 1.5, "per_second": 1234567.8,
                     "minute": state if name else None, "month": None} for name in names]}


def test_it_loads_nothing_else_and_nobody_complains(browser, quotad, traffic):
    status, headers, _ = quotad.ask("GET", "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    rules = dict(rule.strip().split(" ", 1)
                 for rule in headers["Content-Security-Policy"].split(";"))
    assert set(rules) == {"default-src", "script-src", "style-src", "connect-src", "base-uri",
                          "frame-ancestors", "form-action"}
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    open_page(browser, quotad)
    wait_until(lambda: number(browser, "rate") > 0, "decisions are seen")
    assert browser.complaints() == []
    loaded = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded and all(name.startswith(quotad.admin) for name in loaded)


def test_scripts_from_elsewhere_do_not_run(browser, quotad):
    open_page(browser, quotad)
    browser.run("""const script = document.createElement('script');
                   script.textContent = 'window.hacked = 1';
                   document.body.append(script);""")
    assert browser.run("return window.hacked") is None
    assert any("Content Security Policy" in complaint for complaint in browser.complaints())


def test_numbers_move_with_the_traffic(browser, quotad, traffic):
    open_page(browser, quotad)
    wait_until(lambda: number(browser, "denied") > 0 and
               number(browser, "rate") > number(browser, "denied"), "both rates are seen")
    wait_until(lambda: "−5 min" in browser.text("plot") and browser.run(
        "return document.querySelector('#plot path.all').getAttribute('d').split('L').length") > 2,
        "the plot grows")
    tiers = browser.run("return [...document.querySelectorAll('#tiers td:first-child')]"
                        ".map(e => e.textContent)")
    assert tiers == ["free", "pro"]
    assert browser.text("p50") != "–"
    assert browser.text("consumers") == "2"
    assert "/s" in browser.driver.title
    now = browser.run("return document.getElementById('plot').getAttribute('aria-label')")
    assert re.search(r"now [\d.,]+, [\d.,]+ of them denied", now)


def test_it_shows_store_policy_and_a_failed_reload(browser, quotad):
    open_page(browser, quotad)
    assert quotad.get_json("/v1/policy")["hash"] in browser.text("policy")
    assert "yes" in browser.text("store")
    quotad.set_policy('version: 1\n"<b>bold</b>": 1\n')
    assert quotad.ctl("reload").returncode == 1
    wait_until(lambda: "<b>bold</b>" in browser.text("policy-error-text"), "the error is shown")
    assert browser.run("return document.querySelectorAll('#policy-error b').length") == 0


def test_a_hostile_name_is_text(browser, quotad):
    open_page(browser, quotad, before=answers("/v1/top", busy(HOSTILE, None)))
    shown = browser.run("return [...document.querySelectorAll('#busiest td:first-child')]"
                        ".map(e => e.textContent)")
    assert shown == [HOSTILE, "anonymous"]
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run("return window.hacked") is None
    assert browser.complaints() == []
    bar = browser.run("return document.querySelector('#busiest .fill').style.width")
    assert bar.startswith("19")
    assert browser.style("#busiest .fill", "backgroundColor") == browser.run(
        "const e = document.createElement('p'); e.style.color = 'var(--warn)';"
        "document.body.append(e); return getComputedStyle(e).color")


def fill_in(browser, mode, token):
    browser.driver.find_element(By.CSS_SELECTOR, f"input[value={mode}]").click()
    field = browser.driver.find_element(By.ID, "token")
    field.clear()
    field.send_keys(token)
    browser.driver.find_element(By.ID, "mode-set").click()


def test_the_mode_is_switched_with_the_token(browser, quotad):
    open_page(browser, quotad)
    fill_in(browser, "shadow", ADMIN_TOKEN)
    wait_until(lambda: browser.text("mode-said") == "Done: shadow.", "it is done")
    assert quotad.get_json("/v1/mode")["mode"] == "shadow"
    assert browser.text("mode-now").startswith("shadow, set here or by quotactl")
    assert browser.run("return !document.getElementById('mode-pill').hidden")
    fill_in(browser, "policy", ADMIN_TOKEN)
    wait_until(lambda: "policy decides" in browser.text("mode-said"), "it is given back")
    assert quotad.get_json("/v1/mode")["source"] == "policy"
    kept = browser.run("return JSON.stringify([{...localStorage}, {...sessionStorage},"
                       "document.cookie, location.href])")
    assert ADMIN_TOKEN not in kept


@pytest.mark.parametrize("token", ["a-wrong-token-0000", ""])
def test_without_the_token_nothing_is_switched(browser, quotad, token):
    open_page(browser, quotad)
    fill_in(browser, "off", token)
    if token:
        wait_until(lambda: browser.text("mode-said").startswith("Not changed: "), "it is refused")
        assert "token" in browser.text("mode-said")
    else:
        # The browser itself asks for the field.
        assert not browser.run("return document.getElementById('token').checkValidity()")
    assert quotad.get_json("/v1/mode")["mode"] == "enforce"


def press(browser, *keys):
    browser.driver.switch_to.active_element.send_keys(*keys)


def focused(browser):
    return browser.run("const e = document.activeElement; return e.id || e.name || e.className")


def test_the_keyboard_is_enough(browser, quotad):
    open_page(browser, quotad)
    stops = []
    browser.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    while focused(browser) and len(stops) < 20:  # the body comes last, and has no name
        stops.append(focused(browser))
        assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") != \
            "none", f"the focus on {stops[-1]} is not seen"
        if stops[-1] == "mode":
            press(browser, Keys.SPACE, Keys.ARROW_DOWN)
        if stops[-1] == "token":
            press(browser, ADMIN_TOKEN)
        press(browser, Keys.TAB)
    assert stops[:5] == ["skip", "mode", "mode-local", "token", "mode-set"]
    browser.run("document.getElementById('token').focus()")
    press(browser, Keys.ENTER)
    wait_until(lambda: browser.text("mode-said") == "Done: shadow.", "it is done")
    assert quotad.get_json("/v1/mode")["mode"] == "shadow"


def test_every_field_has_a_name(browser, quotad):
    open_page(browser, quotad)
    assert browser.run("return [...document.querySelectorAll('input')]"
                       ".filter(e => !e.labels.length || !e.labels[0].textContent.trim())"
                       ".length") == 0
    assert browser.run("return document.querySelectorAll('th:not([scope])').length") == 0


@pytest.mark.parametrize("width", [400, 320, 1180])
def test_nothing_is_wider_than_the_window(browser, quotad, traffic, width):
    open_page(browser, quotad, width=width,
              before=answers("/v1/top", busy(HOSTILE, None, "globex")))
    wait_until(lambda: number(browser, "rate") > 0, "numbers are there")
    quotad.set_policy("version: 1\n" + "x" * 300 + ": 1\n")
    assert quotad.ctl("reload").returncode == 1
    wait_until(lambda: "xxx" in browser.text("policy-error-text"), "the error is shown")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    beyond = browser.run("""return [...document.querySelectorAll('body *')].filter(e =>
        !e.closest('.skip, svg, pre') && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 80))""")
    assert beyond == []


def luminance(color):
    red, green, blue = [int(part) for part in re.findall(r"\d+", color)[:3]]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_dark_is_dark_and_light_is_light(browser, quotad):
    open_page(browser, quotad, scheme="dark")
    for selector in ("body", ".panel"):
        assert luminance(browser.style(selector, "backgroundColor")) < 60
        assert luminance(browser.style(selector, "color")) > 180
    open_page(browser, quotad, scheme="light")
    for selector in ("body", ".panel"):
        assert luminance(browser.style(selector, "backgroundColor")) > 200
        assert luminance(browser.style(selector, "color")) < 80


def test_what_is_not_known_does_not_pass_for_no_limit(browser, quotad):
    open_page(browser, quotad, before=answers("/v1/top", busy("acme")))
    wait_until(lambda: browser.text("busiest"), "the table is filled")
    assert browser.run("const cell = document.querySelector('#busiest td:last-child');"
                       "return [cell.textContent, cell.title]") == \
        ["–", "no limit, or not known now"]


def test_without_anybody_it_says_that_usage_must_be_on(browser, quotad):
    open_page(browser, quotad)
    assert "usage: off" in browser.text("nobody")


def test_nothing_moves_for_who_wants_that(browser, quotad):
    open_page(browser, quotad, before=answers("/v1/top", busy("acme")))
    assert browser.style("#busiest .fill", "transitionDuration") != "0s"
    open_page(browser, quotad, motion="reduce", before=answers("/v1/top", busy("acme")))
    assert browser.style("#busiest .fill", "transitionProperty") == "none" or \
        browser.style("#busiest .fill", "transitionDuration") == "0s"


def test_a_quotad_that_is_gone_is_said_and_its_return_too(browser, quotad):
    open_page(browser, quotad)
    quotad.stop()
    wait_until(lambda: browser.text("state") == "No answer", "the page says so")
    assert browser.text("lost").startswith("quotad has not answered since ")
    assert browser.run("return !document.getElementById('lost').hidden")
    quotad.start()
    wait_until(lambda: browser.text("state") == "Live", "it recovers")
    assert browser.run("return document.getElementById('lost').hidden")


def test_a_hidden_page_asks_nothing(browser, quotad):
    open_page(browser, quotad, before="""
        let hidden = false;
        Object.defineProperty(document, 'hidden', { get: () => hidden });
        window.hide = (value) => {
          hidden = value;
          document.dispatchEvent(new Event('visibilitychange'));
        };
        const ask = window.fetch;
        window.asked = 0;
        window.fetch = (...what) => { window.asked++; return ask(...what); };""")
    browser.run("window.hide(true)")
    wait_until(lambda: browser.text("state") == "Paused", "it pauses")
    # What was asked just before may still be answered; after that, time passes and nothing else.
    asked, since = browser.run("return [window.asked, performance.now()]")
    wait_until(lambda: browser.run("return performance.now()") > since + 2500, "seconds pass")
    assert browser.run("return window.asked") == asked
    browser.run("window.hide(false)")
    wait_until(lambda: browser.text("state") == "Live", "it goes on")
    assert browser.run("return window.asked") > asked
