use polder_types::SeededRng;

use super::*;

const FULL: &str = r#"
select: [stays, patients, occupancy]
schedule: {cron: "30 2 * * *", timezone: Europe/Paris}
retries: {max: 5, backoff: 10s, factor: 3, max_backoff: 5m}
timeout: 2h
overlap: queue
freshness: none
catch_up: all
maintain: true
notify:
  on: [failure, recovery, freshness_missed, retry, success]
  webhook: {url: "env:HOOK_URL", secret: "file:hook.secret"}
  smtp: {server: smtp.example.org, port: 587, tls: starttls, ca: certs/ca.pem, user: x, password: "credential:smtp", from: a@example.org, to: [c@example.org]}
  command: [/usr/local/bin/tell, "--pipeline"]
"#;

fn parsed(text: &str) -> Pipeline {
    Pipeline::parse(text, "pipelines/nightly.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn every_key_is_read() {
    let pipeline = parsed(FULL);
    assert_eq!((pipeline.name.as_str(), pipeline.select.len(), pipeline.timeout_ms), ("nightly", 3, Some(7_200_000)));
    assert_eq!(pipeline.schedule.as_ref().unwrap().to_string(), "30 2 * * *");
    assert_eq!(pipeline.schedule.as_ref().unwrap().zone(), Some("Europe/Paris"));
    assert_eq!(pipeline.retries, Retries { max: 5, backoff_ms: 10_000, factor: 3, max_backoff_ms: 300_000 });
    assert_eq!((pipeline.overlap, pipeline.freshness, pipeline.catch_up), (Overlap::Queue, FreshnessFrom::None, CatchUp::All));
    assert!(pipeline.maintain);
    let notify = pipeline.notify.as_ref().unwrap();
    assert_eq!((notify.on.len(), notify.channels.count()), (5, 3));
    assert!(pipeline.selects("stays") && !pipeline.selects("beds"));
    assert!(pipeline.tells(NoticeKind::Success).is_some());
}

#[test]
fn what_is_left_out_means_what_the_page_says() {
    for text in ["", "# by hand\n", "{}\n"] {
        let pipeline = parsed(text);
        assert!(pipeline.select.is_empty() && pipeline.selects("anything") && pipeline.schedule.is_none() && !pipeline.maintain);
        assert_eq!((pipeline.retries.max, pipeline.timeout_ms, pipeline.notify.clone()), (0, None, None));
        assert_eq!((pipeline.overlap, pipeline.freshness, pipeline.catch_up), (Overlap::Skip, FreshnessFrom::Contracts, CatchUp::Latest));
    }
    assert_eq!(parsed("retries: {}\n").retries, Retries { max: 3, backoff_ms: 30_000, factor: 2, max_backoff_ms: 600_000 });
    assert_eq!(parsed("retries: {backoff: 1h}\n").retries.max_backoff_ms, 3_600_000);
    let utc = parsed("schedule: {cron: 0 4 * * *}\n").schedule.unwrap();
    assert_eq!((utc.zone(), utc.next_after(0)), (Some("UTC"), Some(4 * 3_600_000)));
    let notify = parsed("notify: {command: [/bin/true]}\n").notify.unwrap();
    assert_eq!(notify.on, [NoticeKind::Failure, NoticeKind::Recovery, NoticeKind::FreshnessMissed].into());
}

#[test]
fn each_key_of_the_tables_is_known() {
    let unknown = |text: String| {
        let problems = Pipeline::parse(&text, "pipelines/p.yaml");
        problems.is_err_and(|problems| problems.to_string().contains("unknown key"))
    };
    for key in KEYS {
        assert!(!unknown(format!("{key}: ~\n")), "{key}");
    }
    for key in SCHEDULE_KEYS {
        assert!(!unknown(format!("schedule: {{{key}: x}}\n")), "{key}");
    }
    for key in RETRIES_KEYS {
        assert!(!unknown(format!("retries: {{{key}: 1s}}\n")), "{key}");
    }
    for key in NOTIFY_KEYS {
        assert!(!unknown(format!("notify: {{{key}: ~}}\n")), "{key}");
    }
    for (above, key) in [("", "retry"), ("schedule: ", "crom"), ("retries: ", "maximum"), ("notify: ", "mail")] {
        let text = if above.is_empty() { format!("{key}: x\n") } else { format!("{above}{{{key}: x}}\n") };
        assert!(unknown(text), "{key}");
    }
}

const WRONG: [(&str, &str); 31] = [
    ("shedule: {every: 1h}\n", "line 1: unknown key `shedule`; did you mean schedule?"),
    ("timeout: 1h\ntimeout: 2h\n", "line 2: key `timeout` stands there twice"),
    ("overlap: [\n", "line "),
    ("\nschedule: {every: 1h}\noverlap: skipp\n", "line 3: unknown word `skipp`; did you mean skip?"),
    ("select: []\n", "line 1: `select` is empty"),
    ("select:\n  - stays\n  - stays\n", "line 3: stays stands in `select` twice"),
    ("select:\n  - Stays\n", "line 2: an item of `select` is no table's or model's name"),
    ("schedule: {}\n", "line 1: `schedule` says no time"),
    ("schedule: {cron: \"* * * *\"}\n", "`cron` is no pattern"),
    ("schedule: {cron: \"0 0 30 2 *\"}\n", "it is never due"),
    ("schedule: {cron: \"0 4 * * *\", timezone: Europe/Pariss}\n", "`timezone` is no time zone's name; did you mean Europe/Paris?"),
    ("schedule: {cron: \"0 4 * * *\", timezone: somewhere}\n", "such as Europe/Paris"),
    ("schedule: {every: 15}\n", "`every` has a number without a unit; write one such as 30s"),
    ("schedule: {every: 0s}\n", "`every` is no length of time"),
    ("schedule: {every: 400d}\n", "`every` is longer than 366 days"),
    ("schedule: {every: 1h, timezone: UTC}\n", "an interval has no `timezone`"),
    ("schedule: {every: 1h, cron: \"0 4 * * *\"}\n", "`schedule` has both"),
    ("retries: {max: 101}\n", "more than 100"),
    ("retries: {max: -1}\n", "line 1: "),
    ("retries: {factor: 0}\n", "`factor` is not from 1 to 10"),
    ("retries: {backoff: 1m, max_backoff: 30s}\n", "`max_backoff` is shorter than `backoff`"),
    ("timeout: soon\n", "`timeout` is no length of time"),
    ("overlap: queue\n", "`overlap` means nothing without `schedule`"),
    ("catch_up: all\n", "`catch_up` means nothing without `schedule`"),
    ("freshness: sometimes\n", "unknown word `sometimes`"),
    ("notify: {}\n", "`notify` tells nobody"),
    ("notify: {on: [], command: [/bin/true]}\n", "`on` of notify is empty"),
    ("notify: {on: [failures], command: [/bin/true]}\n", "did you mean failure?"),
    ("notify: {command: [tell]}\n", "absolute path"),
    ("notify: {command: []}\n", "absolute path"),
    ("notify:\n  smtp: {server: s, from: a@b.example, to: []}\n", "line 2: `to` of smtp is empty"),
];

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, wanted) in WRONG {
        let problems = Pipeline::parse(text, "pipelines/nightly.yaml").unwrap_err().to_string();
        assert!(problems.starts_with("pipelines/nightly.yaml, line ") && problems.contains(wanted), "{text}\n{problems}");
    }
    // Everything that is wrong at once.
    let text = "select: []\nschedule: {every: x}\ntimeout: y\n";
    assert_eq!(Pipeline::parse(text, "pipelines/p.yaml").unwrap_err().0.len(), 3);
    for name in ["Nightly", "a b", "x.y", &"n".repeat(64)] {
        let problems = Pipeline::parse("", &format!("pipelines/{name}.yaml")).unwrap_err().to_string();
        assert!(problems.contains("the file's name"), "{problems}");
    }
}

