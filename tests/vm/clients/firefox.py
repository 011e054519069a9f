# SPDX-License-Identifier: MIT OR Apache-2.0
"""A Firefox without a window, by its Marionette protocol: which token its PKCS #11 module shows, and a page of a TLS server that asks for the certificate on
the card: firefox.py PROFILE MODULE PIN URL. The words before the program come from the environment, which Firefox inherits."""
import json
import os
import socket
import subprocess
import sys
import time

PREFERENCES = {
    "security.default_personal_cert": "Select Automatically",
    "marionette.port": 2828,
    "app.update.enabled": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9",
    "extensions.update.enabled": False,
    "dom.ipc.processCount": 1,
    "gfx.webrender.software": True,
}
# Who sits before it: types the PIN whenever Firefox asks for one.
HANDS = """
const [pin] = arguments;
const prompter = {
  QueryInterface: ChromeUtils.generateQI(["nsIPromptFactory", "nsIPrompt"]),
  getPrompt() { return this; },
  promptPassword(title, text, password) { password.value = pin; return true; },
};
const factory = { QueryInterface: ChromeUtils.generateQI(["nsIFactory"]), createInstance: iid => prompter.QueryInterface(iid) };
Components.manager.QueryInterface(Ci.nsIComponentRegistrar).registerFactory(Services.uuid.generateUUID(), "", "@mozilla.org/prompter;1", factory);
return true;
"""
MODULE = """
const [path] = arguments;
const done = arguments[arguments.length - 1];
(async () => {
  const base = Cc["@mozilla.org/security/pkcs11moduledb;1"].getService(Ci.nsIPKCS11ModuleDB);
  await base.addModule("OpenSC", path, 0, 0);
  const module = (await base.listModules()).find(module => module.name === "OpenSC");
  const seen = [];
  for (const slot of module.slots) {
    const token = slot.getToken();
    if (!token) continue;
    seen.push(slot.name.trim() + ": " + token.tokenName.trim());
    if (!token.hasPassword) continue;
    await token.login();
    seen.push("logged in: " + token.isLoggedIn);
  }
  const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
  for (const certificate of await certificates.getCerts()) if (certificate.tokenName === "tester") seen.push(certificate.subjectName);
  return seen;
})().then(done, error => done(["error: " + error]));
"""


class Marionette:
    def __init__(self, port, seconds):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.stream = socket.create_connection(("127.0.0.1", port), timeout=seconds)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        self.file = self.stream.makefile("rb")
        self.number = 0
        self.receive()

    def receive(self):
        length = b""
        while (byte := self.file.read(1)) != b":":
            assert byte.isdigit(), byte
            length += byte
        return json.loads(self.file.read(int(length)))

    def __call__(self, command, **arguments):
        self.number += 1
        message = json.dumps([0, self.number, command, arguments]).encode()
        self.stream.sendall(b"%d:%s" % (len(message), message))
        _, _, error, value = self.receive()
        if error:
            raise RuntimeError(f"{command}: {error.get('message')}")
        return value.get("value", value) if isinstance(value, dict) else value


def main():
    profile, module, pin, url = sys.argv[1:]
    with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as file:
        file.writelines(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
    command = ["firefox-esr", "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", profile]
    with open("firefox.log", "wb") as log:
        firefox = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        call = Marionette(2828, 700)
        capabilities = {"timeouts": {"script": 300000, "pageLoad": 300000}}
        call("WebDriver:NewSession", capabilities={"alwaysMatch": capabilities})
        call("Marionette:SetContext", value="chrome")
        call("WebDriver:ExecuteScript", script=HANDS, args=[pin], sandbox="system")
        print(*call("WebDriver:ExecuteAsyncScript", script=MODULE, args=[module], sandbox="system"), sep="\n", flush=True)
        if url:
            call("Marionette:SetContext", value="content")
            call("WebDriver:Navigate", url=url)
            text = call("WebDriver:ExecuteScript", script="return document.body.innerText", args=[])
            print(*(line.strip() for line in text.splitlines() if "ubject:" in line or "ubject=" in line), sep="\n")
        call("Marionette:Quit", flags=["eForceQuit"])
        firefox.wait(60)
    finally:
        firefox.kill()


main()
