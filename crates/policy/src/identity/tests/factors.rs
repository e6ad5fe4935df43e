//! Second factors and session tokens, as the register judges them.

use polder_types::event::IdentityChange;
use totp_rs::Totp;

use super::*;

const STEP_MS: i64 = 30_000;

struct App(Totp);

impl App {
    fn code(&self, now_ms: i64) -> String {
        self.0.generate(u64::try_from(now_ms / 1_000).unwrap()).to_string()
    }
}

/// Enrols Ann, whose app showed the code of a step before now.
fn enrolled(bed: &mut Bed) -> (App, Vec<String>) {
    let new = NewTotp::new("ann", &bed.rng).unwrap();
    let app = App(Totp::from_url(new.address().unwrap().expose_secret()).unwrap());
    let (totp, codes) = new.confirmed(&app.code(bed.now - STEP_MS), bed.now, &bed.rng).unwrap().unwrap();
    let applied = bed.does(&Change::Factor(FactorChange::EnrolTotp { name: "ann".to_owned(), totp }));
    assert_eq!((applied.change, applied.subject), (IdentityChange::TotpEnrolled, Subject::Account("ann".to_owned())));
    (app, codes.iter().map(|code| code.expose_secret().clone()).collect())
}

impl Bed {
    fn by_code(&self, password: &str, code: &str, spent_step: u64) -> Result<(SignedIn, Spent), Refusal> {
        self.register.by_password_and_code("ann", password, code, spent_step, self.now)
    }
}

#[test]
fn with_a_second_factor_no_password_is_enough_on_any_way_in() {
    let mut bed = Bed::new();
    let (_, token) = bed.token("ann", 1, &[]);
    let before = bed.by_password("ann", PASSWORD).unwrap();
    let (app, _) = enrolled(&mut bed);
    // A session that began without a code is over.
    assert_eq!(bed.register.still(&before, bed.now).unwrap_err(), Refusal::Revoked);
    for wire in WIRES {
        assert_eq!(bed.register.by_password("ann", PASSWORD, wire, bed.now).unwrap_err(), Refusal::SecondFactor, "{wire}");
        assert_eq!(bed.register.by_password("ann", "wrong", wire, bed.now).unwrap_err(), Refusal::Password, "{wire}");
    }
    let (salt, iterations) = bed.register.challenge("ann", KEY);
    let prove = |text: &str| bed.register.by_scram("ann", "message", &proof(text, &salt, iterations, "message"), KEY, bed.now);
    assert_eq!(prove(PASSWORD).unwrap_err(), Refusal::SecondFactor);
    assert_eq!(prove("wrong").unwrap_err(), Refusal::Password);
    // Tokens are for programs, which have no codes.
    assert_eq!(bed.by_token(&token, "rest").unwrap().name(), "ann");
    let (signed_in, spent) = bed.by_code(PASSWORD, &app.code(bed.now), 0).unwrap();
    assert_eq!((signed_in.name(), signed_in.method(), spent), ("ann", Method::Totp, Spent::Step(step_of(bed.now))));
}

#[test]
fn a_code_needs_the_password_and_is_worth_something_once() {
    let mut bed = Bed::new();
    assert_eq!(bed.by_code(PASSWORD, "123456", 0).unwrap_err(), Refusal::Code);
    let (app, _) = enrolled(&mut bed);
    let code = app.code(bed.now);
    assert_eq!(bed.by_code("wrong", &code, 0).unwrap_err(), Refusal::Password);
    assert_eq!(bed.by_code(PASSWORD, "", 0).unwrap_err(), Refusal::Code);
    let other = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(bed.by_code(PASSWORD, other, 0).unwrap_err(), Refusal::Code);
    assert_eq!(bed.by_code(PASSWORD, &code, step_of(bed.now)).unwrap_err(), Refusal::CodeUsed);
    // The code that enrolled is spent.
    assert_eq!(bed.by_code(PASSWORD, &app.code(bed.now - STEP_MS), 0).unwrap_err(), Refusal::Code);
    assert!(bed.by_code(PASSWORD, &app.code(bed.now + STEP_MS), step_of(bed.now)).is_ok());
    assert_eq!(bed.register.by_password_and_code("etl", PASSWORD, &code, 0, bed.now).unwrap_err(), Refusal::NoPassword);
    assert_eq!(bed.register.by_password_and_code("bob", PASSWORD, &code, 0, bed.now).unwrap_err(), Refusal::Unknown);
}

