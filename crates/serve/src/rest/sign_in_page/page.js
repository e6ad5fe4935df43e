"use strict";

// The session token lives in this page's memory alone: nothing is kept by the browser.
const at = (id) => document.getElementById(id);
const words = document.body.dataset;
let token = null;

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const plain = (buffer) => btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
const text = (buffer) => plain(buffer).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function say(status, alert) {
  at("status").textContent = status || "";
  at("alert").textContent = alert || "";
}

async function ask(method, path, headers, body) {
  const all = Object.assign({ Accept: "application/json" }, headers);
  if (body !== undefined) all["Content-Type"] = "application/json";
  // Without the browser's own credentials, so that it asks nobody for a password in a window of its own.
  const answer = await fetch(path, {
    method, headers: all, credentials: "omit", cache: "no-store", redirect: "error",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 204) return null;
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  const error = new Error(said.detail || answer.statusText);
  error.status = answer.status;
  throw error;
}

const bearer = () => ({ Authorization: "Bearer " + token });

function failed(error) {
  if (error.status === 401) say("", words.refused);
  else if (error.status === 503) say("", words.late);
  else if (error.name === "NotAllowedError" || error.name === "AbortError") say("", words.cancelled);
  else say("", words.failed + error.message);
}

function signedIn(given) {
  token = given.token;
  at("who").textContent = given.name || "";
  at("token").value = token;
  at("until").textContent = given.expires ? words.until + new Date(given.expires).toLocaleString(document.documentElement.lang) : "";
  at("password").value = "";
  at("code").value = "";
  at("in").hidden = true;
  at("out").hidden = false;
  say("", "");
  at("out-title").focus();
}

function signedOut() {
  token = null;
  at("token").value = "";
  at("out").hidden = true;
  at("in").hidden = false;
  at("name").focus();
}

// One thing at a time; whatever goes wrong is said.
async function busy(work) {
  const buttons = Array.from(document.querySelectorAll("button"));
  if (buttons.some((button) => button.disabled)) return;
  buttons.forEach((button) => { button.disabled = true; });
  say("", "");
  try {
    await work();
  } catch (error) {
    failed(error);
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

async function byPassword() {
  const pair = new TextEncoder().encode(at("name").value + ":" + at("password").value);
  const headers = { Authorization: "Basic " + plain(pair.buffer) };
  const code = at("code").value.trim();
  if (code) headers["Polder-Code"] = code;
  signedIn(await ask("POST", "/v1/sessions", headers));
}

async function byPasskey() {
  const asked = await ask("POST", "/v1/sessions/passkey/options");
  const credential = await navigator.credentials.get({
    publicKey: Object.assign(asked, { challenge: bytes(asked.challenge) }),
  });
  const response = credential.response;
  signedIn(await ask("POST", "/v1/sessions/passkey", {}, {
    credential: text(credential.rawId),
    client_data: text(response.clientDataJSON),
    authenticator_data: text(response.authenticatorData),
    signature: text(response.signature),
    user_handle: response.userHandle ? text(response.userHandle) : "",
  }));
}

async function addPasskey() {
  const wish = await ask("POST", "/v1/passkeys/options", bearer());
  wish.challenge = bytes(wish.challenge);
  wish.user.id = bytes(wish.user.id);
  wish.excludeCredentials = wish.excludeCredentials.map((known) => Object.assign(known, { id: bytes(known.id) }));
  const credential = await navigator.credentials.create({ publicKey: wish });
  const made = {
    client_data: text(credential.response.clientDataJSON),
    attestation: text(credential.response.attestationObject),
  };
  const label = at("label").value.trim();
  if (label) made.label = label;
  await ask("POST", "/v1/passkeys", bearer(), made);
  at("label").value = "";
  say(words.added, "");
}

async function copy() {
  at("token").select();
  await navigator.clipboard.writeText(at("token").value);
  say(words.copied, "");
}

async function signOut() {
  await ask("DELETE", "/v1/sessions/current", bearer());
  signedOut();
  say(words.ended, "");
}

async function providers() {
  const answer = await fetch("/v1/sign-in/providers", { credentials: "omit", headers: { Accept: "application/json" } });
  if (answer.status !== 200) return;
  const said = await answer.json();
  for (const provider of said.providers || []) {
    const name = typeof provider === "string" ? provider : provider.name;
    const link = document.createElement("a");
    link.className = "provider";
    link.href = "/v1/sign-in/" + encodeURIComponent(name);
    link.textContent = name;
    at("providers").append(link);
  }
}

at("form").addEventListener("submit", (event) => { event.preventDefault(); busy(byPassword); });
at("use-passkey").addEventListener("click", () => busy(byPasskey));
at("add-passkey").addEventListener("click", () => busy(addPasskey));
at("copy").addEventListener("click", () => busy(copy));
at("sign-out").addEventListener("click", () => busy(signOut));
if (!window.PublicKeyCredential) {
  at("use-passkey").hidden = true;
  at("add-passkey").hidden = true;
}

// Who comes back from a provider brings the token behind `#`, which no server sees. It is taken where a cookie says that this browser was just given
// it: a link could bring another's, and whoever follows it would work in the name of someone else.
async function brought() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  const told = "__Host-polder-brought=";
  const cookie = document.cookie.split("; ").find((one) => one.startsWith(told));
  if (cookie) document.cookie = told + "; Path=/; Max-Age=0; Secure; SameSite=Lax";
  if (!given) return at("name").focus();
  history.replaceState(null, "", location.pathname);
  const [hash, name] = cookie ? cookie.slice(told.length).split(".") : [];
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(given));
  if (!hash || hash !== text(digest)) return say("", words.refused);
  signedIn({ token: given, name: new TextDecoder().decode(bytes(name || "")) });
}
brought().catch(failed);
providers().catch(() => {});
