//! Reads what of an environment is served.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use polder_contract::yaml::{Key, Node, Value};
use polder_serve::{Asked, Wire};

use super::SettingsReader;
use crate::secret_ref;
use crate::settings::{self, ListenerSettings, Serving, ServingLimits, TlsFiles};

const ADDRESS: &str = "write an address and a port, such as 127.0.0.1:5432 or \"[::1]:5432\"";
const PUBLIC_URL: &str = "write it as browsers show it, without a path: https://polder.example or https://polder.example:8443";
const FLAG: &str = "write true or false";

impl SettingsReader {
    pub(super) fn listeners(&mut self, node: &Node) -> BTreeMap<Wire, ListenerSettings> {
        let mut listeners: BTreeMap<Wire, ListenerSettings> = BTreeMap::new();
        for (key, value) in self.map(node, "listeners", Some(&settings::LISTENERS_KEYS)) {
            let Some(wire) = settings::WIRES.into_iter().find(|wire| wire.name() == key.name) else { continue };
            let Some(listener) = self.listener(wire, value) else { continue };
            if let Some((other, _)) = listeners.iter().find(|(_, other)| meet(other.address, listener.address)) {
                let problem = format!("`{}` listens where `{}` does", wire.name(), other.name());
                self.wrong(value.line, problem, "give each of them a port of its own");
            }
            listeners.insert(wire, listener);
        }
        listeners
    }

    /// The origin of the REST listener for browsers.
    pub(super) fn public_url(&mut self, node: &Node) -> Option<String> {
        let Value::Map(listeners) = &node.value else { return None };
        let mut public_url = None;
        for (wire, listener) in listeners {
            let Value::Map(keys) = &listener.value else { continue };
            let Some((_, url)) = keys.iter().find(|(key, _)| key.name == "public_url") else { continue };
            if wire.name != Wire::Rest.name() {
                self.wrong(
                    url.line,
                    format!("`{}` has a `public_url`, which is for pages of the listener `rest`", wire.name),
                    "move it there",
                );
                continue;
            }
            match &url.value {
                Value::Text(text) if is_origin(text) => public_url = Some(text.clone()),
                _ => self.wrong(url.line, "`public_url` of rest is no https address of a named host alone", PUBLIC_URL),
            }
        }
        public_url
    }

    fn listener(&mut self, wire: Wire, node: &Node) -> Option<ListenerSettings> {
        let mut client_certificates = None;
        let (text, line, tls12) = match &node.value {
            Value::Map(_) => {
                let map = self.map(node, wire.name(), Some(&settings::LISTENER_KEYS));
                let mut tls12 = false;
                match map.iter().find(|(key, _)| key.name == "tls12").map(|(_, node)| *node) {
                    None => {}
                    Some(Node { value: Value::Bool(flag), .. }) => tls12 = *flag,
                    Some(node) => self.wrong(node.line, format!("`tls12` of {} is {}", wire.name(), node.value.kind()), FLAG),
                }
                client_certificates = self.client_certificates(wire, &map);
                if let (true, Some(_), Some((key, _))) =
                    (tls12, client_certificates, map.iter().find(|(key, _)| key.name == "client_certificates"))
                {
                    let problem =
                        format!("`client_certificates` of {} cannot be with `tls12`, which shows them to whoever listens in", wire.name());
                    self.wrong(key.line, problem, "remove one of the two");
                }
                let line = map.iter().find(|(key, _)| key.name == "address").map_or(node.line, |(key, _)| key.line);
                match map.iter().find(|(key, _)| key.name == "address") {
                    Some(_) => (self.text(&map, "address", wire.name(), node.line)?, line, tls12),
                    None => {
                        self.wrong(node.line, format!("the listener `{}` has no `address`", wire.name()), ADDRESS);
                        return None;
                    }
                }
            }
            Value::Text(text) => (text.clone(), node.line, false),
            other => {
                self.wrong(node.line, format!("the listener `{}` is {}", wire.name(), other.kind()), ADDRESS);
                return None;
            }
        };
        match text.parse::<SocketAddr>() {
            Ok(address) => Some(ListenerSettings { address, tls12, client_certificates }),
            Err(_) => {
                self.wrong(line, format!("`{text}` of listener `{}` is no address with a port", wire.name()), ADDRESS);
                None
            }
        }
    }

