//! How many connections there are, in all and from each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// That of the listener.
    All,
    /// That of the address.
    Address,
}

/// The open connections of a listener.
pub(super) struct Counts {
    all_max: usize,
    address_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

impl Counts {
    pub(super) fn new(all_max: usize, address_max: usize) -> Self {
        Self { all_max, address_max, open: Mutex::default() }
    }

    /// A place for a connection, until it is dropped.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let address = one(address);
        let mut open = self.open.lock();
        if open.all >= self.all_max {
            return Err(Full::All);
        }
        let of_address = open.of.entry(address).or_default();
        if *of_address >= self.address_max {
            return Err(Full::Address);
        }
        *of_address += 1;
        open.all += 1;
        Ok(Place { counts: Arc::clone(self), address })
    }

    /// How many there are now.
    pub(super) fn all(&self) -> usize {
        self.open.lock().all
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> (usize, usize) {
        let open = self.open.lock();
        (open.all, open.of.len())
    }
}

/// A connection that is counted.
pub(super) struct Place {
    counts: Arc<Counts>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.counts.open.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(of_address) = open.of.get_mut(&self.address) {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                open.of.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: of IPv6 the network of 64 bits, since whoever has one address there has all of that network.
fn one(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            // Loopback stays itself: it is in nobody's network.
            if address.is_loopback() { address.into() } else { Ipv6Addr::from(network).into() }
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_counted_and_come_back() {
        let counts = Arc::new(Counts::new(3, 2));
        let one = counts.take(address("192.0.2.1")).unwrap();
        let two = counts.take(address("192.0.2.1")).unwrap();
        assert_eq!(counts.take(address("192.0.2.1")).err(), Some(Full::Address));
        // Another address is not held up by the first.
        let other = counts.take(address("192.0.2.2")).unwrap();
        assert_eq!(counts.take(address("192.0.2.3")).err(), Some(Full::All));
        assert_eq!(counts.open(), (3, 2));
        drop((one, two));
        assert_eq!(counts.open(), (1, 1));
        assert!(counts.take(address("192.0.2.1")).is_ok());
        drop(other);
        assert_eq!(counts.open(), (0, 0));
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one_and_a_mapped_one_is_what_it_maps() {
        let counts = Arc::new(Counts::new(10, 1));
        let _held = counts.take(address("2001:db8::1")).unwrap();
        assert_eq!(counts.take(address("2001:db8::ffff:1")).err(), Some(Full::Address));
        assert!(counts.take(address("2001:db8:0:1::1")).is_ok());
        let _mapped = counts.take(address("::ffff:192.0.2.1")).unwrap();
        assert_eq!(counts.take(address("192.0.2.1")).err(), Some(Full::Address));
        assert!(counts.take(address("::1")).is_ok());
    }
}
