use polder_types::PrincipalId;

use super::*;
use crate::approver::{Approver, ApproverKey, TwoPersons};

struct Persons {
    keys: Vec<ApproverKey>,
    enrolled: Vec<Approver>,
    requester: PrincipalId,
}

impl Persons {
    fn new(place: &Place) -> Self {
        let key = |name: &str| ApproverKey::create(&place.path(&format!("{name}.approver")), name, Arc::clone(&place.rng)).unwrap();
        let keys: Vec<ApproverKey> = ["ann", "bob", "eve"].map(key).into();
        let enrolled = keys.iter().map(ApproverKey::approver).collect();
        Self { keys, enrolled, requester: PrincipalId::new("user", "eve").unwrap() }
    }

    fn approve(&self, request: [u8; 32]) -> TwoPersons {
        let approvals = [self.keys[0].approve(&request).unwrap(), self.keys[1].approve(&request).unwrap()];
        TwoPersons::verify(request, &self.requester, &self.enrolled, &approvals).unwrap()
    }
}

#[tokio::test]
async fn destruction_is_pending_until_nothing_can_open_the_key() {
    let place = Place::new();
    let keys = place.create().await;
    let persons = Persons::new(&place);
    let flights = keys.find("table:flights").unwrap();
    let target = recovery::KitTarget::KeyFile { path: place.path("kit.key") };
    let kit = recovery::write_kit(&keys, &target, Arc::clone(&place.rng)).await.unwrap();
    keys.list_copy("backup:monday", keys.keyring_version()).await.unwrap();
    let error = keys.plan_destroy(flights, 1, &persons.requester).await.unwrap_err();
    assert!(matches!(error, Error::StillCurrent { .. }), "{error}");
    keys.rotate_dataset(flights).await.unwrap();
    assert!(keys.plan_destroy(flights, 7, &persons.requester).await.is_err());

    let plan = keys.plan_destroy(flights, 1, &persons.requester).await.unwrap();
    assert_eq!(
        (plan.name.as_str(), plan.copies.as_slice(), plan.kits.as_slice()),
        ("table:flights", &["backup:monday".to_owned()][..], &[kit.id.clone()][..])
    );
    assert!(keys.open_key(flights, 1).is_ok(), "a plan destroys nothing");
    let wrong = persons.approve([0; 32]);
    assert_eq!(keys.destroy(&plan, &wrong).await.unwrap_err().kind(), ErrorKind::Denied);
    let mut changed = plan.clone();
    changed.key_version = 2;
    assert_eq!(keys.destroy(&changed, &persons.approve(plan.request_hash)).await.unwrap_err().kind(), ErrorKind::Denied);
    assert!(keys.open_key(flights, 1).is_ok());

    let report = keys.destroy(&plan, &persons.approve(plan.request_hash)).await.unwrap();
    let left = [Pending::Copy("backup:monday".to_owned()), Pending::Root, Pending::RecoveryKit(kit.id.clone())];
    assert_eq!((report.state(), report.pending.as_slice()), ("pending", &left[..]));
    assert!(matches!(keys.open_key(flights, 1), Err(Error::Destroyed { .. })));
    assert!(keys.destroy(&plan, &persons.approve(plan.request_hash)).await.is_err(), "once is enough");
    assert_eq!(place.vault().versions().await.unwrap(), [keys.keyring_version()], "older keyrings are gone");

    keys.rotate_root(None).await.unwrap();
    assert_eq!(keys.destructions().await.unwrap()[0].pending, [left[0].clone(), left[2].clone()]);
    recovery::retire_kit(&keys, &kit.id).await.unwrap();
    assert_eq!(keys.destructions().await.unwrap()[0].pending, [left[0].clone()]);
    assert_eq!(keys.datasets().iter().find(|d| d.id == flights).unwrap().versions[0].state, KeyState::DestructionPending);
    keys.list_copy("backup:monday", keys.keyring_version()).await.unwrap();
    assert_eq!(keys.settle_destructions().await.unwrap()[0].state(), "destroyed");

    let again = place.open().await.unwrap();
    let info = again.datasets().into_iter().find(|info| info.id == flights).unwrap();
    assert_eq!(info.versions.iter().map(|v| (v.version, v.state)).collect::<Vec<_>>(), [(1, KeyState::Destroyed), (2, KeyState::Live)]);
    assert!(matches!(again.open_key(flights, 1), Err(Error::Destroyed { .. })), "the tombstone keeps its name");
    assert_eq!(again.rotate_dataset(flights).await.unwrap(), 3);
}

