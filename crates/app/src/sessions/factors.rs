//! Second factors as the serving process judges them: codes, which are worth something once, and passkeys, whose challenges it makes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use polder_policy::identity::{Assertion, FactorChange, Refusal, Registration, RelyingParty, SignedIn, Spent, StoredPasskey, step_of};
use polder_serve::{Fault, Origin, Passkey, PasskeyAnswer, PasskeyChallenge, PasskeyMade, PasskeyWish, Session};
use polder_types::{ErrorKind, Rng, Secret};

use super::arrivals::Arrivals;
use super::{Hall, fault};

/// How long a challenge is awaited.
const CHALLENGE_MS: i64 = 120_000;
/// Challenges that are awaited at once.
const CHALLENGES_MAX: usize = 10_000;
/// Those of one address.
const CHALLENGES_OF_ADDRESS_MAX: usize = 64;
/// How old a sign-in may be that adds or removes a passkey: whoever finds an open session, or its token, shall not make it last.
const FRESH_MS: i64 = 15 * 60_000;

/// What an answer of an authenticator is awaited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Someone signs in.
    SignIn,
    /// A passkey of this account.
    Add(String),
}

struct Awaited {
    asked: Asked,
    address: IpAddr,
    until_ms: i64,
}

/// What second factors were asked for, and what they used up. It is in memory alone: to write it into the register would write all accounts at
/// each sign-in. So that nothing that a process before this one took is taken again, codes of the steps that it can have seen are refused; and
/// a passkey's counter is compared with the one of its registration, and with all that this process saw.
pub(super) struct Factors {
    party: Option<RelyingParty>,
    awaited: Mutex<HashMap<[u8; 32], Awaited>>,
    /// The last step of each account whose code was taken.
    steps: Mutex<HashMap<String, u64>>,
    /// The last step whose codes an earlier process can have taken: the one after that in which this one began, since clocks differ.
    spent_step: u64,
    /// The last counter of each passkey that counts.
    counters: Mutex<HashMap<Vec<u8>, u32>>,
}

impl Factors {
    pub(super) fn new(public_url: Option<&str>, now_ms: i64) -> Self {
        Self {
            party: public_url.and_then(RelyingParty::of),
            awaited: Mutex::default(),
            steps: Mutex::default(),
            spent_step: step_of(now_ms).saturating_add(1),
            counters: Mutex::default(),
        }
    }

    /// Makes a challenge.
    ///
    /// # Errors
    /// When there are no passkeys here, too many challenges are awaited, or there is no randomness.
    pub(super) fn ask(&self, asked: Asked, address: IpAddr, now_ms: i64, rng: &dyn Rng) -> Result<PasskeyChallenge, Fault> {
        let party = self.party.as_ref().ok_or_else(no_passkeys)?;
        let mut challenge = [0; 32];
        rng.fill(&mut challenge)
            .map_err(|_| Fault::new(ErrorKind::Unavailable, "make challenge: the operating system gives no randomness; try again later"))?;
        let mut awaited = self.awaited.lock();
        awaited.retain(|_, other| holds(other, now_ms));
        let of_address = awaited.values().filter(|other| other.address == address).count();
        if awaited.len() >= CHALLENGES_MAX || of_address >= CHALLENGES_OF_ADDRESS_MAX {
            return Err(Fault::limit("make challenge: as many as may be are awaited; try again in two minutes"));
        }
        awaited.insert(challenge, Awaited { asked, address, until_ms: now_ms.saturating_add(CHALLENGE_MS) });
        Ok(PasskeyChallenge { challenge: challenge.to_vec(), party: party.id().to_owned() })
    }

    /// Takes a challenge that is awaited for this: nobody can answer it again.
    fn take(&self, challenge: &[u8], asked: &Asked, now_ms: i64) -> bool {
        let Ok(challenge) = <[u8; 32]>::try_from(challenge) else { return false };
        let taken = self.awaited.lock().remove(&challenge);
        taken.is_some_and(|taken| taken.asked == *asked && holds(&taken, now_ms))
    }

    /// Whether codes of now can be told from those that an earlier process took.
    ///
    /// # Errors
    /// When they cannot yet.
    fn takes_codes(&self, now_ms: i64) -> Result<(), Fault> {
        if step_of(now_ms) > self.spent_step {
            return Ok(());
        }
        Err(Fault::limit("sign in: the server began a moment ago, and takes codes a minute later; try again then"))
    }

    fn spent(&self, name: &str) -> u64 {
        self.steps.lock().get(name).copied().unwrap_or(0).max(self.spent_step)
    }

