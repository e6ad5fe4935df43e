//! A newcomer's story, word for word: a folder as folders are, of eight formats, becomes governed tables with seven commands and one
//! edit by hand; then a change that lets in more is refused in review, approved, and lands with its migration.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Project, Ran, ran};

/// A person at a shell: each command is counted.
struct Person {
    project: Project,
    commands: usize,
}

impl Person {
    /// Someone with a folder of data and no project yet.
    fn new() -> Self {
        let project = Project::bare();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/messy/dépôt");
        let to = project.dir().join("dépôt");
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        Self { project, commands: 0 }
    }

    fn polder(&mut self, args: &[&str]) -> Ran {
        self.commands += 1;
        self.project.run(args)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.project.dir().join(path)).unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "init.defaultBranch=main",
                "-c",
                "commit.gpgsign=false",
                "-c",
                "user.name=Ann",
                "-c",
                "user.email=ann@example.org",
            ])
            .args(args)
            .current_dir(self.project.dir())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// `polder ci` as a runner of checks has it: a clone, no key, no store, no home.
    fn ci(&self, args: &[&str]) -> Ran {
        let clone = self.project.beside("clone");
        let _ = fs::remove_dir_all(&clone);
        self.git(&["clone", "-q", ".", clone.to_str().unwrap()]);
        assert!(!clone.join("store").exists() && !clone.join("dépôt").exists());
        let mut command = Command::new(env!("CARGO_BIN_EXE_polder"));
        command.args(["ci", "--base", "origin/main"]).args(args).current_dir(&clone).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::null());
        ran(command.output().unwrap())
    }
}

/// What of a person must not be in what a proposal writes.
const PERSONAL: [&str; 6] = ["Lefèvre", "Béatrice", "@exemple.fr", "06 1", "avenue Foch", "rue de l'Église"];

