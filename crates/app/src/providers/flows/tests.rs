//! What is on its way, without a provider: the ways through one are tried against a real one.

use polder_types::SeededRng;

use super::*;

const NOW: i64 = 1_800_000_000_000;

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn departed(last: u8) -> Departed {
    Departed {
        provider: "sso".to_owned(),
        address: address(last),
        until_ms: NOW + DEPARTED_MS,
        nonce: Secret::new("nonce".to_owned()),
        verifier: Secret::new("verifier".to_owned()),
        binding: sha256(b"binding"),
    }
}

fn back(state: &str, binding: Option<&str>) -> Return {
    let binding = binding.map(|binding| Secret::new(binding.to_owned()));
    Return { state: state.to_owned(), code: Some(Secret::new("code".to_owned())), issuer: None, binding }
}

#[test]
fn a_state_is_of_use_once_and_to_the_browser_that_was_given_it() {
    let flows = Flows::default();
    let good = || back("state", Some("binding"));
    let wrong = [
        ("sso", back("state", Some("another")), NOW),
        ("sso", back("state", None), NOW),
        ("other", good(), NOW),
        ("sso", good(), NOW + DEPARTED_MS),
    ];
    for (provider, returned, now_ms) in wrong {
        keep(&flows.departed, "state", departed(1), NOW).unwrap();
        assert_eq!(flows.take(provider, &returned, now_ms).err(), Some(Refusal::State));
        // Whoever tries with something wrong has spent it.
        assert_eq!(flows.take("sso", &good(), NOW).err(), Some(Refusal::State));
    }
    keep(&flows.departed, "state", departed(1), NOW).unwrap();
    assert_eq!(flows.take("sso", &back("stat", Some("binding")), NOW).err(), Some(Refusal::State));
    assert_eq!(flows.take("sso", &good(), NOW + DEPARTED_MS - 1).unwrap().nonce.expose_secret(), "nonce");
    assert_eq!(flows.take("sso", &good(), NOW).err(), Some(Refusal::State), "a second time");
}

#[test]
fn only_so_many_are_on_their_way() {
    let flows = Flows::default();
    for number in 0..OF_ADDRESS_MAX {
        keep(&flows.departed, &format!("state {number}"), departed(1), NOW).unwrap();
    }
    let fault = keep(&flows.departed, "one more", departed(1), NOW).unwrap_err();
    assert!(fault.kind() == ErrorKind::Unavailable && fault.message().contains("too many are on their way"), "{fault}");
    // Others are not kept out by it, and whoever never came back makes room.
    keep(&flows.departed, "another", departed(2), NOW).unwrap();
    let later = Departed { until_ms: NOW + 2 * DEPARTED_MS, ..departed(1) };
    keep(&flows.departed, "one more", later, NOW + DEPARTED_MS).unwrap();
    assert_eq!(flows.departed.lock().len(), 1);
}

#[test]
fn what_is_random_is_long_and_different() {
    let rng = SeededRng::new(1);
    let [one, other] = [random(&rng).unwrap(), random(&rng).unwrap()];
    assert_eq!(one.expose_secret().len(), 43);
    assert_ne!(one.expose_secret(), other.expose_secret());
}
