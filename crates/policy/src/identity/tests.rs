mod factors;

use std::collections::BTreeSet;

use polder_types::{ErrorKind, SeededRng};

use super::*;

mod grants;

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;
const KEY: &[u8] = b"the installation's";
const PASSWORD: &str = "four words and a half";

fn credentials(name: &str, text: &str) -> Credentials {
    Credentials::new(&Password::new(name, text).unwrap(), &SeededRng::new(7)).unwrap()
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn user(name: &str, groups: &[&str]) -> Change {
    Change::AddAccount { kind: Kind::User, name: name.to_owned(), groups: set(groups), credentials: Some(credentials(name, PASSWORD)) }
}

fn service(name: &str) -> Change {
    Change::AddAccount { kind: Kind::Service, name: name.to_owned(), groups: set(&[]), credentials: None }
}

fn token(owner: &str, days: u32, wires: &[&str]) -> Change {
    Change::MakeToken { owner: owner.to_owned(), days, wires: set(wires), note: None }
}

fn by(sort: fn(Kind, String) -> Change, kind: Kind, name: &str) -> Change {
    sort(kind, name.to_owned())
}

fn disable(kind: Kind, name: String) -> Change {
    Change::Disable { kind, name }
}

fn enable(kind: Kind, name: String) -> Change {
    Change::Enable { kind, name }
}

fn remove(kind: Kind, name: String) -> Change {
    Change::RemoveAccount { kind, name }
}

fn revoke(kind: Kind, name: String) -> Change {
    Change::Revoke { kind, name }
}

/// A register that grows, and the clock.
struct Bed {
    register: Register,
    now: i64,
    rng: SeededRng,
}

impl Bed {
    /// Ann, who is in group analysts, and the service etl.
    fn new() -> Self {
        let mut bed = Self { register: Register::default(), now: NOW, rng: SeededRng::new(3) };
        bed.does(&Change::AddGroup { name: "analysts".to_owned() });
        bed.does(&user("ann", &["analysts"]));
        bed.does(&service("etl"));
        bed
    }

    #[track_caller]
    fn does(&mut self, change: &Change) -> Applied {
        // As it travels to another process.
        let change: Change = serde_json::from_slice(&serde_json::to_vec(change).unwrap()).unwrap();
        let applied = self.register.apply(&change, self.now, &self.rng).unwrap();
        assert_eq!(applied.register.version(), self.register.version() + 1);
        assert_eq!(applied.change, change.sort());
        let again = Register::from_json(&applied.register.to_json().unwrap()).unwrap();
        assert_eq!(again, applied.register);
        self.register = again.clone();
        Applied { register: again, ..applied }
    }

    fn refuses(&self, change: &Change) -> ChangeError {
        self.register.apply(change, self.now, &self.rng).unwrap_err()
    }

    fn token(&mut self, owner: &str, days: u32, wires: &[&str]) -> (String, String) {
        let (id, text) = self.does(&token(owner, days, wires)).token.unwrap();
        (id, text.expose_secret().clone())
    }

    fn by_password(&self, name: &str, text: &str) -> Result<SignedIn, Refusal> {
        self.register.by_password(name, text, "rest", self.now)
    }

    fn by_token(&self, text: &str, wire: &str) -> Result<SignedIn, Refusal> {
        self.register.by_token(text, wire, self.now)
    }
}

#[test]
fn a_password_lets_its_account_in_and_no_other() {
    let bed = Bed::new();
    let ann = bed.by_password("ann", PASSWORD).unwrap();
    assert_eq!(
        (ann.principal().as_str(), ann.name(), ann.groups(), ann.method()),
        ("user:ann", "ann", ["analysts".to_owned()].as_slice(), Method::Password)
    );
    assert_eq!((ann.token_id(), ann.expires_ms(), ann.since_ms()), (None, None, NOW));
    assert_eq!(bed.by_password("ann", "four words and a half!").unwrap_err(), Refusal::Password);
    assert_eq!(bed.by_password("ann", "").unwrap_err(), Refusal::Password);
    assert_eq!(bed.by_password("bob", PASSWORD).unwrap_err(), Refusal::Unknown);
    assert_eq!(bed.by_password("Ann", PASSWORD).unwrap_err(), Refusal::Unknown);
    assert_eq!(bed.by_password("etl", PASSWORD).unwrap_err(), Refusal::NoPassword);
}

/// What a client of RFC 5802 computes.
fn proof(text: &str, salt: &[u8], iterations: u32, message: &str) -> Vec<u8> {
    use aws_lc_rs::{digest, hmac, pbkdf2};
    let mac = |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec();
    let mut salted = [0u8; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations.try_into().unwrap(), salt, text.as_bytes(), &mut salted);
    let client_key = mac(&salted, b"Client Key");
    let signature = mac(digest::digest(&digest::SHA256, &client_key).as_ref(), message.as_bytes());
    client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect()
}

#[test]
fn a_proof_lets_its_account_in_and_no_other() {
    let bed = Bed::new();
    let prove = |name: &str, text: &str| {
        let (salt, iterations) = bed.register.challenge(name, KEY);
        bed.register.by_scram(name, "message", &proof(text, &salt, iterations, "message"), KEY, NOW)
    };
    let (ann, signature) = prove("ann", PASSWORD).unwrap();
    assert_eq!((ann.name(), ann.method(), signature.len()), ("ann", Method::Scram, 32));
    assert_eq!(prove("ann", "another one").unwrap_err(), Refusal::Password);
    assert_eq!(prove("bob", PASSWORD).unwrap_err(), Refusal::Unknown);
    assert_eq!(prove("etl", PASSWORD).unwrap_err(), Refusal::NoPassword);
    let (salt, iterations) = bed.register.challenge("ann", KEY);
    let other = proof(PASSWORD, &salt, iterations, "another message");
    assert_eq!(bed.register.by_scram("ann", "message", &other, KEY, NOW).unwrap_err(), Refusal::Password);
    // Nobody can tell from how it begins who there is.
    for name in ["bob", "etl", ""] {
        let (salt, iterations) = bed.register.challenge(name, KEY);
        assert_eq!((salt.len(), iterations), (16, 100_000), "{name}");
        assert_eq!(bed.register.challenge(name, KEY).0, salt);
    }
}

#[test]
fn a_token_is_for_its_wires_and_its_days() {
    let mut bed = Bed::new();
    let (id, text) = bed.token("etl", 2, &["rest", "flight"]);
    let etl = bed.by_token(&text, "rest").unwrap();
    assert_eq!((etl.principal().as_str(), etl.method(), etl.token_id()), ("service:etl", Method::Token, Some(id.as_str())));
    assert_eq!(etl.expires_ms(), Some(NOW + 2 * DAY));
    assert!(bed.by_token(&text, "flight").is_ok());
    assert_eq!(bed.by_token(&text, "postgres").unwrap_err(), Refusal::Wire);
    assert_eq!(bed.by_token("polder_", "rest").unwrap_err(), Refusal::Token);
    // One that is whole, and was not made here; one with the id of another.
    let foreign = Token::new(&SeededRng::new(99)).unwrap().text();
    assert_eq!(bed.by_token(foreign.expose_secret(), "rest").unwrap_err(), Refusal::Token);
    bed.now = NOW + 2 * DAY - 1000;
    assert!(bed.by_token(&text, "rest").is_ok() && bed.register.still(&etl, bed.now).is_ok());
    bed.now += 1000;
    assert_eq!(bed.by_token(&text, "rest").unwrap_err(), Refusal::Expired);
    assert_eq!(bed.register.still(&etl, bed.now).unwrap_err(), Refusal::Expired);
    let (_, all) = bed.token("ann", 90, &[]);
    assert!(WIRES.iter().all(|wire| bed.by_token(&all, wire).is_ok()));
}

#[test]
fn a_token_stands_in_for_a_password_where_the_name_is_its_owners() {
    let mut bed = Bed::new();
    let (_, text) = bed.token("etl", 90, &["rest"]);
    assert_eq!(bed.by_password("etl", &text).unwrap().method(), Method::Token);
    assert_eq!(bed.by_password("ann", &text).unwrap_err(), Refusal::Owner);
    assert_eq!(bed.register.by_password("etl", &text, "postgres", NOW).unwrap_err(), Refusal::Wire);
}

#[test]
fn a_clock_that_went_back_lets_nobody_in() {
    let mut bed = Bed::new();
    let (_, text) = bed.token("etl", 90, &[]);
    let ann = bed.by_password("ann", PASSWORD).unwrap();
    bed.now = NOW - 1;
    assert_eq!(bed.by_password("ann", PASSWORD).unwrap_err(), Refusal::Clock);
    assert_eq!(bed.by_token(&text, "rest").unwrap_err(), Refusal::Clock);
    assert_eq!(bed.register.still(&ann, bed.now).unwrap_err(), Refusal::Clock);
    bed.now = NOW;
    assert!(bed.by_password("ann", PASSWORD).is_ok() && bed.by_token(&text, "rest").is_ok());
}

/// Even when the clock stands still, or went back: what was revoked in a later version is over.
#[test]
fn what_is_revoked_ends_sessions_that_began_before() {
    for moved in [0, 1000, -1000] {
        let mut bed = Bed::new();
        let (_, text) = bed.token("ann", 90, &[]);
        bed.now = NOW + 5000;
        let begin = |bed: &Bed| [bed.by_password("ann", PASSWORD).unwrap(), bed.by_token(&text, "rest").unwrap()];
        let sessions = begin(&bed);
        let all = |bed: &Bed, expected: [Result<(), Refusal>; 2]| {
            let still: Vec<_> = sessions.iter().map(|session| bed.register.still(session, bed.now).map(|_| ())).collect();
            assert_eq!(still, expected, "{moved}");
        };
        all(&bed, [Ok(()), Ok(())]);
        // What has nothing to do with her.
        bed.does(&by(disable, Kind::Service, "etl"));
        all(&bed, [Ok(()), Ok(())]);
        bed.now += moved;
        let before = bed.register.clone();
        bed.does(&by(disable, Kind::User, "ann"));
        all(&bed, [Err(Refusal::Disabled), Err(Refusal::Disabled)]);
        assert_eq!(bed.by_password("ann", PASSWORD).unwrap_err(), Refusal::Disabled);
        assert_eq!(bed.by_token(&text, "rest").unwrap_err(), Refusal::Disabled);
        // A wrong password is told from a disabled account by nobody.
        assert_eq!(bed.by_password("ann", "wrong").unwrap_err(), Refusal::Password);
        bed.does(&by(enable, Kind::User, "ann"));
        all(&bed, [Err(Refusal::Revoked), Err(Refusal::Revoked)]);
        assert!(bed.by_password("ann", PASSWORD).is_ok() && bed.by_token(&text, "rest").is_ok());

        bed.register = before.clone();
        bed.does(&by(revoke, Kind::User, "ann"));
        all(&bed, [Err(Refusal::Revoked), Err(Refusal::Revoked)]);
        assert_eq!(bed.by_token(&text, "rest").unwrap_err(), Refusal::Revoked);
        assert!(bed.by_password("ann", PASSWORD).is_ok());

        bed.register = before.clone();
        bed.does(&Change::SetPassword { name: "ann".to_owned(), credentials: credentials("ann", "another four words") });
        all(&bed, [Err(Refusal::Revoked), Err(Refusal::Revoked)]);
        assert_eq!(bed.by_password("ann", PASSWORD).unwrap_err(), Refusal::Password);
        assert!(bed.by_password("ann", "another four words").is_ok() && bed.by_token(&text, "rest").is_ok());

        bed.register = before.clone();
        bed.does(&by(remove, Kind::User, "ann"));
        all(&bed, [Err(Refusal::Revoked), Err(Refusal::Revoked)]);
        assert_eq!(bed.by_token(&text, "rest").unwrap_err(), Refusal::Token);
        // Another one of the same name, of either kind, is not her.
        bed.does(&user("ann", &[]));
        all(&bed, [Err(Refusal::Revoked), Err(Refusal::Revoked)]);
        bed.does(&by(remove, Kind::User, "ann"));
        bed.does(&service("ann"));
        all(&bed, [Err(Refusal::Revoked), Err(Refusal::Revoked)]);

        bed.register = before;
        let id = sessions[1].token_id().unwrap().to_owned();
        bed.does(&Change::RevokeToken { id });
        all(&bed, [Ok(()), Err(Refusal::Revoked)]);
        assert_eq!(bed.by_token(&text, "rest").unwrap_err(), Refusal::Revoked);
    }
}

#[test]
fn a_session_has_the_groups_of_now() {
    let mut bed = Bed::new();
    let ann = bed.by_password("ann", PASSWORD).unwrap();
    bed.does(&Change::AddGroup { name: "auditors".to_owned() });
    bed.does(&Change::Join { group: "auditors".to_owned(), name: "ann".to_owned() });
    assert_eq!(bed.register.still(&ann, NOW).unwrap(), ["analysts", "auditors"]);
    assert_eq!(bed.register.members("auditors").collect::<Vec<_>>(), ["ann"]);
    bed.does(&Change::Leave { group: "analysts".to_owned(), name: "ann".to_owned() });
    assert_eq!(bed.register.still(&ann, NOW).unwrap(), ["auditors"]);
    bed.does(&Change::RemoveGroup { name: "auditors".to_owned() });
    assert_eq!(bed.register.still(&ann, NOW).unwrap(), Vec::<String>::new());
}

#[test]
fn tokens_that_ended_long_ago_are_forgotten() {
    let mut bed = Bed::new();
    let (expired, _) = bed.token("ann", 1, &[]);
    let (revoked, _) = bed.token("ann", 90, &[]);
    let (kept, _) = bed.token("ann", 90, &[]);
    bed.does(&Change::RevokeToken { id: revoked.clone() });
    bed.now += 30 * DAY;
    bed.does(&Change::AddGroup { name: "a".to_owned() });
    assert!([&expired, &revoked, &kept].into_iter().all(|id| bed.register.tokens().contains_key(id)));
    bed.now += DAY + 1;
    bed.does(&Change::AddGroup { name: "b".to_owned() });
    assert_eq!(bed.register.tokens().keys().collect::<Vec<_>>(), [&kept]);
}

#[test]
fn error_texts() {
    let mut bed = Bed::new();
    let (id, whole) = bed.token("ann", 1, &[]);
    bed.does(&Change::RevokeToken { id: id.clone() });
    let group = |name: &str| Change::AddGroup { name: name.to_owned() };
    let join = |group: &str, name: &str| Change::Join { group: group.to_owned(), name: name.to_owned() };
    let note = |note: &str| Change::MakeToken { owner: "ann".to_owned(), days: 1, wires: set(&[]), note: Some(note.to_owned()) };
    let with = |kind, credentials| Change::AddAccount { kind, name: "bob".to_owned(), groups: set(&[]), credentials };
    let wrong = [
        user("Bob", &[]),
        user("ann", &[]),
        service("ann"),
        user("bob", &["analists"]),
        with(Kind::User, None),
        with(Kind::Service, Some(credentials("bob", PASSWORD))),
        by(disable, Kind::User, "bob"),
        by(disable, Kind::Service, "ann"),
        by(enable, Kind::User, "ann"),
        group("Analysts"),
        group("analysts"),
        join("analysts", "ann"),
        join("analists", "ann"),
        join("analysts", "bob"),
        Change::Leave { group: "analysts".to_owned(), name: "etl".to_owned() },
        token("bob", 1, &[]),
        token("ann", 0, &[]),
        token("ann", 366, &[]),
        token("ann", 1, &["postgresql"]),
        note("two\nlines"),
        Change::RevokeToken { id: "12345678".to_owned() },
        Change::RevokeToken { id },
        Change::RevokeToken { id: whole.clone() },
    ];
    let texts: Vec<String> = wrong.iter().map(|change| bed.refuses(change).to_string()).collect();
    assert!(texts.iter().all(|text| !text.contains(&whole[16..48])));
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn what_is_no_register_is_refused() {
    let bed = Bed::new();
    let text = String::from_utf8(bed.register.to_json().unwrap()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        let error = Register::from_json(text.replacen(from, to, 1).as_bytes()).unwrap_err();
        // Of what it holds nothing is repeated.
        assert!(!error.to_string().contains("ann"), "{error}");
        error.kind()
    };
    assert_eq!(refused("\"format\":1", "\"format\":2"), ErrorKind::Invalid);
    assert_eq!(refused("\"format\":1", "\"format\":1,\"more\":1"), ErrorKind::Corrupt);
    assert_eq!(refused("\"ann\"", "\"Ann\""), ErrorKind::Corrupt);
    assert_eq!(refused("[\"analysts\"]", "[\"owners\"]"), ErrorKind::Corrupt);
    assert_eq!(refused("100000", "1"), ErrorKind::Corrupt);
    assert_eq!(refused("\"memory_kib\":19456", "\"memory_kib\":8"), ErrorKind::Corrupt);
    assert_eq!(refused("\"memory_kib\":19456", "\"memory_kib\":4000000000"), ErrorKind::Corrupt);
    assert!(Register::from_json(b"").is_err());
    assert!(Register::from_json(text.as_bytes()).is_ok());
}

#[test]
fn a_change_from_elsewhere_makes_nothing_that_cannot_be_read() {
    let bed = Bed::new();
    let text = serde_json::to_string(&user("bob", &[])).unwrap();
    for (from, to) in [("100000", "1"), ("\"memory_kib\":19456", "\"memory_kib\":8"), ("\"memory_kib\":19456", "\"memory_kib\":4000000000")]
    {
        assert!(text.contains(from), "{text}");
        let change: Change = serde_json::from_str(&text.replace(from, to)).unwrap();
        assert!(matches!(bed.refuses(&change), ChangeError::Unsound { .. }), "{to}");
    }
    assert!(serde_json::from_str::<Change>(&text.replace("\"kind\"", "\"more\":1,\"kind\"")).is_err());
    // The control.
    assert!(bed.register.apply(&serde_json::from_str(&text).unwrap(), NOW, &bed.rng).is_ok());
}

#[test]
fn nothing_secret_is_in_what_is_kept_or_shown() {
    let mut bed = Bed::new();
    let (_, text) = bed.token("etl", 90, &[]);
    let kept = String::from_utf8(bed.register.to_json().unwrap()).unwrap();
    assert!(!kept.contains(&text[16..48]) && !kept.contains(PASSWORD));
    let shown = format!("{:?} {:?}", bed.register, user("bob", &[]));
    let hash = kept.split("\"stored_key\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(shown.contains("Credentials(..)") && !shown.contains(hash) && !shown.contains(&text[16..48]));
}

#[test]
fn there_is_a_most_of_tokens() {
    let mut bed = Bed::new();
    for _ in 0..100 {
        bed.token("ann", 1, &[]);
    }
    assert!(matches!(bed.refuses(&token("ann", 1, &[])), ChangeError::TooManyTokens { .. }));
    assert!(bed.register.apply(&token("etl", 1, &[]), bed.now, &bed.rng).is_ok());
    bed.now += DAY;
    bed.token("ann", 1, &[]);
}

mod certificates;