    /// Uses up a step's codes; false where another sign-in came first.
    fn spend(&self, name: &str, step: u64) -> bool {
        let mut steps = self.steps.lock();
        let last = steps.entry(name.to_owned()).or_insert(self.spent_step);
        let fresh = step > *last;
        *last = step.max(*last);
        fresh
    }

    /// Whether a passkey's counter went up; those that do not count always say 0.
    fn counts(&self, passkey: &StoredPasskey, counter: u32) -> bool {
        let mut counters = self.counters.lock();
        let last = counters.get(passkey.credential()).copied().unwrap_or(0).max(passkey.counter());
        if counter == 0 && last == 0 {
            return true;
        }
        if counter > last {
            counters.insert(passkey.credential().to_vec(), counter);
        }
        counter > last
    }
}

fn holds(awaited: &Awaited, now_ms: i64) -> bool {
    // A clock that went back makes no challenge longer.
    (0..=CHALLENGE_MS).contains(&awaited.until_ms.saturating_sub(now_ms)) && now_ms < awaited.until_ms
}

fn no_passkeys() -> Fault {
    let text = "use passkeys: this server has no address for browsers; write public_url below listeners.rest in polder.yaml, such as https://polder.example";
    Fault::new(ErrorKind::Invalid, text)
}

impl Arrivals {
    /// Judges a password with a code. What was used up is so before anyone is let in.
    pub(super) async fn by_code(
        &self,
        name: String,
        password: Secret<String>,
        code: Secret<String>,
        origin: &Origin,
    ) -> Result<Arc<dyn Session>, Fault> {
        let hall = &self.0;
        // Recovery codes are used up in the register, and need not wait.
        if code.expose_secret().bytes().all(|digit| digit.is_ascii_digit()) {
            hall.factors.takes_codes(hall.now_ms())?;
        }
        self.wait(&name, origin).await;
        let (typed, spent_step) = (name.clone(), hall.factors.spent(&name));
        let judged = self.hashed(move |register, now_ms| {
            register.by_password_and_code(&typed, password.expose_secret(), code.expose_secret(), spent_step, now_ms)
        });
        let (signed_in, spent) = match judged.await? {
            Ok(judged) => judged,
            Err(refusal) => return Err(self.refuse(Some(&name), refusal, origin).await),
        };
        match spent {
            Spent::Step(step) if hall.factors.spend(&name, step) => {}
            Spent::Step(_) => return Err(self.refuse(Some(&name), Refusal::CodeUsed, origin).await),
            Spent::Recovery(hash) => {
                let change = FactorChange::SpendRecovery { name: name.clone(), hash };
                match hall.identities.change_own(&hall.installation, &signed_in, change).await {
                    Ok(_) => {}
                    Err(failure) if matches!(failure.kind(), ErrorKind::NotFound | ErrorKind::Denied) => {
                        return Err(self.refuse(Some(&name), Refusal::CodeUsed, origin).await);
                    }
                    Err(failure) => return Err(fault::of_failure(&failure)),
                }
            }
        }
        self.let_in(signed_in, origin).await
    }

    /// Judges what a passkey signed.
    pub(super) async fn by_passkey(&self, answer: PasskeyAnswer, origin: &Origin) -> Result<Arc<dyn Session>, Fault> {
        self.wait("", origin).await;
        match self.0.passkey_judged(answer) {
            Ok(signed_in) => self.let_in(signed_in, origin).await,
            Err(refusal) => Err(self.refuse(None, refusal, origin).await),
        }
    }
}

impl Hall {
    fn passkey_judged(&self, answer: PasskeyAnswer) -> Result<SignedIn, Refusal> {
        let PasskeyAnswer { credential, client_data, authenticator_data, signature, user_handle } = answer;
        let assertion = Assertion { credential, client_data, authenticator_data, signature, user_handle };
        let party = self.factors.party.as_ref().ok_or(Refusal::Passkey)?;
        let challenge = assertion.challenge().ok_or(Refusal::Passkey)?;
        let now_ms = self.now_ms();
        if !self.factors.take(&challenge, &Asked::SignIn, now_ms) {
            return Err(Refusal::Passkey);
        }
        let register = self.identities.current();
        let (signed_in, passkey, counter) = register.by_passkey(party, &challenge, &assertion, |name| self.user_handle(name), now_ms)?;
        if !self.factors.counts(passkey, counter) {
            return Err(Refusal::PasskeyCounter);
        }
        Ok(signed_in)
    }

    /// What a passkey knows its account by: the id of the name in the log, from which nobody else learns the name.
    fn user_handle(&self, name: &str) -> Vec<u8> {
        self.identities.subject(name).0.to_vec()
    }