#[tokio::test]
async fn the_key_is_in_no_file_after_its_destruction() {
    let place = Place::new();
    let keys = place.create().await;
    let persons = Persons::new(&place);
    let flights = keys.find("table:flights").unwrap();
    let key = *keys.open_key(flights, 1).unwrap().expose();
    keys.rotate_dataset(flights).await.unwrap();
    let holds = |keys: &Keys| keys.read(|document, _, _| Ok(document.encode().windows(32).any(|window| window == key))).unwrap();
    assert!(holds(&keys), "control");
    let plan = keys.plan_destroy(flights, 1, &persons.requester).await.unwrap();
    keys.destroy(&plan, &persons.approve(plan.request_hash)).await.unwrap();
    assert!(!holds(&keys));
    assert!(!holds(&place.open().await.unwrap()));
}

#[tokio::test]
async fn an_older_version_that_comes_back_keeps_it_pending() {
    let place = Place::new();
    let keys = place.create().await;
    let persons = Persons::new(&place);
    let flights = keys.find("table:flights").unwrap();
    keys.rotate_dataset(flights).await.unwrap();
    let old = place.vault().read(3).await.unwrap();
    let plan = keys.plan_destroy(flights, 1, &persons.requester).await.unwrap();
    keys.destroy(&plan, &persons.approve(plan.request_hash)).await.unwrap();
    place.vault().create(3, old).await.unwrap();
    assert_eq!(keys.destructions().await.unwrap()[0].pending, [Pending::OldVersion(3), Pending::Root]);
    keys.rotate_root(None).await.unwrap();
    assert!(keys.destructions().await.unwrap()[0].destroyed());
}

#[tokio::test]
async fn a_kit_that_is_retired_last_ends_the_destruction() {
    let place = Place::new();
    let keys = place.create().await;
    let persons = Persons::new(&place);
    let flights = keys.find("table:flights").unwrap();
    let target = recovery::KitTarget::KeyFile { path: place.path("kit.key") };
    let kit = recovery::write_kit(&keys, &target, Arc::clone(&place.rng)).await.unwrap();
    keys.rotate_dataset(flights).await.unwrap();
    let plan = keys.plan_destroy(flights, 1, &persons.requester).await.unwrap();
    keys.destroy(&plan, &persons.approve(plan.request_hash)).await.unwrap();
    keys.rotate_root(None).await.unwrap();
    let state = |keys: &Keys| keys.datasets().iter().find(|info| info.id == flights).unwrap().versions[0].state;
    assert_eq!(state(&keys), KeyState::DestructionPending);
    recovery::retire_kit(&keys, &kit.id).await.unwrap();
    assert_eq!((state(&keys), state(&place.open().await.unwrap())), (KeyState::Destroyed, KeyState::Destroyed));
}

#[tokio::test]
async fn the_only_key_of_a_domain_is_destroyed_and_its_place_is_taken() {
    let place = Place::new();
    let keys = place.create().await;
    let persons = Persons::new(&place);
    let domain = keys.add_dataset("domain:patients").await.unwrap();
    let masking = *keys.open_key(domain, 1).unwrap().expose();
    keys.rotate_root(None).await.unwrap();
    assert_eq!(*keys.open_key(domain, 1).unwrap().expose(), masking, "a rotation of the root changes no domain");
    let plan = keys.plan_destroy(domain, 1, &persons.requester).await.unwrap();
    keys.destroy(&plan, &persons.approve(plan.request_hash)).await.unwrap();
    assert!(matches!(keys.open_key(domain, 1), Err(Error::Destroyed { .. })));
    let (version, key) = keys.seal_key(domain).unwrap();
    assert_eq!((version, *key.expose() == masking), (2, false));
    keys.rotate_root(None).await.unwrap();
    let again = place.open().await.unwrap();
    let info = again.datasets().into_iter().find(|info| info.id == domain).unwrap();
    assert_eq!(info.versions.iter().map(|v| (v.version, v.state)).collect::<Vec<_>>(), [(1, KeyState::Destroyed), (2, KeyState::Live)]);
}