#[test]
fn a_messy_folder_becomes_governed_tables_and_a_widening_change_is_reviewed() {
    let mut ann = Person::new();
    let key = ann.project.key_file().display().to_string();

    // 1. A project.
    ann.polder(&["init", ".", "--key-file", &key]).ok();

    // 2. What lies in the folder.
    let proposed = ann.polder(&["source", "propose", "dépôt", "--write"]);
    let looked = format!("{}\n{}", proposed.err.clone(), proposed.ok());
    insta::assert_snapshot!("story_source_propose", &looked);
    let mut sources: Vec<String> = fs::read_dir(ann.project.dir().join("sources"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    sources.sort();
    let types = ["avro", "csv", "excel", "fixed", "json", "ndjson", "parquet", "xml"];
    assert_eq!(sources, types.map(|ty| format!("depot_{ty}.yaml")));
    let files: Vec<String> = sources.iter().map(|name| ann.read(&format!("sources/{name}"))).collect();
    insta::assert_snapshot!("story_sources", files.concat() + &ann.read("layouts/tarifs.yaml"));

    // The one edit by hand: the columns of the list of prices get their names.
    let layout = ann.read("layouts/tarifs.yaml");
    let named = ["numero", "acte", "prix", "devise"]
        .iter()
        .enumerate()
        .fold(layout.clone(), |layout, (place, name)| layout.replace(&format!("column_{}", place + 1), name));
    assert_eq!(named.matches("column_").count(), 0, "{named}");
    ann.project.write("layouts/tarifs.yaml", named);

    // What is there is left alone: a second look has nothing to propose, and without its source the layout is somebody's.
    let again = ann.project.run(&["source", "propose", "dépôt", "--write"]).ok();
    assert!(again.contains("no file in dépôt is for a new source"), "{again}");
    let source = ann.read("sources/depot_fixed.yaml");
    fs::remove_file(ann.project.dir().join("sources/depot_fixed.yaml")).unwrap();
    ann.project.run(&["source", "propose", "dépôt", "--name", "other", "--write"]).ok();
    assert!(ann.read("layouts/tarifs.yaml").contains("numero") && ann.read("layouts/tarifs_fixed.yaml").contains("column_1"));
    fs::remove_file(ann.project.dir().join("layouts/tarifs_fixed.yaml")).unwrap();
    fs::remove_file(ann.project.dir().join("sources/other.yaml")).unwrap();
    ann.project.write("sources/depot_fixed.yaml", source);

    // 3. Contracts for all of it. What people are is left out, and no value of theirs is written.
    let proposed = ann.polder(&["contract", "propose", "--write"]);
    let told = proposed.err.clone();
    let done = proposed.ok();
    insta::assert_snapshot!("story_contract_propose", told);
    let patients = ann.read("contracts/patients.odcs.yaml");
    let mut written = format!("{told}{done}{looked}");
    for folder in ["sources", "layouts", "contracts"] {
        for entry in fs::read_dir(ann.project.dir().join(folder)).unwrap() {
            written += &fs::read_to_string(entry.unwrap().path()).unwrap();
        }
    }
    // The control: the search finds what is there.
    let source = fs::read(ann.project.dir().join("dépôt/patients.csv")).unwrap();
    let source: String = source.iter().map(|byte| char::from(*byte)).collect();
    for personal in PERSONAL {
        assert!(source.contains(personal) && !written.contains(personal), "{personal}");
    }
    for column in ["Nom", "Prénom", "Date de naissance", "N° sécurité sociale", "Courriel", "Téléphone", "Adresse"] {
        let authorised = patients.lines().any(|line| line.trim_start().starts_with(&format!("- {{name: \"{column}\"")));
        assert!(!authorised && patients.contains(column), "{column}: {patients}");
    }

    // 4. One of them is needed.
    ann.polder(&["contract", "admit", "patients.Date de naissance"]).ok();

    // 5. Who answers for it approves.
    ann.polder(&["contract", "approve", "--all", "--yes"]).ok();

    // 6. The load: every row of every file.
    let report: Value = serde_json::from_str(&ann.polder(&["run", "--output", "json"]).ok()).unwrap();
    let mut loaded: Vec<(String, u64, u64)> = report["batches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| {
            let count = |name: &str| batch["counts"][name].as_u64().unwrap();
            (batch["table"].as_str().unwrap().to_owned(), count("read"), count("loaded"))
        })
        .collect();
    loaded.sort();
    let rows = [
        ("actes", 500),
        ("capteurs", 800),
        ("constantes", 600),
        ("laboratoire", 500),
        ("patients", 240),
        ("sejours", 400),
        ("services", 5),
        ("tarifs", 48),
        ("urgences", 56),
    ];
    assert_eq!(loaded, rows.map(|(table, rows)| (table.to_owned(), rows, rows)));

    // 7. A question across five formats.
    let question = "with done as (select j.\"Service\" as code, a.id, t.prix from actes a join sejours j on j.\"N° séjour\" = a.\"séjour\" \
                      join (select acte, min(prix) as prix from tarifs group by acte) t on t.acte = a.acte), \
                    taken as (select j.\"Service\" as code, count(*) as samples from laboratoire l \
                      join sejours j on j.\"N° séjour\" = l.\"séjour\" group by 1), \
                    acts as (select code, count(*) as acts, sum(prix) as tariff from done group by 1), \
                    stays as (select j.\"Service\" as code, count(*) as stays, \
                      count(distinct case when p.\"Date de naissance\" < date '1950-01-01' then p.\"N° dossier\" end) as old \
                      from sejours j join patients p on p.\"N° dossier\" = j.\"N° dossier\" group by 1) \
                    select s.\"libellé\" as service, stays, acts, tariff, samples, old from services s \
                    join stays on stays.code = s.code join acts on acts.code = s.code join taken on taken.code = s.code \
                    order by s.\"libellé\"";
    let answer = ann.polder(&["sql", question, "--output", "csv"]).ok();
    // What the files' writer computed of them.
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/messy/expected.csv");
    assert_eq!(answer, fs::read_to_string(expected).unwrap());
    assert!(ann.commands <= 8, "{}", ann.commands);
    ann.project.run(&["audit", "verify"]).ok();

    widens(&ann);
}

/// Without the commit and the approver's name, which are others each time.
fn without_names(text: &str) -> String {
    let cut = |text: &str, from: &str, to: &[char], name: &str| match text.split_once(from) {
        Some((before, rest)) => format!("{before}{from}{name}{}", &rest[rest.find(to).unwrap()..]),
        None => text.to_owned(),
    };
    cut(&cut(text, "ompared with origin/main (", &[')'], "COMMIT"), "approved by ", &['\n', ',', '.'], "NAME")
}

/// A pull request that lets in more.
fn widens(ann: &Person) {
    let contract = "contracts/patients.odcs.yaml";
    ann.project.write(".gitignore", "store/\ndépôt/\n");
    ann.git(&["init", "-q"]);
    ann.git(&["add", "-A"]);
    ann.git(&["commit", "-q", "-m", "What the clinic loads"]);
    ann.git(&["checkout", "-q", "-b", "telephone"]);
    ann.project.run(&["contract", "admit", "patients.Téléphone"]).ok();
    let source = ann.read("sources/depot_csv.yaml");
    ann.project.write("sources/depot_csv.yaml", source.replace("file: patients.csv", "file: \"patients*.csv\""));
    ann.git(&["commit", "-q", "-a", "-m", "Load telephone numbers"]);

    // Refused, and told what else stands against it: old rows hold no number.
    let refused = ann.ci(&[]);
    let told = without_names(&refused.out);
    refused.fails(1);
    insta::assert_snapshot!("story_refused", told);
    // Nor does the program itself load it.
    let unapproved = ann.project.run(&["run", "--select", "patients"]).fails(3);
    assert!(unapproved.contains("it is not what was approved"), "{unapproved}");

    ann.project.run(&["contract", "set", "patients.Téléphone", "required=false"]).ok();
    ann.project.run(&["contract", "approve", "patients", "--yes"]).ok();
    ann.git(&["commit", "-q", "-a", "-m", "Let numbers be missing, and approve it"]);
    let passed = ann.ci(&[]).ok();
    insta::assert_snapshot!("story_approved", without_names(&passed));
    ann.git(&["checkout", "-q", "main"]);
    ann.git(&["merge", "-q", "--no-ff", "-m", "Merge telephone", "telephone"]);
    assert!(ann.read(contract).contains("Téléphone"));

    // The next export brings a number; those of before have none.
    let head = fs::read(ann.project.dir().join("dépôt/patients.csv")).unwrap();
    let head = head.split(|byte| *byte == b'\n').next().unwrap();
    let added = b"\nD00241;Durand;Zo\xe9;F;1990-02-03;290024400100106;p241.a@exemple.fr;06 12 34 56 78;1 avenue Foch;44000;Nantes;61,5\r\n";
    ann.project.write("dépôt/patients-2.csv", [head, added].concat());
    let run = ann.project.run(&["run", "--select", "patients"]);
    let told = format!("{}{}", run.err, run.out);
    run.ok();
    assert!(told.contains("Téléphone"), "{told}");
    let numbers = ann.project.rows("select count(*) as patients, count(\"Téléphone\") as numbers from patients");
    assert_eq!(numbers, ["241,1"]);
    ann.project.run(&["audit", "verify"]).ok();
}
