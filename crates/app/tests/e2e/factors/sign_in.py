"""Plays someone at the sign-in page: chromium PROFILE ORIGIN NAME PASSWORD. Prints what it saw as JSON."""

import json
import os
import subprocess
import sys
import time
import urllib.request

import websocket

program, profile, origin, name, password = sys.argv[1:]
LIMIT = 60


def until(look, what):
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"{what} did not come in {LIMIT} s")


class Page:
    def __init__(self, address):
        self.socket = websocket.create_connection(address, timeout=LIMIT, suppress_origin=True)
        self.number = 0
        self.violations = []

    def ask(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            said = json.loads(self.socket.recv())
            if said.get("method") == "Log.entryAdded" and said["params"]["entry"]["source"] == "security":
                self.violations.append(said["params"]["entry"]["text"])
            if said.get("id") == self.number:
                if "error" in said:
                    raise SystemExit(f"{method}: {said['error']}")
                return said["result"]

    def value(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, address):
        self.ask("Page.navigate", url=address)
        until(lambda: self.value("document.readyState === 'complete' && !!document.getElementById('form')"), address)

    def fill(self, field, text):
        self.value(f"document.getElementById({json.dumps(field)}).focus()")
        self.value(f"document.getElementById({json.dumps(field)}).value = ''")
        self.ask("Input.insertText", text=text)

    def press_enter(self):
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r" if kind == "keyDown" else "")

    def click(self, field):
        self.value(f"document.getElementById({json.dumps(field)}).click()")

    def text(self, field):
        return self.value(f"document.getElementById({json.dumps(field)}).textContent")

    def signed_in(self):
        def look():
            alert = self.text("alert")
            if alert:
                raise SystemExit(f"the page says: {alert}")
            return not self.value("document.getElementById('out').hidden")

        until(look, "signing in")
        return {"name": self.text("who"), "token": self.value("document.getElementById('token').value")}


browser = subprocess.Popen(
    [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--ignore-certificate-errors",
     "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}", "about:blank"],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
try:
    ports = os.path.join(profile, "DevToolsActivePort")
    until(lambda: os.path.exists(ports) and len(open(ports).read().splitlines()) == 2, "the browser")
    port = open(ports).read().splitlines()[0]
    pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=LIMIT))
    page = Page(next(target["webSocketDebuggerUrl"] for target in pages if target["type"] == "page"))
    for domain in ("Page", "Runtime", "Log", "WebAuthn"):
        page.ask(f"{domain}.enable")
    page.ask("WebAuthn.addVirtualAuthenticator", options={
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True,
    })
    saw = {}
    page.open(origin + "/sign-in")
    page.fill("name", name)
    page.fill("password", "not the password")
    page.press_enter()
    saw["refused"] = until(lambda: page.text("alert"), "a refusal")
    page.fill("password", password)
    page.press_enter()
    # What was said of the wrong password goes when the form is sent again.
    until(lambda: page.text("alert") == "", "the form")
    saw["by_password"] = page.signed_in()
    page.fill("label", "by the browser")
    page.click("add-passkey")
    until(lambda: page.text("status") or page.text("alert"), "the passkey")
    if page.text("alert"):
        raise SystemExit(f"the page says: {page.text('alert')}")
    page.click("sign-out")
    until(lambda: not page.value("document.getElementById('in').hidden"), "signing out")
    page.click("use-passkey")
    saw["by_passkey"] = page.signed_in()
    page.ask("Network.enable")
    page.ask("Network.setExtraHTTPHeaders", headers={"Accept-Language": "fr-FR,fr;q=0.9"})
    page.open(origin + "/sign-in?")
    saw["language"] = page.value("document.documentElement.lang")
    saw["violations"] = page.violations
    print(json.dumps(saw))
finally:
    browser.kill()
    browser.wait()
