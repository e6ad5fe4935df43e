use polder_types::DatasetId;

use super::*;

#[tokio::test]
async fn what_was_made_opens_again() {
    let place = Place::new();
    let keys = place.create().await;
    let flights = keys.find("table:flights").unwrap();
    assert_eq!(keys.keyring_version(), 2);
    assert_eq!(keys.add_dataset("table:flights").await.unwrap(), flights, "again is the same");
    assert_eq!(keys.keyring_version(), 2, "and writes nothing");
    let again = place.open().await.unwrap();
    assert_eq!(everything(&again), everything(&keys));
    assert_eq!(again.lineage(), LINEAGE);
    let (version, key) = again.seal_key(flights).unwrap();
    assert_eq!((version, key.expose()), (1, keys.open_key(flights, 1).unwrap().expose()));
    let kind = |result: Result<DatasetKey, Error>| result.err().unwrap().kind();
    assert_eq!(kind(again.open_key(flights, 2)), ErrorKind::NotFound);
    assert_eq!(kind(again.open_key(DatasetId([9; 16]), 1)), ErrorKind::NotFound);
    for bad in ["", "a b", "é", "a\n", &"a".repeat(256)] {
        assert_eq!(keys.add_dataset(bad).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let again = Keys::create(LINEAGE, place.custody(), place.vault(), place.clock(), Arc::clone(&place.rng)).await;
    assert!(matches!(again.err(), Some(Error::KeyringExists { version: 2 })));
}

#[tokio::test]
async fn no_keyring_is_not_a_new_one() {
    let place = Place::new();
    LocalCustody::create_key_file(&place.key_file(), Arc::clone(&place.rng)).unwrap();
    assert!(matches!(place.open().await.err(), Some(Error::NoKeyring)));
}

#[tokio::test]
async fn derived_secrets_differ_by_purpose_and_installation() {
    let (one, two) = (Place::new(), Place::new());
    let (keys, other) = (one.create().await, two.create().await);
    let derive = |keys: &Keys, purpose| keys.derive(purpose).unwrap().expose_secret().clone();
    assert_eq!(derive(&keys, "a").len(), 32);
    assert_eq!(derive(&keys, "a"), derive(&one.open().await.unwrap(), "a"));
    assert_ne!(derive(&keys, "a"), derive(&keys, "b"));
    assert_ne!(derive(&keys, "a"), derive(&other, "a"));
}

#[tokio::test]
async fn the_journal_key_signs() {
    let place = Place::new();
    let keys = place.create().await;
    let signature = keys.sign(b"checkpoint").unwrap();
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, keys.verifying_key());
    public.verify(b"checkpoint", &signature).unwrap();
    assert!(public.verify(b"checkpoinT", &signature).is_err());
    assert_eq!(keys.rotate_root(None).await.map_err(|e| e.to_string()), Ok(()));
    assert_eq!(keys.sign(b"checkpoint").unwrap(), signature, "rotations leave it");
}

#[tokio::test]
async fn rotating_a_dataset_keeps_older_versions() {
    let place = Place::new();
    let keys = place.create().await;
    let flights = keys.find("table:flights").unwrap();
    let (_, old) = keys.seal_key(flights).unwrap();
    assert_eq!(keys.rotate_dataset(flights).await.unwrap(), 2);
    let (current, new) = keys.seal_key(flights).unwrap();
    assert_eq!(current, 2);
    assert_ne!(old.expose(), new.expose());
    let again = place.open().await.unwrap();
    assert_eq!(again.open_key(flights, 1).unwrap().expose(), old.expose());
    assert_eq!(again.seal_key(flights).unwrap().1.expose(), new.expose());
    for _ in 0..5 {
        keys.rotate_dataset(flights).await.unwrap();
    }
    assert_eq!(place.vault().versions().await.unwrap().len(), 3, "older keyrings are deleted");
}

#[tokio::test]
async fn rotating_the_root_in_place() {
    let place = Place::new();
    let keys = place.create().await;
    let before = everything(&keys);
    let old_file = std::fs::read(place.key_file()).unwrap();
    let old_root = keys.custody().root;
    keys.rotate_root(None).await.unwrap();
    assert_ne!(keys.custody().root, old_root);
    assert_ne!(std::fs::read(place.key_file()).unwrap(), old_file);
    assert!(!place.path("root.key.next").exists());
    assert_eq!(place.vault().versions().await.unwrap(), [keys.keyring_version()]);
    assert_eq!(everything(&keys), before);
    assert_eq!(everything(&place.open().await.unwrap()), before);
    keys.rotate_root(None).await.unwrap();
    keys.add_dataset("table:weather").await.unwrap();
    assert_eq!(everything(&place.open().await.unwrap()), everything(&keys));

    std::fs::remove_file(place.key_file()).unwrap();
    std::fs::write(place.key_file(), old_file).unwrap();
    set_mode(&place.key_file(), 0o600);
    let error = place.open().await.err().unwrap();
    assert!(matches!(error, Error::OtherRoot { .. }), "{error}");
}

#[tokio::test]
async fn rotating_to_another_custody() {
    let place = Place::new();
    let keys = place.create().await;
    let before = everything(&keys);
    let secret = || polder_types::Secret::new("correct horse battery".to_owned());
    let path = place.path("root.pass");
    let new = LocalCustody::create_passphrase(&path, secret(), Arc::clone(&place.rng)).unwrap();
    keys.rotate_root(Some(Arc::new(new))).await.unwrap();
    assert_eq!(keys.custody().kind, "passphrase");
    assert_eq!(everything(&keys), before);
    assert_eq!(place.open().await.err().unwrap().kind(), ErrorKind::Denied, "the old root opens nothing");
    let custody = Arc::new(LocalCustody::open_passphrase(&path, secret()).unwrap());
    let again = Keys::open(custody, place.vault(), place.clock(), Arc::clone(&place.rng)).await.unwrap();
    assert_eq!(everything(&again), before);
    again.rotate_root(None).await.unwrap();
    let custody = Arc::new(LocalCustody::open_passphrase(&path, secret()).unwrap());
    let again = Keys::open(custody, place.vault(), place.clock(), Arc::clone(&place.rng)).await.unwrap();
    assert_eq!(everything(&again), before);
}

#[tokio::test]
async fn silence_works_until_the_lease_ends() {
    let place = Place::new();
    let keys = place.create().await;
    let flights = keys.find("table:flights").unwrap();
    let lease = keys.watch();
    let hidden = place.path("hidden");
    std::fs::rename(place.key_file(), &hidden).unwrap();
    place.clock.advance(LEASE_MS - 1);
    assert_eq!(keys.renew().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(*lease.borrow(), LeaseState::Unreachable);
    assert!(keys.seal_key(flights).is_ok(), "one millisecond is left");
    place.clock.advance(1);
    assert!(matches!(keys.seal_key(flights), Err(Error::LeaseEnded)));
    assert!(matches!(keys.clone().sign(b""), Err(Error::LeaseEnded)));
    assert!(keys.derive("x").is_err() && keys.find("table:flights").is_none() && keys.datasets().is_empty());
    assert!(matches!(keys.rotate_dataset(flights).await, Err(Error::LeaseEnded)));
    assert_eq!(*lease.borrow(), LeaseState::Ended);
    assert_eq!(keys.renew().await.unwrap_err().kind(), ErrorKind::Unavailable);
    std::fs::rename(&hidden, place.key_file()).unwrap();
    keys.renew().await.unwrap();
    assert!(keys.seal_key(flights).is_ok(), "back with the custody");
    assert_eq!(*lease.borrow(), LeaseState::Held);
}

#[tokio::test]
async fn the_lease_is_kept_renewed_while_keys_live() {
    let place = Place::new();
    let keys = place.create().await;
    let mut lease = keys.watch();
    let task = keys.keep_renewed_every(std::time::Duration::from_millis(1));
    place.clock.advance(LEASE_MS - 1);
    while keys.lease_ends_ms() != NOW_MS + 2 * LEASE_MS - 1 {
        lease.changed().await.unwrap();
    }
    // Idle keys are dropped too when their lease ends.
    std::fs::rename(place.key_file(), place.path("hidden")).unwrap();
    place.clock.advance(LEASE_MS);
    lease.wait_for(|state| *state == LeaseState::Ended).await.unwrap();
    std::fs::rename(place.path("hidden"), place.key_file()).unwrap();
    lease.wait_for(|state| *state == LeaseState::Held).await.unwrap();
    set_mode(&place.key_file(), 0o640);
    lease.wait_for(|state| *state == LeaseState::Denied).await.unwrap();
    drop(keys);
    task.await.unwrap();
}

#[tokio::test]
async fn renewal_extends_the_lease() {
    let place = Place::new();
    let keys = place.create().await;
    let flights = keys.find("table:flights").unwrap();
    for _ in 0..4 {
        place.clock.advance(LEASE_MS - 1);
        keys.renew().await.unwrap();
        assert!(keys.seal_key(flights).is_ok());
    }
    place.clock.advance(-59_000);
    assert!(keys.seal_key(flights).is_ok(), "a clock may be corrected");
    place.clock.advance(-2_000);
    assert!(matches!(keys.seal_key(flights), Err(Error::LeaseEnded)), "but not set back to lengthen the lease");
}

#[tokio::test]
async fn refusal_drops_the_keys_at_once() {
    let place = Place::new();
    let keys = place.create().await;
    let flights = keys.find("table:flights").unwrap();
    let lease = keys.watch();
    set_mode(&place.key_file(), 0o644);
    assert!(keys.seal_key(flights).is_ok());
    assert_eq!(keys.renew().await.unwrap_err().kind(), ErrorKind::Denied);
    assert!(matches!(keys.seal_key(flights), Err(Error::LeaseDenied)));
    assert_eq!(*lease.borrow(), LeaseState::Denied);
    set_mode(&place.key_file(), 0o600);
    keys.renew().await.unwrap();
    assert!(keys.seal_key(flights).is_ok());

    std::fs::remove_file(place.key_file()).unwrap();
    LocalCustody::create_key_file(&place.key_file(), Arc::clone(&place.rng)).unwrap();
    assert!(matches!(keys.renew().await, Err(Error::OtherRoot { .. })), "another root is a refusal");
    assert!(matches!(keys.seal_key(flights), Err(Error::LeaseDenied)));
}

#[tokio::test]
async fn renewal_takes_up_a_newer_keyring() {
    let place = Place::new();
    let keys = place.create().await;
    let other = place.open().await.unwrap();
    let weather = other.add_dataset("table:weather").await.unwrap();
    assert!(keys.seal_key(weather).is_err());
    keys.renew().await.unwrap();
    assert_eq!(everything(&keys), everything(&other));
    // Without a renewal the write conflicts, and the next one has the other's change.
    other.add_dataset("table:planes").await.unwrap();
    let error = keys.add_dataset("table:airlines").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    keys.add_dataset("table:airlines").await.unwrap();
    assert!(keys.find("table:planes").is_some());
    other.renew().await.unwrap();
    assert_eq!(everything(&keys), everything(&other));
}

#[tokio::test]
async fn many_changes_at_once_all_happen() {
    let place = Place::new();
    let keys = place.create().await;
    let tasks: Vec<_> = (0..20)
        .map(|at| {
            let keys = keys.clone();
            tokio::spawn(async move { keys.add_dataset(&format!("table:t{at}")).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(place.open().await.unwrap().datasets().len(), 22);
}

#[test]
fn keys_do_not_debug() {
    // An inherent constant goes before a trait's, so `SHOWS` tells whether the bound holds. The first line is the control.
    struct Probe<T>(std::marker::PhantomData<T>);
    impl<T> Probe<T>
    where
        T: std::fmt::Debug,
    {
        const SHOWS: bool = true;
    }
    trait Fallback {
        const SHOWS: bool = false;
    }
    impl<T> Fallback for Probe<T> {}
    const { assert!(Probe::<CustodyInfo>::SHOWS) };
    const { assert!(!Probe::<Keys>::SHOWS) };
    const { assert!(!Probe::<DatasetKey>::SHOWS) };
    const { assert!(!Probe::<LocalCustody>::SHOWS) };
    const { assert!(!Probe::<approver::ApproverKey>::SHOWS) };
    const { assert!(!Probe::<recovery::Share>::SHOWS) };
    const { assert!(!Probe::<format::Document>::SHOWS) };
}

#[tokio::test]
async fn a_dataset_that_gave_its_name_back_keeps_its_keys() {
    let place = Place::new();
    let keys = place.create().await;
    let old = keys.find("table:flights").unwrap();
    let key = *keys.open_key(old, 1).unwrap().expose();
    let taken = keys.rename_datasets(&[(old, "system:journal".to_owned())]).await.unwrap_err();
    assert_eq!((taken.kind(), keys.find("table:flights")), (ErrorKind::Invalid, Some(old)));
    for _ in 0..2 {
        keys.rename_datasets(&[(old, "dropped:table:flights".to_owned())]).await.unwrap();
    }
    let new = keys.add_dataset("table:flights").await.unwrap();
    assert_ne!(old, new);
    let again = place.open().await.unwrap();
    assert_eq!((again.find("table:flights"), again.find("dropped:table:flights")), (Some(new), Some(old)));
    assert_eq!(*again.open_key(old, 1).unwrap().expose(), key);
    assert_ne!(*again.open_key(new, 1).unwrap().expose(), key);
}
