"""A headless Chromium behind plain WebDriver calls: opens a page, runs scripts in it, returns its console messages."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PATIENCE_S = 300.0
"""Longest wait for an answer: much more than one takes on a machine without load."""
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),  # a microphone that beeps
)


class Browser:
    """One chromedriver and one window; use as a context manager."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile

    def __enter__(self) -> Browser:
        self._url = f"http://127.0.0.1:{self._start_driver()}/session"
        try:
            options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={self._profile}"]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": LOGS}
            self._session = self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self._stop_driver()
            raise
        return self

    def _start_driver(self) -> str:
        """Start chromedriver and return its port; a port that is free for IPv4 may be taken for IPv6, so try again."""
        for _ in range(10):
            self._driver = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True)
            assert self._driver.stdout is not None
            for line in self._driver.stdout:  # "ChromeDriver was started successfully on port 40123."
                if "successfully on port" in line:
                    return line.rstrip().rstrip(".").rpartition(" ")[2]
            self._stop_driver()
        raise AssertionError("chromedriver did not start in ten tries")

    def _stop_driver(self) -> None:
        self._driver.terminate()
        self._driver.wait(PATIENCE_S)
        assert self._driver.stdout is not None
        self._driver.stdout.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._call("DELETE", f"/{self._session}")
        finally:
            self._stop_driver()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Send a DevTools command."""
        return self._call("POST", f"/{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, page: Path, width: int, height: int = 900, dark: bool = False, script: bool = True) -> None:
        """Load a file at a width in CSS pixels and wait until its charts are drawn, if it has any."""
        self.visit(page.as_uri(), width, height, dark, script)
        if script:
            self.wait(DRAWN)

    def visit(self, url: str, width: int, height: int = 900, dark: bool = False, script: bool = True) -> None:
        """Load a page at a width in CSS pixels."""
        self.devtools("Emulation.setScriptExecutionDisabled", value=not script)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])
        self._call("POST", f"/{self._session}/url", {"url": url})

    def wait(self, script: str) -> None:
        """Wait until a function body returns something true in the page, or PATIENCE_S have passed."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.ask(script) and time.monotonic() < deadline:
            time.sleep(0.05)

    def press(self, keys: str) -> None:
        """Press and release keys, one after the other. One that a page without focus has not seen is pressed again."""
        for key in keys:
            seen, deadline = self.ask(SEEN), time.monotonic() + PATIENCE_S
            while self.ask(SEEN) == seen and time.monotonic() < deadline:
                self.devtools("Page.bringToFront")
                moves = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
                keyboard = {"type": "key", "id": "keyboard", "actions": moves}
                self._call("POST", f"/{self._session}/actions", {"actions": [keyboard]})

    def ask(self, script: str) -> Any:
        """Run a function body in the page and return what it returns."""
        return self._call("POST", f"/{self._session}/execute/sync", {"script": script, "args": []})

    def value(self, selector: str) -> str | None:
        """Return the data-value of the first element that matches."""
        value: str | None = self.ask(f"return document.querySelector({json.dumps(selector)})?.dataset.value ?? null")
        return value

    def complaints(self) -> list[str]:
        """Return the console's messages since the last call, errors and refused requests among them."""
        return [entry["message"] for entry in self._call("POST", f"/{self._session}/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Return the URLs requested since the last call, without those inside the page or the browser."""
        entries = self._call("POST", f"/{self._session}/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("data:", "blob:", "chrome"))]

    def screenshot(self, path: Path, top: int = 0, height: int | None = None) -> None:
        """Save a part of the page, or all of it."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        rest = size["height"] - top
        clip = {"x": 0, "y": top, "width": size["width"], "height": min(rest, height or rest), "scale": 1}
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))


SEEN = "window.keys ??= (addEventListener('keydown', () => window.keys++, true), 0); return window.keys"
"""Returns the number of keys that were pressed since its first call in a page."""
LOGS = {"browser": "ALL", "performance": "ALL"}
DRAWN = """
const root = document.documentElement;
return !!root.dataset.drawn || root.matches(".no-charts") || !document.querySelector("#figures, [data-figure]")
"""