    /// The passkeys of whoever is signed in.
    pub(super) fn passkeys(&self, signed_in: &SignedIn) -> Result<Vec<Passkey>, Fault> {
        let register = self.identities.current();
        let account = register.account(signed_in.name()).ok_or_else(Fault::not_signed_in)?;
        Ok(account.passkeys().iter().map(|(id, passkey)| listed(id, passkey)).collect())
    }

    /// What an authenticator is asked for, for a new passkey of whoever is signed in.
    pub(super) fn passkey_wish(&self, signed_in: &SignedIn, origin: &Origin) -> Result<PasskeyWish, Fault> {
        let now_ms = self.now_ms();
        fresh(signed_in, now_ms)?;
        let name = signed_in.name().to_owned();
        let register = self.identities.current();
        let account = register.account(&name).ok_or_else(Fault::not_signed_in)?;
        let known = account.passkeys().values().map(|passkey| passkey.credential().to_vec()).collect();
        let rng = self.installation.rng.as_ref();
        let asked = self.factors.ask(Asked::Add(name.clone()), origin.address, now_ms, rng)?;
        Ok(PasskeyWish { asked, user_handle: self.user_handle(&name), name, known })
    }

    /// Adds a passkey to the account of whoever is signed in.
    pub(super) async fn add_passkey(&self, signed_in: &SignedIn, made: PasskeyMade) -> Result<Passkey, Fault> {
        let now_ms = self.now_ms();
        fresh(signed_in, now_ms)?;
        let party = self.factors.party.as_ref().ok_or_else(no_passkeys)?;
        let name = signed_in.name().to_owned();
        let registration = Registration { client_data: made.client_data, attestation: made.attestation, label: made.label };
        let wrong = |error: &dyn std::fmt::Display| Fault::new(ErrorKind::Rejected, format!("add passkey: {error}"));
        let challenge = registration.challenge().ok_or_else(|| wrong(&"what the browser says of itself cannot be read; try again"))?;
        if !self.factors.take(&challenge, &Asked::Add(name.clone()), now_ms) {
            return Err(wrong(&"it answers nothing that was asked, or comes too late; begin again"));
        }
        let passkey = registration.verify(party, &challenge).map_err(|error| wrong(&error))?;
        let id = passkey.id();
        let change = FactorChange::AddPasskey { name: name.clone(), passkey };
        self.change_own(signed_in, change).await?;
        let register = self.identities.current();
        let added = register.account(&name).and_then(|account| account.passkeys().get(&id));
        added.map(|passkey| listed(&id, passkey)).ok_or_else(Fault::not_signed_in)
    }

    /// Takes a passkey from the account of whoever is signed in.
    pub(super) async fn remove_passkey(&self, signed_in: &SignedIn, id: &str) -> Result<(), Fault> {
        fresh(signed_in, self.now_ms())?;
        let change = FactorChange::RemovePasskey { name: signed_in.name().to_owned(), id: id.to_owned() };
        self.change_own(signed_in, change).await
    }

    /// To its end, whoever hangs up: a change that is recorded is one that this process knows of.
    async fn change_own(&self, signed_in: &SignedIn, change: FactorChange) -> Result<(), Fault> {
        let (identities, installation, signed_in) = (Arc::clone(&self.identities), Arc::clone(&self.installation), signed_in.clone());
        let changed = tokio::spawn(async move { identities.change_own(&installation, &signed_in, change).await }).await;
        match changed {
            Ok(changed) => changed.map(|_| ()).map_err(|failure| fault::of_failure(&failure)),
            Err(error) => Err(Fault::new(ErrorKind::Internal, format!("change second factors: {error}; report this as a defect"))),
        }
    }
}

fn listed(id: &str, passkey: &StoredPasskey) -> Passkey {
    Passkey { id: id.to_owned(), label: passkey.label().map(str::to_owned), added_ms: passkey.added().time_ms }
}

/// Whether whoever is signed in may change how they sign in: they proved who they are a moment ago, and not by what a program has.
///
/// # Errors
/// When they must sign in anew.
fn fresh(signed_in: &SignedIn, now_ms: i64) -> Result<(), Fault> {
    let recent = (0..FRESH_MS).contains(&now_ms.saturating_sub(signed_in.since_ms()));
    // What a provider vouches for ends with it, which a passkey would not.
    if recent && signed_in.token_id().is_none() && signed_in.provider().is_none() {
        return Ok(());
    }
    let text = "change passkeys: that needs a sign-in by password or passkey of the last fifteen minutes; sign in anew, and do it then";
    Err(Fault::new(ErrorKind::Denied, text))
}

