use super::*;
use crate::recovery::{KitSource, KitTarget};

async fn with_shares(place: &Place) -> (Keys, recovery::WrittenKit) {
    let keys = place.create().await;
    let directory = place.path("kit");
    std::fs::create_dir(&directory).unwrap();
    let kit = recovery::write_kit(&keys, &KitTarget::Shares { directory, needed: 2, total: 3 }, Arc::clone(&place.rng)).await.unwrap();
    (keys, kit)
}

async fn recover(place: &Place, source: &KitSource, file: &str) -> Result<Keys, Error> {
    let custody = LocalCustody::create_key_file(&place.path(file), Arc::clone(&place.rng)).unwrap();
    recovery::recover(source, Arc::new(custody), place.vault(), place.clock(), Arc::clone(&place.rng)).await
}

#[tokio::test]
async fn any_two_of_three_shares_recover() {
    for pair in [[0, 1], [0, 2], [2, 1]] {
        let place = Place::new();
        let (keys, kit) = with_shares(&place).await;
        let flights = keys.find("table:flights").unwrap();
        keys.rotate_dataset(flights).await.unwrap();
        let before = everything(&keys);
        std::fs::remove_file(place.key_file()).unwrap();
        assert!(LocalCustody::open_key_file(&place.key_file()).is_err());
        let source = KitSource::ShareFiles(pair.map(|at| kit.files[at].clone()).into());
        let recovered = recover(&place, &source, "new.key").await.unwrap();
        assert_eq!(everything(&recovered), before);
        let custody = Arc::new(LocalCustody::open_key_file(&place.path("new.key")).unwrap());
        let opened = Keys::open(custody, place.vault(), place.clock(), Arc::clone(&place.rng)).await.unwrap();
        assert_eq!(everything(&opened), before);
        opened.rotate_root(None).await.unwrap();
        assert_eq!(recovery::test(&opened, &source).await.unwrap().id, kit.id, "the kit stays valid");
    }
}

/// Should the lost root turn up, there is no keyring left that it opens.
#[tokio::test]
async fn what_a_lost_root_opens_is_gone_after_the_recovery() {
    let place = Place::new();
    let (keys, kit) = with_shares(&place).await;
    let old = place.vault().read(keys.keyring_version()).await.unwrap();
    let source = KitSource::ShareFiles(kit.files[..2].to_vec());
    let recovered = recover(&place, &source, "new.key").await.unwrap();
    assert_eq!(place.vault().versions().await.unwrap(), [recovered.keyring_version()]);
    // One that is put back goes again; one that is damaged stays to be found.
    place.vault().create(keys.keyring_version(), old.clone()).await.unwrap();
    std::fs::write(place.vault().file(1), &old[..100]).unwrap();
    assert_eq!(recovered.delete_withdrawn().await.unwrap(), [keys.keyring_version()]);
    recovered.rotate_dataset(recovered.find("table:flights").unwrap()).await.unwrap();
    assert_eq!(recovered.delete_withdrawn().await.unwrap(), [], "what the root in use opens stays");
}

#[tokio::test]
async fn one_share_does_not() {
    let place = Place::new();
    let (_, kit) = with_shares(&place).await;
    let one = KitSource::ShareFiles(vec![kit.files[1].clone()]);
    assert!(matches!(recover(&place, &one, "a.key").await.err(), Some(Error::TooFewShares { given: 1, needed: 2 })));
    let twice = KitSource::ShareFiles(vec![kit.files[1].clone(), kit.files[1].clone()]);
    assert!(matches!(recover(&place, &twice, "b.key").await.err(), Some(Error::Shares { .. })));
}

#[tokio::test]
async fn shares_of_two_kits_do_not_mix() {
    let place = Place::new();
    let (keys, kit) = with_shares(&place).await;
    let directory = place.path("kit");
    let second = recovery::write_kit(&keys, &KitTarget::Shares { directory, needed: 2, total: 3 }, Arc::clone(&place.rng)).await.unwrap();
    let mixed = KitSource::ShareFiles(vec![kit.files[0].clone(), second.files[1].clone()]);
    assert!(matches!(recover(&place, &mixed, "a.key").await.err(), Some(Error::Shares { .. })));
    for kit in [&kit, &second] {
        assert!(recovery::test(&keys, &KitSource::ShareFiles(kit.files.clone())).await.is_ok());
    }
}

#[tokio::test]
async fn a_test_opens_the_keyring_and_is_noted() {
    let place = Place::new();
    let (keys, kit) = with_shares(&place).await;
    assert_eq!(keys.recovery_kits()[0].tested_ms, None);
    place.clock.advance(1000);
    let source = KitSource::ShareFiles(kit.files[..2].to_vec());
    let tested = recovery::test(&keys, &source).await.unwrap();
    assert_eq!((tested.id, tested.keyring_version, tested.datasets), (kit.id.clone(), 3, 2));
    let again = place.open().await.unwrap();
    let info = &again.recovery_kits()[0];
    assert_eq!((info.tested_ms, info.shares, info.since_keyring), (Some(NOW_MS + 1000), Some((2, 3)), 3));

    recovery::retire_kit(&again, &kit.id).await.unwrap();
    assert!(again.recovery_kits().is_empty());
    assert!(matches!(recovery::test(&again, &source).await, Err(Error::OtherKit { .. })));
    assert!(recovery::retire_kit(&again, &kit.id).await.is_err());
}

#[tokio::test]
async fn a_second_key_file_recovers() {
    let place = Place::new();
    let keys = place.create().await;
    let path = place.path("second.key");
    recovery::write_kit(&keys, &KitTarget::KeyFile { path: path.clone() }, Arc::clone(&place.rng)).await.unwrap();
    let source = KitSource::KeyFile(path.clone());
    assert!(recovery::test(&keys, &source).await.is_ok());
    std::fs::remove_file(place.key_file()).unwrap();
    let recovered = recover(&place, &source, "new.key").await.unwrap();
    assert_eq!(everything(&recovered), everything(&keys));

    let other = Place::new();
    other.create().await;
    assert!(matches!(recover(&other, &source, "new.key").await.err(), Some(Error::OtherKit { .. })));
}

#[tokio::test]
async fn a_kit_needs_possible_numbers_and_free_names() {
    let place = Place::new();
    let keys = place.create().await;
    for (needed, total) in [(0, 0), (1, 3), (4, 3), (2, 17)] {
        let target = KitTarget::Shares { directory: place.path("."), needed, total };
        let error = recovery::write_kit(&keys, &target, Arc::clone(&place.rng)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    let target = KitTarget::Shares { directory: place.path("missing"), needed: 2, total: 3 };
    assert!(recovery::write_kit(&keys, &target, Arc::clone(&place.rng)).await.is_err());
    let target = KitTarget::KeyFile { path: place.key_file() };
    assert!(matches!(recovery::write_kit(&keys, &target, Arc::clone(&place.rng)).await, Err(Error::FileExists { .. })));
    assert!(keys.recovery_kits().is_empty());
}
