//! How late refusals come: the later, the more there were of the same name from the same address, or from the same address at all.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// The delay of a first refusal, in milliseconds; each further one doubles it.
const FIRST_MS: u64 = 250;
/// The longest delay, in milliseconds.
const LONGEST_MS: u64 = 8_000;
/// Refusals of one address, whatever the names, that are not told later for it: many people may share an address.
const FREE_OF_ADDRESS: u32 = 20;
/// How many more refusals of one address double its delay.
const ADDRESS_STEP: u32 = 4;
/// Without a refusal for so long, those before are forgotten.
const FORGET_MS: i64 = 15 * 60 * 1000;
/// Pairs and addresses that are remembered, each.
const REMEMBERED: usize = 10_000;
/// Bytes of a name that tell it from others: no account has a longer one.
const NAME_BYTES: usize = 64;

/// Counts refusals. It never keeps the owner of a name out who comes from another address, and its memory is bounded: of more pairs or
/// addresses than it remembers, those that were seen longest ago are forgotten.
#[derive(Debug)]
pub struct Delays {
    pairs: Recent<(String, IpAddr)>,
    addresses: Recent<IpAddr>,
}

impl Default for Delays {
    fn default() -> Self {
        Self::new(REMEMBERED)
    }
}

impl Delays {
    /// One that remembers so many pairs of name and address, and so many addresses.
    pub fn new(remembered: usize) -> Self {
        Self { pairs: Recent::new(remembered), addresses: Recent::new(remembered) }
    }

    /// How long to wait before someone is judged, in milliseconds: nothing without refusals before. Who was refused tries one at a time,
    /// however many connections they open, since each attempt comes after the one before it.
    pub fn before_ms(&mut self, name: &str, address: IpAddr, now_ms: i64) -> u64 {
        let Some(pair) = self.pairs.known(&pair(name, address), now_ms) else { return 0 };
        let wait_ms = u64::try_from(pair.free_ms.saturating_sub(now_ms)).unwrap_or(0);
        let next_ms = now_ms.saturating_add(signed(wait_ms)).saturating_add(signed(doubled(pair.refusals.saturating_sub(1))));
        pair.free_ms = next_ms.min(now_ms.saturating_add(8 * signed(LONGEST_MS)));
        wait_ms
    }

    /// Counts a refusal, and says how long its answer waits, in milliseconds.
    pub fn refused(&mut self, name: &str, address: IpAddr, now_ms: i64) -> u64 {
        let of_pair = self.pairs.count(pair(name, address), now_ms);
        let of_address = self.addresses.count(network(address), now_ms);
        let free = of_address.saturating_sub(FREE_OF_ADDRESS);
        let by_address = if free == 0 { 0 } else { doubled((free - 1) / ADDRESS_STEP) };
        doubled(of_pair.saturating_sub(1)).max(by_address)
    }

    /// Someone was let in: what they mistyped before is forgotten. The address's other refusals are not, or an account of one's own would
    /// take back the delays of guessing at others. Who came without a name, by a token or a passkey that nobody can guess, keeps the next one from
    /// nothing.
    pub fn let_in(&mut self, name: &str, address: IpAddr, now_ms: i64) {
        self.pairs.forget(&pair(name, address));
        if let Some(nameless) = self.pairs.known(&pair("", address), now_ms) {
            nameless.free_ms = nameless.free_ms.min(now_ms);
        }
    }
}

