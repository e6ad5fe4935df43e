//! What a service manager is told, as systemd's `sd_notify` says it: a datagram to the socket that it named.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Whoever started this process and wants to know how it is.
pub struct Readiness {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Readiness {
    /// By the variables of the environment; nobody when there are none, or they make no sense.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let mine = variable("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let micros = variable("WATCHDOG_USEC").and_then(|micros| micros.parse().ok()).filter(|micros| mine && *micros > 0);
        Self::to(variable("NOTIFY_SOCKET").as_deref(), micros.map(Duration::from_micros))
    }

    /// Of something that is part of another, which tells how all of it is.
    pub fn silent() -> Self {
        Self::to(None, None)
    }

    fn to(socket: Option<&str>, watchdog: Option<Duration>) -> Self {
        let to = socket.and_then(|name| Some((UnixDatagram::unbound().ok()?, address(name).ok()?)));
        Self { to, watchdog }
    }

    /// How often a sign of life is due: twice in the time after which there is none any more.
    pub fn every(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.to.is_some()).map(|all| all / 2)
    }

    /// Everything is up.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// A sign of life, and what is going on.
    pub fn alive(&self, status: &str) {
        let beat = if self.watchdog.is_some() { "\nWATCHDOG=1" } else { "" };
        self.tell(&format!("STATUS={}{beat}", status.replace('\n', " ")));
    }

    /// It is going down.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Nobody may listen any more: that is no failure of what is told.
    fn tell(&self, text: &str) {
        if let Some((socket, to)) = &self.to {
            let _ = socket.send_to_addr(text.as_bytes(), to);
        }
    }
}

/// A path, or behind `@` a name without a file.
fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if name.starts_with('/') => SocketAddr::from_pathname(name),
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_service_manager_hears_that_it_is_up_lives_and_goes_down() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let readiness = Readiness::to(path.to_str(), Some(Duration::from_secs(30)));
        assert_eq!(readiness.every(), Some(Duration::from_secs(15)));
        readiness.ready();
        readiness.alive("one\ntwo");
        readiness.stopping();
        assert_eq!([heard(&socket), heard(&socket), heard(&socket)], ["READY=1", "STATUS=one two\nWATCHDOG=1", "STOPPING=1"]);
        // A name without a file, and no watchdog.
        let name = format!("polder-readiness-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let readiness = Readiness::to(Some(&format!("@{name}")), None);
        readiness.alive("idle");
        assert_eq!((heard(&socket), readiness.every()), ("STATUS=idle".to_owned(), None));
    }

    #[test]
    fn where_nobody_listens_nothing_fails() {
        for socket in [None, Some("relative"), Some("/nowhere/at/all"), Some("@nobody-listens-here")] {
            let readiness = Readiness::to(socket, Some(Duration::from_secs(1)));
            readiness.ready();
            readiness.stopping();
        }
        assert_eq!(Readiness::to(None, Some(Duration::from_secs(1))).every(), None);
    }
}
