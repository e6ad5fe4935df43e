use super::*;

const NOW_MS: i64 = 1_800_000_000_000;

fn project(dir: &std::path::Path, rest: &str) -> Project {
    let text = format!("environments:\n  default:\n    store: store\n    keys: {{custody: key-file, path: ../root.key}}\n{rest}");
    std::fs::write(dir.join("polder.yaml"), text).unwrap();
    Project::find(Some(dir), "default").unwrap()
}

#[test]
fn a_server_is_known_by_its_host_its_listeners_and_the_names_of_the_settings() {
    let dir = tempfile::tempdir().unwrap();
    let rest = "    listeners: {postgres: '192.0.2.7:5432', rest: '0.0.0.0:8443', flight: '127.0.0.1:32010'}\n    tls: {names: [Data.example.org, 198.51.100.7]}\n";
    let wanted: Vec<String> = wanted(&project(dir.path(), rest)).iter().map(ToString::to_string).collect();
    for known in ["localhost", "127.0.0.1", "::1", "192.0.2.7", "data.example.org", "198.51.100.7"] {
        assert_eq!(wanted.iter().filter(|subject| *subject == known).count(), 1, "{known}: {wanted:?}");
    }
    assert!(!wanted.contains(&"0.0.0.0".to_owned()), "{wanted:?}");
}

#[test]
fn files_of_a_certificate_are_read_and_what_is_wrong_with_them_is_told_without_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, rng) = (polder_types::ManualClock::new(NOW_MS), polder_types::SeededRng::new(1));
    let subjects: Vec<Subject> = vec!["localhost".parse().unwrap()];
    let authority = Authority::make(&subjects, &clock, &rng).unwrap();
    let server = authority.issue(&subjects, &clock, &rng).unwrap();
    let project = project(dir.path(), "    tls: {chain: chain.pem, key: 'file:server.key'}\n");
    let files = project.environment().serving.tls.clone().unwrap();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(server.key.as_slice()));
    let chain = server.pem() + &authority.issued().pem();
    let read = |chain: &str, key: &str| {
        std::fs::write(dir.path().join("chain.pem"), chain).unwrap();
        std::fs::write(dir.path().join("server.key"), key).unwrap();
        of_files(&project, &files, NOW_MS)
    };
    let shown = read(&chain, &key).unwrap();
    assert_eq!((shown.chain.len(), shown.renew_at_ms), (2, None));
    assert_eq!(shown.key, server.private_key());
    let (chain, key) = (chain.as_str(), key.as_str());
    for (chain, key, what) in [
        ("", key, "it holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n", key, "it is not PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key, "its first certificate cannot be read"),
        (chain, "geheim\n", "is no private key in PEM"),
    ] {
        let failure = read(chain, key).err().unwrap();
        assert!(failure.kind() == ErrorKind::Invalid && failure.to_string().contains(what), "{failure}");
        assert!(!failure.to_string().contains("geheim"));
    }
    std::fs::remove_file(dir.path().join("chain.pem")).unwrap();
    assert_eq!(of_files(&project, &files, NOW_MS).err().unwrap().kind(), ErrorKind::Invalid);
}

#[test]
fn what_is_stored_reads_back_and_nothing_else_does() {
    let (clock, rng) = (polder_types::ManualClock::new(NOW_MS), polder_types::SeededRng::new(2));
    let subjects: Vec<Subject> = vec!["localhost".parse().unwrap()];
    let authority = Authority::make(&subjects, &clock, &rng).unwrap();
    let server = authority.issue(&subjects, &clock, &rng).unwrap();
    let stored = Stored { format: FORMAT, authority: Pair::of(authority.issued()), server: Pair::of(&server) };
    let text = serde_json::to_string(&stored).unwrap();
    let read: Stored = serde_json::from_str(&text).unwrap();
    let issued = read.server.issued().unwrap();
    assert_eq!((issued.certificate, issued.key), (server.certificate, server.key));
    assert_eq!(Authority::open(read.authority.issued().unwrap()).unwrap().details(), authority.details());
    assert!(serde_json::from_str::<Stored>(&text.replacen('{', "{\"more\":1,", 1)).is_err());
    assert!(Pair { certificate: "%".to_owned(), key: String::new() }.issued().is_none());
}
