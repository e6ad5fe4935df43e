//! Reads what of an environment is served.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use polder_contract::yaml::{Node, Value};
use polder_serve::Wire;

use super::SettingsReader;
use crate::secret_ref;
use crate::settings::{self, ListenerSettings, Serving, ServingLimits, TlsFiles};

const ADDRESS: &str = "write an address and a port, such as 127.0.0.1:5432 or \"[::1]:5432\"";
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

    fn listener(&mut self, wire: Wire, node: &Node) -> Option<ListenerSettings> {
        let (text, line, tls12) = match &node.value {
            Value::Map(_) => {
                let map = self.map(node, wire.name(), Some(&settings::LISTENER_KEYS));
                let mut tls12 = false;
                match map.iter().find(|(key, _)| key.name == "tls12").map(|(_, node)| *node) {
                    None => {}
                    Some(Node { value: Value::Bool(flag), .. }) => tls12 = *flag,
                    Some(node) => self.wrong(node.line, format!("`tls12` of {} is {}", wire.name(), node.value.kind()), FLAG),
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
            Ok(address) => Some(ListenerSettings { address, tls12 }),
            Err(_) => {
                self.wrong(line, format!("`{text}` of listener `{}` is no address with a port", wire.name()), ADDRESS);
                None
            }
        }
    }

    pub(super) fn tls(&mut self, node: &Node, serving: &mut Serving) {
        let map = self.map(node, "tls", Some(&settings::TLS_KEYS));
        let chain = self.optional(&map, "chain", "tls");
        let key = self.optional(&map, "key", "tls");
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
                _ => {}
            }
        }
        limits
    }
}

/// Whether two listeners would want one port.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host =
        one.ip() == other.ip() || (one.is_ipv4() == other.is_ipv4() && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    one.port() != 0 && one.port() == other.port() && same_host
}
