use super::*;

#[test]
fn counts_close_only_when_nothing_is_missing_or_doubled() {
    let counts = Counts { read: 10, independent: true, loaded: 7, rejected: 2, quarantined: 1, ..Counts::default() };
    assert!(counts.close());
    assert!(!Counts { loaded: 6, ..counts }.close());
    assert!(!Counts { loaded: 8, ..counts }.close());
    assert!(!Counts { loaded: u64::MAX, rejected: 1, ..counts }.close());
    assert!(Counts { read: 12, repeated: 2, ..counts }.close());
    assert!(!Counts { repeated: 2, ..counts }.close());
    assert!(!Counts { repeated: u64::MAX, ..counts }.close());
}

#[test]
fn counts_of_a_merge_close_only_when_each_row_became_something() {
    let counts =
        Counts { read: 20, loaded: 17, rejected: 3, inserted: 1, updated: 2, unchanged: 3, superseded: 5, flagged: 6, ..Counts::default() };
    assert!(counts.close());
    assert_eq!(counts.staged(), 6);
    // What was deleted is no part of the sum: a key that the table did not hold, or one that the source holds no longer.
    assert!(Counts { deleted: 6, ..counts }.close() && Counts { deleted: 99, ..counts }.close());
    for wrong in [
        Counts { inserted: 0, ..counts },
        Counts { updated: 3, ..counts },
        Counts { unchanged: 2, ..counts },
        Counts { superseded: 6, ..counts },
        Counts { flagged: 5, ..counts },
        Counts { inserted: u64::MAX, ..counts },
        Counts { read: 21, loaded: 18, ..counts },
    ] {
        assert!(!wrong.close(), "{wrong:?}");
    }
    // All rows of a table may be gone while the source has none.
    assert!(Counts { deleted: 4, ..Counts::default() }.close());
    assert!(!Counts { read: 1, loaded: 1, deleted: 4, ..Counts::default() }.close());
}

#[test]
fn counts_that_were_written_before_there_were_merges_keep_their_bytes() {
    let old = r#"{"read":10,"independent":true,"loaded":8,"rejected":1,"quarantined":1}"#;
    let counts: Counts = serde_json::from_str(old).unwrap();
    assert_eq!(counts, Counts { read: 10, independent: true, loaded: 8, rejected: 1, quarantined: 1, ..Counts::default() });
    assert_eq!(serde_json::to_string(&counts).unwrap(), old);
    let outcome = r#"{"type":"commit_outcome","dataset":"01010101010101010101010101010101","operation":"append","sequence":1,"version":1,"log_hash":"ab","result":"committed","counts":{"read":10,"independent":true,"loaded":8,"rejected":1,"quarantined":1}}"#;
    let event: EventKind = serde_json::from_str(outcome).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), outcome);
}

#[test]
fn counts_of_a_merge_come_back_as_written() {
    let all = Counts {
        read: 1,
        independent: false,
        loaded: 2,
        rejected: 3,
        quarantined: 4,
        repeated: 5,
        inserted: 6,
        updated: 7,
        unchanged: 8,
        superseded: 9,
        flagged: 10,
        deleted: 11,
    };
    let text = r#"{"read":1,"independent":false,"loaded":2,"rejected":3,"quarantined":4,"repeated":5,"inserted":6,"updated":7,"unchanged":8,"superseded":9,"flagged":10,"deleted":11}"#;
    assert_eq!(serde_json::to_string(&all).unwrap(), text);
    assert_eq!(serde_json::from_str::<Counts>(text).unwrap(), all);
    // What is zero is left out, one by one.
    let some = Counts { updated: 0, deleted: 0, ..all };
    assert!(!serde_json::to_string(&some).unwrap().contains("updated") && !serde_json::to_string(&some).unwrap().contains("deleted"));
    assert_eq!(serde_json::from_str::<Counts>(&serde_json::to_string(&some).unwrap()).unwrap(), some);
}

#[test]
fn private_values_do_not_show_in_debug() {
    let event =
        Event::new(&PrincipalId::new("user", "ann").unwrap(), EventKind::LeaseTaken { epoch: 1 }).with("sql", "select 'secret-value'");
    assert!(!format!("{event:?}").contains("secret-value"));
}

/// What was written before there were pipelines reads and writes as it did, byte for byte.
#[test]
fn runs_that_nobody_triggered_keep_their_bytes() {
    for text in [
        r#"{"type":"run_started","run":"02020202020202020202020202020202","batches":3}"#,
        r#"{"type":"run_finished","run":"02020202020202020202020202020202","committed":2,"failed":1}"#,
    ] {
        let kind: EventKind = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&kind).unwrap(), text);
    }
    let triggered = r#"{"type":"run_triggered","run":"02020202020202020202020202020202","trigger":"hand","attempt":1}"#;
    let kind: EventKind = serde_json::from_str(triggered).unwrap();
    assert_eq!(serde_json::to_string(&kind).unwrap(), triggered);
}
