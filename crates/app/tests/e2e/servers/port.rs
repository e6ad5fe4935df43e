//! Ports for servers that cannot choose one themselves.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Below those that Linux gives to whoever asks for any port: none of them is taken by a connection that goes out.
const FIRST: u32 = 20_000;
const COUNT: u32 = 10_000;

/// A port of 127.0.0.1 that no other test takes while this lives, whether a server listens on it or not.
pub struct Port {
    number: u16,
    /// A name of the kernel's that one process has at a time: it goes with the process and leaves no file.
    _reserved: UnixListener,
}

impl Port {
    /// Tests that start at once begin their search at different places.
    pub fn reserve() -> Self {
        let start = std::process::id().wrapping_mul(613);
        let numbers = (0..COUNT).map(|step| u16::try_from(FIRST + start.wrapping_add(step) % COUNT).unwrap());
        let mut reserved = numbers.filter_map(|number| {
            let name = SocketAddr::from_abstract_name(format!("polder-test-port-{number}")).unwrap();
            let reserved = UnixListener::bind_addr(&name).ok()?;
            // A program that knows nothing of this may listen there.
            TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
            Some(Self { number, _reserved: reserved })
        });
        reserved.next().expect("a free port from 20000 to 29999")
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}

#[test]
fn a_port_is_reserved_once_and_can_be_listened_on() {
    let first = Port::reserve();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first.number())).unwrap();
    let second = Port::reserve();
    assert_ne!(first.number(), second.number());
    // The search begins at the same place each time: what keeps the first one away is the reservation alone.
    drop(listener);
    assert_ne!(Port::reserve().number(), first.number());
}
