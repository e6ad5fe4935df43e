//! Which ways in there are, and from where: what is not named in polder.yaml is off.

use serde::Serialize;

use crate::project::Project;

/// A way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exposed {
    listener: &'static str,
    address: String,
    /// Other machines may reach it.
    reachable: bool,
    /// It takes TLS 1.2 too.
    tls12: bool,
    /// Whether it asks for client certificates: `accepted` or `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificates: Option<&'static str>,
}

impl Exposed {
    /// Whether other machines may reach it.
    pub fn is_reachable(&self) -> bool {
        self.reachable
    }

    /// For people.
    pub fn says(&self) -> String {
        let from = if self.reachable { "WARNING: other machines may reach it" } else { "from this machine alone" };
        let tls = if self.tls12 { "TLS 1.2 and 1.3" } else { "TLS 1.3" };
        let clients = self.client_certificates.map(|asked| format!(", client certificates {asked}")).unwrap_or_default();
        format!("{} on {}, {tls}{clients}, {from}", self.listener, self.address)
    }
}

/// The ways in that an environment's settings name, whether or not someone serves.
pub fn exposed(project: &Project) -> Vec<Exposed> {
    let listeners = &project.environment().serving.listeners;
    let exposed = listeners.iter().map(|(wire, settings)| Exposed {
        listener: wire.name(),
        address: settings.address.to_string(),
        reachable: !settings.address.ip().to_canonical().is_loopback(),
        tls12: settings.tls12,
        client_certificates: settings.client_certificates.map(polder_serve::Asked::name),
    });
    exposed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_machines_may_reach_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let text = "environments:\n  default:\n    store: s\n    keys: {custody: key-file, path: k}\n    listeners: {postgres: {address: '0.0.0.0:5432', tls12: true}, rest: {address: '[::1]:8443', client_certificates: required}, flight: '[::ffff:127.0.0.1]:32010'}\n";
        std::fs::write(dir.path().join("polder.yaml"), text).unwrap();
        let exposed = exposed(&Project::find(Some(dir.path()), "default").unwrap());
        let says: Vec<String> = exposed.iter().map(Exposed::says).collect();
        assert_eq!(
            says,
            [
                "postgres on 0.0.0.0:5432, TLS 1.2 and 1.3, WARNING: other machines may reach it",
                "flight on [::ffff:127.0.0.1]:32010, TLS 1.3, from this machine alone",
                "rest on [::1]:8443, TLS 1.3, client certificates required, from this machine alone",
            ]
        );
    }
}