#[test]
fn a_recovery_code_is_used_up() {
    let mut bed = Bed::new();
    let (_, codes) = enrolled(&mut bed);
    let (signed_in, spent) = bed.by_code(PASSWORD, &codes[3], 0).unwrap();
    assert_eq!(signed_in.method(), Method::Recovery);
    let Spent::Recovery(hash) = spent else { panic!("it is a recovery code") };
    let spend = Change::Factor(FactorChange::SpendRecovery { name: "ann".to_owned(), hash });
    bed.does(&spend);
    assert_eq!(bed.register.account("ann").unwrap().totp().unwrap().recovery_codes_left(), 9);
    assert_eq!(bed.by_code(PASSWORD, &codes[3], 0).unwrap_err(), Refusal::Code);
    assert_eq!(bed.refuses(&spend).kind(), ErrorKind::NotFound);
    assert!(bed.by_code(PASSWORD, &codes[4], 0).is_ok());
    assert_eq!(bed.by_code("wrong", &codes[4], 0).unwrap_err(), Refusal::Password);
    // Who was let in by it stays.
    assert!(bed.register.still(&signed_in, bed.now).is_ok());
}

#[test]
fn a_second_factor_comes_once_and_goes_once() {
    let mut bed = Bed::new();
    let remove = Change::Factor(FactorChange::RemoveTotp { name: "ann".to_owned() });
    assert_eq!(bed.refuses(&remove).kind(), ErrorKind::NotFound);
    let (app, _) = enrolled(&mut bed);
    let new = NewTotp::new("ann", &bed.rng).unwrap();
    let other = App(Totp::from_url(new.address().unwrap().expose_secret()).unwrap());
    let (totp, _) = new.confirmed(&other.code(bed.now), bed.now, &bed.rng).unwrap().unwrap();
    let again = Change::Factor(FactorChange::EnrolTotp { name: "ann".to_owned(), totp: totp.clone() });
    assert!(matches!(bed.refuses(&again), ChangeError::Already { .. }));
    let service = Change::Factor(FactorChange::EnrolTotp { name: "etl".to_owned(), totp });
    assert!(matches!(bed.refuses(&service), ChangeError::OtherKind { .. }));
    bed.does(&remove);
    assert!(bed.by_password("ann", PASSWORD).is_ok());
    assert_eq!(bed.by_code(PASSWORD, &app.code(bed.now), 0).unwrap_err(), Refusal::Code);
}

#[test]
fn a_session_token_stands_for_the_sign_in_before_it_and_no_more() {
    let mut bed = Bed::new();
    let (id, text) = bed.token("etl", 1, &["rest", "flight"]);
    let by_token = bed.by_token(&text, "rest").unwrap();
    let by_password = bed.by_password("ann", PASSWORD).unwrap();
    bed.now += 60_000;
    let resumed = bed.register.resume(&by_password, "postgres", bed.now).unwrap();
    assert_eq!((resumed.method(), resumed.since_ms(), resumed.groups()), (Method::Session, NOW, ["analysts".to_owned()].as_slice()));
    // What an API token let in comes by its ways alone, until its end.
    let resumed = bed.register.resume(&by_token, "flight", bed.now).unwrap();
    assert_eq!((resumed.token_id(), resumed.expires_ms()), (Some(id.as_str()), Some(NOW + DAY)));
    assert_eq!(bed.register.resume(&by_token, "postgres", bed.now).unwrap_err(), Refusal::Wire);
    assert_eq!(bed.register.resume(&by_token, "flight", NOW + DAY).unwrap_err(), Refusal::Expired);
    bed.does(&Change::RevokeToken { id });
    assert_eq!(bed.register.resume(&by_token, "flight", bed.now).unwrap_err(), Refusal::Revoked);
    bed.does(&by(revoke, Kind::User, "ann"));
    assert_eq!(bed.register.resume(&by_password, "postgres", bed.now).unwrap_err(), Refusal::Revoked);
}
