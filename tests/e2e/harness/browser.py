"""A real Chromium, driven through its own driver, with nothing fetched from anywhere."""

import contextlib
import os

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from harness.environment import program
from harness.ports import free_port

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-proxy-server", "--disable-dev-shm-usage")
WIDTH, HEIGHT = 1180, 1000


class Browser:
    """One Chromium with a profile of its own; `show` is a fresh start as far as pages can tell."""

    def __init__(self, profile):
        # The driver is on this host, whatever proxy its environment names.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
        options = webdriver.ChromeOptions()
        options.binary_location = program("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(program("chromedriver"), port=free_port(),
                          log_path=str(profile / "driver.log"))
        self.driver = webdriver.Chrome(service=service, options=options)
        self._scripts = []

    def show(self, url, *, width=WIDTH, scheme="light", motion="no-preference", before=None):
        """Opens the page. `before` is JavaScript that runs ahead of the page's own."""
        for script in self._scripts:
            self._tell("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
        self._scripts = []
        if before:
            added = self._tell("Page.addScriptToEvaluateOnNewDocument", source=before)
            self._scripts.append(added["identifier"])
        self.driver.get("about:blank")
        self.complaints()
        self._tell("Emulation.setDeviceMetricsOverride", width=width, height=HEIGHT,
                   deviceScaleFactor=1, mobile=False)
        self._tell("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion}])
        self.driver.get(url)

    def _tell(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def complaints(self):
        """What the console has said since the last time: errors, violations of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, element_id):
        return self.run("return document.getElementById(arguments[0]).textContent", element_id)

    def style(self, selector, name):
        return self.run("return getComputedStyle(document.querySelector(arguments[0]))"
                        "[arguments[1]]", selector, name)

    def picture(self, path):
        """The whole page as a PNG file."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return window.innerWidth")
        self._tell("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=1, mobile=False)
        self.driver.save_screenshot(str(path))

    def stop(self):
        with contextlib.suppress(Exception):
            self.driver.quit()