#[test]
fn a_secret_that_is_written_out_is_refused_and_not_repeated() {
    const SECRET: &str = "hunter2-in-clear";
    for text in [
        "notify:\n  webhook: {url: hunter2-in-clear, secret: env:S}\n",
        "notify:\n  webhook: {url: env:U, secret: hunter2-in-clear}\n",
        "notify:\n  webhook: {url: env:U, secret: 'env:'}\n",
        "notify:\n  smtp: {server: s, from: a, to: [b], password: hunter2-in-clear}\n",
        "notify:\n  smtp: {server: s, from: a, to: [b], port: hunter2-in-clear}\n",
    ] {
        let problems = Pipeline::parse(text, "pipelines/p.yaml").unwrap_err().to_string();
        assert!(problems.contains("line 2") && !problems.contains(SECRET), "{problems}");
    }
}

#[test]
fn a_retry_waits_longer_and_longer_up_to_a_limit() {
    let retries = Retries { max: 9, backoff_ms: 30_000, factor: 2, max_backoff_ms: 600_000 };
    let rng = SeededRng::new(5);
    for (attempt, wanted) in [(1, 30_000), (2, 60_000), (3, 120_000), (5, 480_000), (6, 600_000), (9, 600_000), (u32::MAX, 600_000)] {
        for _ in 0..50 {
            let wait = retries.wait_ms(attempt, &rng);
            assert!((wanted..=wanted + wanted / 5).contains(&wait), "{attempt}: {wait}");
        }
    }
    let waits: std::collections::BTreeSet<i64> = (0..50).map(|_| retries.wait_ms(1, &rng)).collect();
    assert!(waits.len() > 10, "not all at once: {waits:?}");
    assert!(retries.follows(9) && !retries.follows(10) && !Retries::NONE.follows(1));
}
