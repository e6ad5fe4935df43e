//! The bill of this very workspace.

use super::*;

fn of_this_workspace() -> Value {
    let metadata = workspace::metadata().unwrap();
    let lock = Lockfile::load(workspace::root().join("Cargo.lock")).unwrap();
    bill(&metadata, &checksums(&lock), "any").unwrap()
}

#[test]
fn it_lists_what_ships_with_its_hash_and_leaves_out_what_only_tests_use() {
    let bill = of_this_workspace();
    let components = bill["components"].as_array().unwrap();
    let named = |name: &str| components.iter().find(|component| component["name"] == name);
    for shipped in ["aws-lc-rs", "datafusion", "deltalake-core", "object_store"] {
        let component = named(shipped).unwrap_or_else(|| panic!("{shipped} is missing"));
        assert_eq!(component["hashes"][0]["content"].as_str().unwrap().len(), 64, "{shipped}");
        assert!(component["licenses"].is_array(), "{shipped}");
    }
    for other in ["proptest", "insta", "rustsec", "xtask"] {
        assert!(named(other).is_none(), "{other} does not ship");
    }
    assert_eq!(bill["metadata"]["component"]["name"], "polder");
}

#[test]
fn every_reference_is_a_component() {
    let bill = of_this_workspace();
    let mut references: BTreeSet<&str> = bill["components"].as_array().unwrap().iter().map(|c| c["bom-ref"].as_str().unwrap()).collect();
    references.insert(bill["metadata"]["component"]["bom-ref"].as_str().unwrap());
    assert_eq!(references.len(), bill["components"].as_array().unwrap().len() + 1, "references are unique");
    for dependency in bill["dependencies"].as_array().unwrap() {
        assert!(references.contains(dependency["ref"].as_str().unwrap()));
        assert!(dependency["dependsOn"].as_array().unwrap().iter().all(|on| references.contains(on.as_str().unwrap())));
    }
}