/// 0.25 s, 0.5 s, and so on, at most 8 s.
fn doubled(times: u32) -> u64 {
    FIRST_MS.checked_shl(times.min(16)).unwrap_or(LONGEST_MS).min(LONGEST_MS)
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn pair(name: &str, address: IpAddr) -> (String, IpAddr) {
    let cut = (0..=NAME_BYTES.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    (name.get(..cut).unwrap_or_default().to_owned(), network(address))
}

/// An address of IPv6 is one of 2^64 that the same host may take.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

/// What is known of a pair or an address.
#[derive(Debug)]
struct Counted {
    refusals: u32,
    last_ms: i64,
    /// When the next attempt may be judged.
    free_ms: i64,
    turn: u64,
}

/// Counts by key, those that were seen last.
#[derive(Debug)]
struct Recent<K> {
    counts: HashMap<K, Counted>,
    /// The keys in the order in which they were seen.
    turns: BTreeMap<u64, K>,
    turn: u64,
    most: usize,
}

impl<K: Clone + Eq + Hash> Recent<K> {
    fn new(most: usize) -> Self {
        Self { counts: HashMap::new(), turns: BTreeMap::new(), turn: 0, most: most.max(1) }
    }

    fn known(&mut self, key: &K, now_ms: i64) -> Option<&mut Counted> {
        // Of a clock that went back nothing is forgotten.
        if self.counts.get(key)?.last_ms.saturating_add(FORGET_MS) < now_ms {
            self.forget(key);
        }
        self.counts.get_mut(key)
    }

    fn count(&mut self, key: K, now_ms: i64) -> u32 {
        let known = self.known(&key, now_ms).map(|counted| (counted.refusals, counted.free_ms));
        self.forget(&key);
        let (before, free_ms) = known.unwrap_or((0, now_ms));
        let refusals = before.saturating_add(1);
        let free_ms = free_ms.max(now_ms.saturating_add(signed(doubled(refusals.saturating_sub(1)))));
        self.turn += 1;
        self.turns.insert(self.turn, key.clone());
        self.counts.insert(key, Counted { refusals, last_ms: now_ms, free_ms, turn: self.turn });
        while self.counts.len() > self.most
            && let Some((_, oldest)) = self.turns.pop_first()
        {
            self.counts.remove(&oldest);
        }
        refusals
    }

    fn forget(&mut self, key: &K) {
        if let Some(counted) = self.counts.remove(key) {
            self.turns.remove(&counted.turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn each_refusal_comes_later_than_the_one_before() {
        let mut delays = Delays::default();
        let told: Vec<u64> = (0..8).map(|at| delays.refused("ann", address(1), at * 10_000)).collect();
        assert_eq!(told, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        // The owner of the name, elsewhere; another name, there.
        assert_eq!(delays.before_ms("ann", address(2), 80_000), 0);
        assert_eq!(delays.refused("ann", address(2), 80_000), 250);
        assert_eq!(delays.refused("bob", address(1), 80_000), 250);
        delays.let_in("ann", address(1), 0);
        assert_eq!(delays.before_ms("ann", address(1), 80_000), 0);
        assert_eq!(delays.refused("ann", address(1), 80_000), 250);
    }

    #[test]
    fn who_opens_many_connections_tries_one_at_a_time() {
        let mut delays = Delays::default();
        assert_eq!(delays.before_ms("ann", address(1), 0), 0);
        for _ in 0..6 {
            delays.refused("ann", address(1), 0);
        }
        let waits: Vec<u64> = (0..12).map(|_| delays.before_ms("ann", address(1), 0)).collect();
        assert_eq!(waits, [8000, 16000, 24000, 32000, 40000, 48000, 56000, 64000, 64000, 64000, 64000, 64000]);
        assert_eq!(delays.before_ms("ann", address(2), 0), 0);
        assert_eq!(delays.before_ms("ann", address(1), 64_000), 0);
    }

    #[test]
    fn who_comes_in_without_a_name_keeps_nobody_waiting() {
        let mut delays = Delays::default();
        for _ in 0..6 {
            delays.refused("", address(1), 0);
        }
        assert_eq!((delays.before_ms("", address(1), 0), delays.before_ms("", address(1), 1)), (8000, 15_999));
        delays.let_in("ann", address(1), 8_000);
        assert_eq!(delays.before_ms("", address(1), 8_000), 0, "though six were refused before");
        assert_eq!(delays.refused("", address(1), 8_000), 8000, "refusals come as late as before");
        assert!(delays.before_ms("", address(1), 8_000) > 0, "and who tries anew without coming in waits");
    }

    #[test]
    fn names_in_turn_make_the_address_late() {
        let mut delays = Delays::default();
        let told: Vec<u64> = (0..60).map(|at| delays.refused(&format!("name{at}"), address(1), 0)).collect();
        assert!(told[..20].iter().all(|ms| *ms == 250), "{told:?}");
        assert_eq!((told[20], told[24], told[28], told[40], told[59]), (250, 500, 1000, 8000, 8000));
        // A right password from there is judged at once, and so is one from elsewhere.
        assert_eq!(delays.before_ms("ann", address(1), 0), 0);
        assert_eq!(delays.refused("name1", address(2), 0), 250);
    }

    #[test]
    fn a_quarter_of_an_hour_forgets() {
        let mut delays = Delays::default();
        for _ in 0..6 {
            delays.refused("ann", address(1), 0);
        }
        assert_eq!(delays.refused("ann", address(1), FORGET_MS), 8000);
        assert_eq!(delays.refused("ann", address(1), 2 * FORGET_MS + 1), 250);
        // A clock that goes back forgets nothing.
        assert_eq!(delays.refused("ann", address(1), 0), 500);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut delays = Delays::new(100);
        for at in 0..10_000u32 {
            delays.refused(&format!("name{at}"), IpAddr::from(at.to_be_bytes()), 0);
        }
        assert_eq!((delays.pairs.counts.len(), delays.pairs.turns.len()), (100, 100));
        assert_eq!((delays.addresses.counts.len(), delays.addresses.turns.len()), (100, 100));
        // The newest are there, the oldest are not.
        assert_eq!(delays.refused("name9999", IpAddr::from(9999u32.to_be_bytes()), 0), 500);
        assert_eq!(delays.refused("name0", IpAddr::from(0u32.to_be_bytes()), 0), 250);
        delays.refused(&"é".repeat(10_000), address(1), 0);
        assert!(delays.pairs.counts.keys().all(|(name, _)| name.len() <= NAME_BYTES));
    }

    #[test]
    fn a_host_has_many_addresses_of_ipv6() {
        let mut delays = Delays::default();
        let addresses: [IpAddr; 4] =
            ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1", "::ffff:192.0.2.1"].map(|text| text.parse().unwrap());
        let told: Vec<u64> = addresses.iter().map(|address| delays.refused("ann", *address, 0)).collect();
        assert_eq!(told, [250, 500, 250, 250]);
        assert_eq!(delays.refused("ann", address(1), 0), 500);
    }
}