#[cfg(test)]
mod tests {
    use polder_types::SeededRng;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn factors() -> Factors {
        Factors::new(Some("https://polder.example"), NOW_MS)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_challenge_is_answered_once_in_time_and_for_what_it_was_made() {
        let (factors, rng) = (factors(), SeededRng::new(1));
        let ask = |asked: Asked| factors.ask(asked, address(1), NOW_MS, &rng).unwrap().challenge;
        let ann = || Asked::Add("ann".to_owned());
        let challenge = ask(Asked::SignIn);
        assert!(factors.take(&challenge, &Asked::SignIn, NOW_MS + 1));
        assert!(!factors.take(&challenge, &Asked::SignIn, NOW_MS + 1), "it was answered");
        assert!(!factors.take(&ask(Asked::SignIn), &ann(), NOW_MS));
        assert!(!factors.take(&ask(ann()), &Asked::Add("bob".to_owned()), NOW_MS));
        assert!(!factors.take(&ask(ann()), &ann(), NOW_MS + CHALLENGE_MS));
        assert!(!factors.take(&ask(ann()), &ann(), NOW_MS - 1), "the clock went back");
        assert!(factors.take(&ask(ann()), &ann(), NOW_MS + CHALLENGE_MS - 1));
        assert!(!factors.take(&[0; 32], &Asked::SignIn, NOW_MS) && !factors.take(&[], &Asked::SignIn, NOW_MS));
        let none = Factors::new(None, NOW_MS).ask(Asked::SignIn, address(1), NOW_MS, &rng).unwrap_err();
        assert!(none.message().contains("public_url"), "{none}");
    }

    #[test]
    fn a_counter_that_does_not_go_up_is_that_of_a_copy() {
        let passkey = |counter: u32| -> StoredPasskey {
            let added = serde_json::json!({ "version": 1, "time_ms": NOW_MS });
            serde_json::from_value(
                serde_json::json!({ "credential": "AQ==", "algorithm": "eddsa", "key": "Ag==", "counter": counter, "added": added }),
            )
            .unwrap()
        };
        let counting = factors();
        assert!(!counting.counts(&passkey(5), 5) && !counting.counts(&passkey(5), 0) && !counting.counts(&passkey(5), 4));
        assert!(counting.counts(&passkey(5), 6));
        assert!(!counting.counts(&passkey(5), 6), "another one with the same number");
        assert!(counting.counts(&passkey(5), 9) && !counting.counts(&passkey(5), 8));
        // Those that do not count say 0 each time, until they begin to.
        let other = factors();
        assert!(other.counts(&passkey(0), 0) && other.counts(&passkey(0), 0) && other.counts(&passkey(0), 1));
        assert!(!other.counts(&passkey(0), 0) && !other.counts(&passkey(0), 1));
    }

    #[test]
    fn so_many_challenges_are_awaited_and_no_more() {
        let (factors, rng) = (factors(), SeededRng::new(1));
        let ask = |last: u8, now_ms: i64| factors.ask(Asked::SignIn, address(last), now_ms, &rng);
        for _ in 0..CHALLENGES_OF_ADDRESS_MAX {
            ask(1, NOW_MS).unwrap();
        }
        assert_eq!(ask(1, NOW_MS).unwrap_err().sqlstate(), "53400");
        assert!(ask(2, NOW_MS).is_ok());
        assert!(ask(1, NOW_MS + CHALLENGE_MS).is_ok(), "those that nobody answered make room");
        for number in 0..CHALLENGES_MAX {
            let address = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            let _ = factors.ask(Asked::SignIn, address, NOW_MS + CHALLENGE_MS, &rng);
        }
        assert_eq!(factors.awaited.lock().len(), CHALLENGES_MAX);
    }

    #[test]
    fn a_step_is_spent_once_and_what_an_earlier_process_can_have_taken_is() {
        let factors = factors();
        let step = step_of(NOW_MS);
        for later_ms in [0, 30_000] {
            assert_eq!(factors.takes_codes(NOW_MS + later_ms).unwrap_err().sqlstate(), "53400", "{later_ms}");
        }
        assert!(factors.takes_codes(NOW_MS + 60_000).is_ok());
        assert_eq!(factors.spent("ann"), step + 1);
        assert!(!factors.spend("ann", step + 1));
        assert!(factors.spend("ann", step + 3));
        assert!(!factors.spend("ann", step + 3) && !factors.spend("ann", step + 2));
        assert_eq!((factors.spent("ann"), factors.spent("bob")), (step + 3, step + 1));
        assert!(factors.spend("bob", step + 2));
    }
}
