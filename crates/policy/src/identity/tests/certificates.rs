//! Client certificates: what lets in is that one is in the register, and holds.

use super::*;

fn print(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

fn add(owner: &str, digit: char, wires: &[&str], days: i64) -> Change {
    Change::Certificate(CertificateChange::Add {
        owner: owner.to_owned(),
        fingerprint: print(digit),
        serial: "4f00".to_owned(),
        wires: set(wires),
        expires_ms: NOW + days * DAY,
        foreign: false,
    })
}

fn revoke(fingerprint: &str) -> Change {
    Change::Certificate(CertificateChange::Revoke { fingerprint: fingerprint.to_owned() })
}

impl Bed {
    fn by_certificate(&self, digit: char, wire: &str) -> Result<SignedIn, Refusal> {
        self.register.by_certificate(&print(digit), wire, self.now)
    }
}

#[test]
fn a_certificate_lets_its_service_in_by_its_wires_until_its_end() {
    let mut bed = Bed::new();
    bed.does(&add("etl", 'a', &["rest"], 30));
    let etl = bed.by_certificate('a', "rest").unwrap();
    let of = (etl.principal().as_str(), etl.name(), etl.method(), etl.certificate(), etl.expires_ms(), etl.token_id());
    assert_eq!(of, ("service:etl", "etl", Method::Certificate, Some(print('a').as_str()), Some(NOW + 30 * DAY), None));
    assert_eq!(bed.by_certificate('a', "postgres").unwrap_err(), Refusal::Wire);
    // That an authority signed it is nothing that is asked here.
    assert_eq!(bed.by_certificate('b', "rest").unwrap_err(), Refusal::Certificate);
    assert!(bed.register.still(&etl, bed.now).is_ok());
    bed.now = NOW + 30 * DAY;
    assert_eq!(bed.by_certificate('a', "rest").unwrap_err(), Refusal::Expired);
    assert_eq!(bed.register.still(&etl, bed.now).unwrap_err(), Refusal::Expired);
    // A clock that went back brings nothing into being.
    bed.now = NOW - 1;
    assert_eq!(bed.by_certificate('a', "rest").unwrap_err(), Refusal::Clock);
}

#[test]
fn without_wires_it_is_for_all_of_them() {
    let mut bed = Bed::new();
    bed.does(&add("etl", 'a', &[], 1));
    assert!(WIRES.iter().all(|wire| bed.by_certificate('a', wire).is_ok()));
}

#[test]
fn what_is_revoked_disabled_or_removed_ends_sessions_that_began_by_it() {
    for (change, why) in [
        (revoke(&print('a')), Refusal::Revoked),
        (revoke(&print('a')[..8]), Refusal::Revoked),
        (by(super::revoke, Kind::Service, "etl"), Refusal::Revoked),
        (by(disable, Kind::Service, "etl"), Refusal::Disabled),
        (by(remove, Kind::Service, "etl"), Refusal::Revoked),
    ] {
        let mut bed = Bed::new();
        bed.does(&add("etl", 'a', &[], 30));
        bed.does(&add("etl", 'b', &[], 30));
        let etl = bed.by_certificate('a', "rest").unwrap();
        bed.now += 1;
        bed.does(&change);
        assert_eq!(bed.register.still(&etl, bed.now).unwrap_err(), why, "{change:?}");
        assert!(bed.by_certificate('a', "rest").is_err(), "{change:?}");
        // Another one of the same service goes with the service alone.
        let other = bed.by_certificate('b', "rest").is_ok();
        assert_eq!(other, matches!(change, Change::Certificate(_)), "{change:?}");
    }
    // What comes back under the name of a service that was removed is another one's.
    let mut bed = Bed::new();
    bed.does(&add("etl", 'a', &[], 30));
    bed.does(&by(remove, Kind::Service, "etl"));
    bed.does(&service("etl"));
    assert_eq!(bed.by_certificate('a', "rest").unwrap_err(), Refusal::Certificate);
}

/// Whoever shows a certificate and something else must be one in both, and is let in no longer than both hold.
#[test]
fn what_is_bound_to_a_certificate_holds_no_longer_than_it() {
    let mut bed = Bed::new();
    bed.does(&service("other"));
    bed.does(&add("etl", 'a', &[], 30));
    bed.does(&add("other", 'b', &[], 30));
    let (_, text) = bed.token("etl", 90, &["rest"]);
    let bound = |bed: &Bed, digit| bed.register.bound(bed.by_token(&text, "rest").unwrap(), &print(digit), "rest", bed.now);
    let etl = bound(&bed, 'a').unwrap();
    assert_eq!((etl.method(), etl.expires_ms()), (Method::Token, Some(NOW + 30 * DAY)));
    assert_eq!(bound(&bed, 'b').unwrap_err(), Refusal::Owner);
    assert_eq!(bound(&bed, 'c').unwrap_err(), Refusal::Certificate);
    bed.does(&revoke(&print('a')));
    assert_eq!(bed.register.still(&etl, bed.now).unwrap_err(), Refusal::Revoked);
    assert!(bed.by_token(&text, "rest").is_ok());
}

#[test]
fn what_cannot_be_is_told_with_what_to_do() {
    let mut bed = Bed::new();
    bed.does(&add("etl", 'a', &[], 30));
    let mut near = print('a');
    near.replace_range(60.., "bbbb");
    let twin = Change::Certificate(CertificateChange::Add {
        owner: "etl".to_owned(),
        fingerprint: near,
        serial: "01".to_owned(),
        wires: set(&[]),
        expires_ms: NOW + DAY,
        foreign: true,
    });
    bed.does(&twin);
    let serial = |serial: &str| {
        Change::Certificate(CertificateChange::Add {
            owner: "etl".to_owned(),
            fingerprint: print('d'),
            serial: serial.to_owned(),
            wires: set(&[]),
            expires_ms: NOW + DAY,
            foreign: false,
        })
    };
    for (change, kind, says) in [
        (add("ann", 'c', &[], 1), ErrorKind::Invalid, "say `polder user` instead"),
        (add("nobody", 'c', &[], 1), ErrorKind::NotFound, "there is no service nobody"),
        (add("etl", 'a', &[], 1), ErrorKind::Invalid, "etl comes in by it already"),
        (add("etl", 'c', &["pg"], 1), ErrorKind::Invalid, "the ways in are postgres, flight, rest, metrics"),
        (add("etl", 'c', &[], 0), ErrorKind::Invalid, "its time is over"),
        (add("etl", 'G', &[], 1), ErrorKind::Invalid, "64 hexadecimal digits"),
        (serial(""), ErrorKind::Invalid, "its serial number is none"),
        (serial("xx"), ErrorKind::Invalid, "its serial number is none"),
        (revoke("aaaa"), ErrorKind::Invalid, "at least the first 8"),
        (revoke(&print('c')), ErrorKind::NotFound, "there is no certificate whose fingerprint begins with"),
        (revoke("aaaaaaaa"), ErrorKind::NotFound, "there is more than one certificate"),
    ] {
        let refused = bed.refuses(&change);
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    bed.does(&revoke(&print('a')));
    assert!(bed.refuses(&revoke(&print('a'))).to_string().contains("revoked already"));
}

#[test]
fn one_that_ended_long_ago_is_forgotten_and_a_register_with_a_strange_one_is_refused() {
    let mut bed = Bed::new();
    bed.does(&add("etl", 'a', &[], 1));
    bed.now = NOW + 32 * DAY;
    bed.does(&Change::AddGroup { name: "later".to_owned() });
    assert!(bed.register.certificates().is_empty());
    // A register without certificates has none of their key: older programs read it.
    assert!(!String::from_utf8(bed.register.to_json().unwrap()).unwrap().contains("certificates"));
    bed.now = NOW;
    bed.does(&add("etl", 'a', &[], 1));
    let text = String::from_utf8(bed.register.to_json().unwrap()).unwrap();
    for (from, to) in [(r#""owner":"etl""#, r#""owner":"who""#), (print('a').as_str(), "short"), (r#""serial":"4f00""#, r#""serial":"no""#)]
    {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        assert!(Register::from_json(other.as_bytes()).is_err(), "{from}");
    }
}