    fn client_certificates(&mut self, wire: Wire, map: &[(&Key, &Node)]) -> Option<Asked> {
        let (_, node) = map.iter().find(|(key, _)| key.name == "client_certificates")?;
        let asked = match &node.value {
            Value::Text(text) => settings::CLIENT_CERTIFICATES.into_iter().find(|asked| asked.name() == text),
            _ => None,
        };
        if asked.is_none() {
            let problem = format!("`client_certificates` of {} is neither accepted nor required", wire.name());
            self.wrong(node.line, problem, "write one of the two, or leave it out: then none is asked for");
        }
        asked
    }

    pub(super) fn tls(&mut self, node: &Node, serving: &mut Serving) {
        let map = self.map(node, "tls", Some(&settings::TLS_KEYS));
        let chain = self.optional(&map, "chain", "tls");
        let key = self.optional(&map, "key", "tls");
        serving.client_ca = self.optional(&map, "client_ca", "tls");
        let at = |name: &str| map.iter().find(|(key, _)| key.name == name).map(|(key, _)| key.line);
        // What stands there may be the key itself, so it is not repeated.
        if key.as_ref().is_some_and(|key| !secret_ref::is_reference(key)) {
            self.wrong(at("key").unwrap_or(node.line), "`key` of tls is no reference to a secret", secret_ref::ADVICE);
        }
        match (at("chain"), at("key")) {
            (Some(line), None) => self.wrong(line, "tls has a `chain` and no `key`", "add the key, such as key: file:tls/server.key"),
            (None, Some(line)) => self.wrong(line, "tls has a `key` and no `chain`", "add the chain, such as chain: tls/server.pem"),
            (Some(_), Some(_)) => {
                if let Some(line) = at("names") {
                    let advice = "remove them: the certificate of `chain` holds the names that it was made for";
                    self.wrong(line, "`names` of tls are for the internal authority's certificates", advice);
                }
            }
            (None, None) => {}
        }
        serving.tls = chain.zip(key).map(|(chain, key)| TlsFiles { chain, key });
        if let Some((_, names)) = map.iter().find(|(key, _)| key.name == "names") {
            let line = names.line;
            serving.names = self.texts(names, "names");
            for name in serving.names.iter().filter(|name| !polder_serve::authority::is_subject(name)) {
                self.wrong(line, format!("`{name}` of tls is no host's name and no address"), "write it as clients name the server");
            }
        }
    }

    pub(super) fn scheduler_off(&mut self, node: &Node) -> bool {
        match &node.value {
            Value::Bool(on) => !on,
            other => {
                self.wrong(node.line, format!("`scheduler` is {}", other.kind()), FLAG);
                false
            }
        }
    }

    pub(super) fn limits(&mut self, node: &Node) -> ServingLimits {
        let mut limits = ServingLimits::default();
        for (key, value) in self.map(node, "limits", Some(&settings::LIMITS.map(|(key, _)| key))) {
            let Some((name, most)) = settings::LIMITS.into_iter().find(|(name, _)| *name == key.name) else { continue };
            let number = match value.value {
                Value::Int(number) => u32::try_from(number).ok().filter(|number| (1..=most).contains(number)),
                _ => None,
            };
            let Some(number) = number else {
                self.wrong(value.line, format!("`{name}` of limits is not a whole number from 1 to {most}"), "correct it");
                continue;
            };
            let (seconds, count) = (u64::from(number), usize::try_from(number).unwrap_or(usize::MAX));
            match name {
                "connections" => limits.connections = count,
                "connections_per_address" => limits.connections_per_address = count,
                "sign_in_seconds" => limits.sign_in_seconds = seconds,
                "idle_minutes" => limits.idle_minutes = seconds,
                "statement_seconds" => limits.statement_seconds = seconds,
                "statements_per_principal" => limits.statements_per_principal = count,
                "memory_mib" => limits.memory_mib = seconds,
                "session_hours" => limits.session_hours = seconds,
                "grant_hours" => limits.grant_hours = number,
                _ => {}
            }
        }
        limits
    }
}

/// Whether this is the origin of a named host, as a browser writes it: passkeys are bound to the name, and none to an address.
fn is_origin(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    url.scheme() == "https" && url.domain().is_some() && url.origin().ascii_serialization() == text
}

/// Whether two listeners would want one port.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host =
        one.ip() == other.ip() || (one.is_ipv4() == other.is_ipv4() && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    one.port() != 0 && one.port() == other.port() && same_host
}
