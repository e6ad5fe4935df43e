//! Contracts are proposed from what a source holds, changed in place, and nothing that names anybody gets out on the way.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use polder_app::search::Search;

use crate::harness::{Project, ran};
use crate::plain::unsealed;

/// A table of a header and rows that a function gives.
fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    std::iter::once(header.to_owned()).chain((0..rows).map(row)).map(|line| line + "\n").collect()
}

/// Every character is one byte of Latin-1.
fn latin_1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

const TOWNS: [&str; 6] = ["Lyon", "Nîmes", "Sète", "Lille", "Nice", "Orléans"];
const NAMES: [&str; 10] = ["Martin", "Bernard", "Lefèvre", "Petit", "Moreau", "Durand", "Noël", "Roux", "Fournier", "Girard"];

/// A file as an office sends it: Latin-1, semicolons, French headers, decimal commas, days of France.
fn clients(rows: usize) -> Vec<u8> {
    let row = |n: usize| {
        let (name, town) = (NAMES[n % 10], TOWNS[n % 6]);
        let state = ["actif", "clos"][n % 2];
        let phone = format!("06{:08}", 12_345_678 + n * 7_919);
        let amount = format!("{},{:02}", 10 + n * 3, n % 100);
        format!(
            "{};{name};client{n}@exemple.fr;{phone};{:05};{town};{amount};{state};{:02}/{:02}/2025;NA",
            4000 + n,
            1000 + n % 90,
            n % 28 + 1,
            n % 12 + 1
        )
    };
    latin_1(&table("N° client;Nom de famille;Courriel;Téléphone;Code postal;Ville;Montant;État;Date d'inscription;Remarque", rows, row))
}

const OFFICE: &str = "type: csv\npath: data\ndatasets:\n  Clients: {file: clients.csv, delimiter: \";\", encoding: latin-1}\n";

fn office() -> Project {
    let project = Project::new();
    project.write("data/clients.csv", clients(200));
    project.write("sources/bureau.yaml", OFFICE);
    project
}

fn read(project: &Project, path: &str) -> String {
    std::fs::read_to_string(project.dir().join(path)).unwrap()
}

/// The lines of a proposal from the columns on, without indentation.
fn proposed(text: &str) -> Vec<&str> {
    text.lines().skip_while(|line| !line.contains("properties:")).skip(1).map(str::trim).collect()
}

#[test]
fn a_messy_file_becomes_a_contract_that_leaves_personal_data_out() {
    let project = office();
    let printed = project.run(&["contract", "propose", "bureau"]);
    assert!(printed.err.contains("nothing was written"), "{printed:?}");
    let printed = printed.ok();
    assert!(!project.dir().join("contracts/clients.odcs.yaml").exists());
    project.run(&["contract", "propose", "bureau", "--write"]).ok();
    let text = read(&project, "contracts/clients.odcs.yaml");
    // What is printed is what is written, but for the contract's random id.
    let without_id = |text: &str| text.lines().filter(|line| !line.starts_with("id: ")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_id(&printed), without_id(&text));
    insta::assert_snapshot!(proposed(&text).join("\n"));
    project.run(&["contract", "check"]).ok();
    project.run(&["contract", "approve", "clients", "--yes"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from clients"), ["200"]);
    let shown = project.run(&["table", "show", "clients"]).ok();
    assert!(!shown.contains("Courriel") && !shown.contains("Nom de famille") && shown.contains("Code postal"), "{shown}");
    // The postal code kept its zero, and a day of France is a day.
    assert_eq!(
        project.rows("select \"Code postal\", \"Date d'inscription\" from clients where \"N° client\" = 4000"),
        ["01000,2025-01-01"]
    );
    // One edit lets a left-out column in.
    let admitted = project.run(&["contract", "admit", "clients.Téléphone"]).ok();
    assert!(admitted.contains("its approval holds no more: polder contract approve clients"), "{admitted}");
    assert!(
        read(&project, "contracts/clients.odcs.yaml")
            .contains("\n      - {name: \"Téléphone\", logicalType: string, required: true, classification: restricted}\n")
    );
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn datasets_that_join_are_told_and_personal_keys_come_as_pseudonyms() {
    let project = Project::new();
    let town = |n: usize| TOWNS[n % 6];
    project.write("data/customers.csv", table("id,email,town", 120, |n| format!("{},user{n}@example.org,{}", n + 1, town(n))));
    project.write(
        "data/orders.csv",
        table("order_no,customer_id,contact", 300, |n| format!("{},{},user{}@example.org", 9000 + n, n % 110 + 1, n % 90)),
    );
    project
        .write("sources/shop.yaml", "type: csv\npath: data\ndatasets:\n  customers: {file: customers.csv}\n  orders: {file: orders.csv}\n");
    let ran = project.run(&["contract", "propose", "shop", "--write"]);
    for said in [
        "joins: customer_id and customers.id: 100% of its 110 values stand there",
        "joins: contact and customers.email: 100% of its 90 values stand there",
        "personal: email: e-mail address",
        "personal: contact: e-mail address",
        "keys: order_no",
    ] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    ran.ok();
    let orders = read(&project, "contracts/orders.odcs.yaml");
    assert!(orders.contains("      # joins customers.id: 100% of its 110 values stand there\n      - {name: customer_id, logicalType: integer, required: true}\n"), "{orders}");
    for (file, name) in [("orders", "contact"), ("customers", "email")] {
        let text = read(&project, &format!("contracts/{file}.odcs.yaml"));
        let lines = proposed(&text);
        let at = lines.iter().position(|line| line.contains(&format!("{{name: {name},"))).unwrap();
        assert!(lines[at + 1].ends_with("customProperties: [{property: polder.mask, value: {pseudonymise: email}}]}"), "{text}");
    }
    // Alone, it joins nothing.
    std::fs::remove_file(project.dir().join("contracts/orders.odcs.yaml")).unwrap();
    let alone = project.run(&["contract", "propose", "shop", "--select", "ord*"]);
    assert!(!alone.err.contains("joins") && alone.out.contains("name: orders"), "{alone:?}");
    let none = project.run(&["contract", "propose", "shop", "--select", "x*"]).fails(2);
    assert!(none.contains("there are: customers, orders"), "{none}");
    project.run(&["contract", "propose", "shop", "--select", "[x"]).fails(2);
}

/// Values that each occur in the files that are proposed from: none may get out.
const LEFT_OUT: &str = "planted.once@exemple.fr";
const LEFT_OUT_OFTEN: &str = "planted.often@exemple.fr";
const RARE: &str = "PLANTED-ONCE-4471";
const NINETEEN: &str = "PLANTED-NINETEEN-TIMES";
/// So often that it names nobody.
const TWENTY: &str = "PLANTED-TWENTY-TIMES";

fn planted(project: &Project) {
    let row = |n: usize| {
        let email = match n {
            0 => LEFT_OUT.to_owned(),
            1..=60 => LEFT_OUT_OFTEN.to_owned(),
            n => format!("somebody{n}@exemple.fr"),
        };
        let remark = match n {
            0 => RARE.to_owned(),
            1..=19 => NINETEEN.to_owned(),
            20..=39 => TWENTY.to_owned(),
            n => format!("remark {n}"),
        };
        format!("{},{email},{remark},{}", n + 1, n * 3)
    };
    project.write("data/people.csv", table("id,email,remark,amount", 200, row));
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  people: {file: people.csv}\n");
}

#[test]
fn no_rare_value_and_nothing_of_a_left_out_column_gets_out() {
    let project = Project::new();
    planted(&project);
    let page = project.beside("page.html");
    let page = page.to_str().unwrap();
    let export = project.beside("export");
    let mut said = String::new();
    for args in [
        &["contract", "propose", "files"][..],
        // A defect when all was looked at and nothing is written yet.
        &["contract", "propose", "files", "--write", "--kill-at", "record-before#3:panic"],
        &["contract", "propose", "files", "--write"],
        &["contract", "propose", "files", "--write"],
        &["contract", "profile", "files", "--html", page],
        &["contract", "profile", "people", "--output", "json"],
        &["contract", "profile", "people", "--output", "csv"],
        &["source", "check", "files"],
        &["contract", "approve", "people", "--yes"],
        &["run"],
        &["contract", "set", "people.amount", "description=x"],
        &["audit", "show", "--limit", "1000"],
        &["audit", "export", "--to", export.to_str().unwrap()],
    ] {
        let code = if args.iter().any(|arg| arg.ends_with(":panic")) { 101 } else { 0 };
        let mut command = project.command(&[args, &["-vvvv"]].concat());
        let ran = ran(command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").output().unwrap());
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        said += &format!("{}{}", ran.out, ran.err);
    }
    // The e-mail addresses are left out, and the remarks come in. At the highest level events are told, and the defect its place.
    let draft = read(&project, "contracts/people.odcs.yaml");
    assert!(draft.contains("# left out: e-mail address, by ") && draft.contains("\n      # - {name: email, "), "{draft}");
    assert!(draft.contains("\n      - {name: remark, "), "{draft}");
    assert!(said.contains("INFO record event=") && said.matches("defect: panicked at ").count() == 1, "{said}");
    // What fails tells no more: a record that cannot be split, a contract that refuses what is there.
    let broken = std::fs::read_to_string(project.dir().join("data/people.csv")).unwrap() + "\"unclosed," + RARE;
    project.write("data/people.csv", broken);
    let failed = project.run(&["contract", "propose", "files", "-vvv"]);
    said += &format!("{}{}", failed.out, failed.err);
    failed.fails(3);
    let secret = [LEFT_OUT, LEFT_OUT_OFTEN, RARE, NINETEEN];
    for value in secret {
        assert!(!said.contains(value), "{value} was said");
    }
    let search = Search::new(&secret).unwrap();
    // The control: it finds each of them in the source.
    let found = search.directory(&project.dir().join("data")).unwrap().findings;
    assert!(secret.iter().all(|value| found.iter().any(|finding| finding.value == *value)));
    std::fs::remove_dir_all(project.dir().join("data")).unwrap();
    assert_eq!(search.directory(project.dir().parent().unwrap()).unwrap().findings, []);
    // What occurs often in a column that names nobody is shown: the search would have found the others there.
    let often = Search::new(&[TWENTY]).unwrap().directory(project.dir().parent().unwrap()).unwrap().findings;
    assert!(often.iter().any(|found| found.path == Path::new(page)), "{often:?}");
    assert!(said.contains(TWENTY));
    // Nor would a store that seals nothing hold a value of the column that is left out, or a rare one outside of the table.
    let plain = unsealed(&project, "unsealed");
    let found = search.directory(&plain).unwrap().findings;
    assert!(found.iter().all(|found| ![LEFT_OUT, LEFT_OUT_OFTEN].contains(&found.value.as_str())), "{found:?}");
    assert!(found.iter().all(|found| found.path.starts_with(plain.join("tables"))), "{found:?}");
    // The control: the table is found there with what it holds, and the profile with what may be shown.
    assert!([RARE, NINETEEN].iter().all(|value| found.iter().any(|found| found.value == *value)), "{found:?}");
    let often = Search::new(&[TWENTY]).unwrap().directory(&plain).unwrap().findings;
    assert!(often.iter().any(|found| found.path.starts_with(plain.join("profiles"))), "{often:?}");
}

#[test]
fn proposing_again_keeps_what_stands_and_adds_what_is_new() {
    let project = Project::new();
    planted(&project);
    project.run(&["contract", "propose", "files", "--write"]).ok();
    // What a person made of it: another order, comments, a name of their own, and the e-mail address let in as it is.
    let edited = read(&project, "contracts/people.odcs.yaml")
        .replace("    properties:\n", "    properties:   # the columns\n      # Ann asked for this one\n      - {name: mail, physicalName: email, logicalType: string}\n\n")
        .replace("version: 1.0.0", "version: 2.0.0  # mine");
    let kept: String = edited
        .lines()
        .filter(|line| !line.contains("name: email,") && !line.contains("left out:"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    project.write("contracts/people.odcs.yaml", &kept);
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    let again = project.run(&["contract", "propose", "files.people", "--write"]);
    assert!(
        again.err.contains("personal: email is authorised in contracts/people.odcs.yaml without a classification: e-mail address"),
        "{again:?}"
    );
    assert!(again.out.contains("stays as it is"), "{again:?}");
    assert_eq!(read(&project, "contracts/people.odcs.yaml"), kept);
    // Two new columns, one of them personal; one is gone.
    project.write(
        "data/people.csv",
        table("id,email,phone,amount,place", 100, |n| format!("{n},a{n}@exemple.fr,06{:08},{n},{}", 12_345_678 + n * 7_919, TOWNS[n % 6])),
    );
    let printed = project.run(&["contract", "propose", "files"]);
    assert!(printed.err.contains("gone: remark is authorised in contracts/people.odcs.yaml"), "{printed:?}");
    assert_eq!(read(&project, "contracts/people.odcs.yaml"), kept, "only printed");
    let done = project.run(&["contract", "propose", "files", "--write"]).ok();
    assert!(done.contains("new columns stand in it as comments: phone, place"), "{done}");
    let after = read(&project, "contracts/people.odcs.yaml");
    assert_eq!(after, printed.out);
    let added = after.strip_prefix(&kept).unwrap_or_else(|| panic!("nothing before it changed:\n{after}"));
    assert_eq!(
        added.lines().map(str::trim).collect::<Vec<_>>(),
        [
            "# left out: phone number, by its name and 100% of its values",
            "# - {name: phone, logicalType: string, required: true, classification: restricted}",
            "# new in the source",
            "# - {name: place, logicalType: string, required: true}",
        ]
    );
    // What it means is what was approved.
    let listed = project.json(&["contract", "list"]);
    assert!(listed[0]["approved"].as_str().unwrap().starts_with("by "), "{listed}");
    assert!(project.run(&["contract", "propose", "files", "--write"]).ok().contains("stays as it is"));
    project.run(&["contract", "admit", "people.place", "people.phone"]).ok();
    let names: Vec<String> = proposed(&read(&project, "contracts/people.odcs.yaml"))
        .into_iter()
        .filter(|line| line.starts_with("- "))
        .map(|line| line.split(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["- {name: mail", "- {name: id", "- {name: remark", "- {name: amount", "- {name: phone", "- {name: place"]);
    assert!(!read(&project, "contracts/people.odcs.yaml").contains("new in the source"));
}

#[test]
fn a_key_is_set_in_the_file_and_what_cannot_be_leaves_it_as_it_is() {
    let project = Project::new();
    project.people("1,Ann,41,s\n2,Bob,200,s\n");
    let before = read(&project, "contracts/people.odcs.yaml");
    // A description changes nothing that was approved.
    let set = project.run(&["contract", "set", "people.age", "description=Age in whole years: # of life"]).ok();
    assert!(set.contains("an approval still holds"), "{set}");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from people"), ["1"]);
    let set = project.run(&["contract", "set", "people.age", "logicalTypeOptions.maximum=250", "polder.nullTokens=[NA, \"-\"]"]).ok();
    assert!(set.contains("its approval holds no more: polder contract approve people"), "{set}");
    project.run(&["run"]).fails(3);
    let after = read(&project, "contracts/people.odcs.yaml");
    assert_eq!(
        after,
        before.replace(
            "logicalTypeOptions: {minimum: 0, maximum: 150}}",
            "logicalTypeOptions: {minimum: 0, maximum: 250}, description: \"Age in whole years: # of life\", customProperties: [{property: polder.nullTokens, value: [NA, \"-\"]}]}"
        )
    );
    project.run(&["contract", "approve", "people", "--yes"]).ok();
    let mut texts = String::new();
    for args in [
        &["set", "people.age", "requird=true"][..],
        &["set", "people.age", "maximum=3"],
        &["set", "people.age", "quality=[{type: sql}]"],
        &["set", "people.age", "required"],
        &["set", "people.agee", "required=true"],
        &["set", "peple.age", "required=true"],
        &["set", "age", "required=true"],
        &["set", "people.age", "logicalTypeOptions.minimum=300"],
        &["admit", "people.age"],
        &["admit", "people.secret"],
    ] {
        let args: Vec<&str> = ["contract"].into_iter().chain(args.iter().copied()).collect();
        texts += &format!("{}\n  {}", args.join(" "), project.run(&args).fails(2));
        assert_eq!(read(&project, "contracts/people.odcs.yaml"), after, "{args:?}");
    }
    insta::assert_snapshot!(texts);
    let left: Vec<String> = std::fs::read_dir(project.dir().join("contracts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

fn objects(project: &Project) -> Vec<std::path::PathBuf> {
    project.store_files().into_iter().filter(|path| path.starts_with(project.store().join("profiles"))).collect()
}

#[test]
fn a_profile_is_sealed_shown_and_missed_when_it_is_changed_or_gone() {
    let project = office();
    let none = project.run(&["contract", "profile", "bureau"]).fails(2);
    assert!(none.contains("run `polder contract propose SOURCE` first"), "{none}");
    project.run(&["contract", "propose", "bureau"]).ok();
    let first = objects(&project);
    project.run(&["contract", "propose", "bureau", "--write"]).ok();
    let newest = objects(&project);
    assert_eq!((first.len(), newest.len()), (1, 1), "of the profiles of a dataset the newest stays");
    assert_ne!(first, newest);
    let shown = project.run(&["contract", "profile", "bureau.Clients"]).ok();
    assert_eq!(shown, project.run(&["contract", "profile", "clients"]).ok());
    insta::assert_snapshot!(shown);
    let columns = project.json(&["contract", "profile", "clients"]);
    let of = |name: &str| columns.as_array().unwrap().iter().find(|column| column["column"] == name).unwrap().clone();
    assert_eq!((&of("Remarque")["null_share"], &of("Courriel")["distribution"]), (&1.0.into(), &"".into()));
    assert_eq!((&of("N° client")["key"], &of("Ville")["distinct"]), (&"primary key".into(), &6.into()));
    let page = project.beside("page.html");
    project.run(&["contract", "profile", "bureau", "--html", page.to_str().unwrap()]).ok();
    let html = std::fs::read_to_string(page).unwrap();
    assert!(
        html.starts_with("<!doctype html>") && html.contains("<svg") && html.contains("Orléans") && html.contains("e-mail address"),
        "{html}"
    );
    assert!(!html.contains("exemple.fr") && !html.contains("Lefèvre") && !html.contains("https:"), "{html}");
    project.run(&["audit", "verify"]).ok();
    let log = project.run(&["audit", "show", "--limit", "1000", "--type", "profile_written"]).ok();
    assert_eq!(log.lines().count(), 3, "{log}");
    // Someone changes it, takes it away, or puts one there.
    let bytes = std::fs::read(&newest[0]).unwrap();
    let mut changed = bytes.clone();
    changed[200] ^= 1;
    std::fs::write(&newest[0], changed).unwrap();
    let name = newest[0].strip_prefix(project.store()).unwrap().display().to_string();
    let found = project.run(&["audit", "verify"]);
    assert!(format!("{}{}", found.out, found.err).contains(&name), "{found:?}");
    found.fails(6);
    project.run(&["contract", "profile", "clients"]).fails(6);
    std::fs::remove_file(&newest[0]).unwrap();
    let found = project.run(&["audit", "verify"]);
    assert!(format!("{}{}", found.out, found.err).contains(&name), "{found:?}");
    found.fails(6);
    let gone = project.run(&["contract", "profile", "clients"]).fails(6);
    assert!(gone.contains("is gone, which the log names"), "{gone}");
    std::fs::write(&newest[0], bytes).unwrap();
    project.run(&["audit", "verify"]).ok();
    std::fs::write(newest[0].with_file_name("99999999999999999999"), b"planted").unwrap();
    project.run(&["audit", "verify"]).fails(6);
}

#[test]
fn a_killed_proposal_leaves_a_store_that_verifies_and_is_done_again() {
    let project = office();
    project.run(&["contract", "propose", "bureau"]).ok();
    let records =
        |project: &Project| project.json(&["audit", "show", "--limit", "1000", "--type", "profile_written"]).as_array().unwrap().len();
    assert_eq!(records(&project), 1);
    // The records before it are the lease's and the end of the look.
    for point in ["record-before#3", "record-after#3"] {
        project.run(&["contract", "propose", "bureau", "--write", "--kill-at", point]).killed();
        assert!(!project.dir().join("contracts/clients.odcs.yaml").exists());
        project.run(&["audit", "verify"]).ok();
        project.run(&["contract", "profile", "clients"]).ok();
    }
    project.run(&["contract", "propose", "bureau", "--write"]).ok();
    assert_eq!(objects(&project).len(), 1);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn values_of_parquet_files_are_looked_at_too() {
    let project = Project::new();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ref", Arc::new(Int64Array::from_iter_values(0..100))),
        ("contact", Arc::new(StringArray::from_iter_values((0..100).map(|n| format!("somebody{n}@exemple.fr"))))),
        ("state", Arc::new(StringArray::from_iter((0..100).map(|n| (n % 10 != 0).then(|| ["open", "shut"][n % 2]))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    std::fs::create_dir_all(project.dir().join("data")).unwrap();
    let file = std::fs::File::create(project.dir().join("data/t.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    project.write("sources/lake.yaml", "type: parquet\npath: data\ndatasets:\n  t: {file: t.parquet}\n");
    project.run(&["contract", "propose", "lake", "--write"]).ok();
    let text = read(&project, "contracts/t.odcs.yaml");
    assert_eq!(
        proposed(&text),
        [
            "- {name: ref, logicalType: integer, logicalTypeOptions: {format: i64}, required: true, primaryKey: true, primaryKeyPosition: 1}",
            "# left out: e-mail address, by its name and 100% of its values",
            "# - {name: contact, logicalType: string, required: true, classification: restricted}",
            "- {name: state, logicalType: string,",
            "quality: [{type: library, metric: invalidValues, mustBe: 0, arguments: {validValues: [shut, open]}}]}",
        ]
    );
    project.run(&["contract", "approve", "t", "--yes"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*), count(state) from t"), ["100,90"]);
}

#[test]
fn a_first_record_of_values_is_no_header() {
    let project = Project::new();
    project.write("data/p.csv", "7,somebody@exemple.fr,36\n8,another@exemple.fr,40\n");
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  p: {file: p.csv}\n");
    let ran = project.run(&["contract", "propose", "files", "--write"]);
    assert!(!format!("{}{}", ran.out, ran.err).contains("exemple.fr"), "{ran:?}");
    let err = ran.fails(3);
    assert!(err.contains("looks like a row of values") && err.contains("header: false"), "{err}");
    assert!(!project.dir().join("contracts/p.odcs.yaml").exists());
    project.write("sources/files.yaml", "type: csv\npath: data\ndatasets:\n  p: {file: p.csv, header: false}\n");
    project.run(&["contract", "propose", "files", "--write"]).ok();
    assert!(read(&project, "contracts/p.odcs.yaml").contains("name: column_1,"));
    // The other source of a dataset of that name gets a table of its own.
    project.write("sources/more.yaml", "type: csv\npath: data\ndatasets:\n  p: {file: p.csv, header: false}\n");
    project.run(&["contract", "propose", "more", "--write"]).ok();
    assert!(read(&project, "contracts/more_p.odcs.yaml").contains("name: more_p"));
    project.run(&["contract", "check"]).ok();
}

#[test]
fn long_names_that_are_alike_end_no_proposal() {
    let project = Project::new();
    let long = "a".repeat(62);
    for dir in ["north", "south"] {
        project.write(&format!("in/{dir}/{long}.csv"), table("id,amount", 30, |n| format!("{n},{}", n * 3)));
    }
    project.run(&["source", "propose", "in", "--write"]).ok();
    // The second has neither room for its directory nor for its type, whole as it is.
    let cut = format!("{}_csv", "a".repeat(59));
    assert!(read(&project, "sources/in.yaml").contains(&format!("  {cut}: {{file: \"south/{long}.csv\"}}\n")));
    // Another source has a dataset of the same name.
    project.write("sources/other.yaml", format!("type: csv\npath: in\ndatasets:\n  {long}: {{file: south/{long}.csv}}\n"));
    project.run(&["contract", "propose", "--write"]).ok();
    for table in [long.clone(), cut, format!("other_{}", "a".repeat(57))] {
        assert!(read(&project, &format!("contracts/{table}.odcs.yaml")).contains(&format!("  - name: {table}\n")));
    }
    project.run(&["contract", "check"]).ok();
    project.run(&["contract", "profile", "other"]).ok();
}

#[test]
fn a_dataset_whose_names_are_taken_is_told_with_them() {
    let project = Project::new();
    project.write("data/a.csv", table("id,amount", 30, |n| format!("{n},{}", n * 3)));
    project.write("sources/shop.yaml", "type: csv\npath: data\ndatasets:\n  a: {file: a.csv}\n");
    for name in ["a", "shop_a"] {
        project.write(&format!("models/{name}.sql"), "-- polder: materialized = table\nselect 1 as one\n");
    }
    let said = project.run(&["contract", "propose", "shop", "--write"]).fails(2);
    assert!(said.contains("propose a contract for shop.a: a, shop_a are names of other tables; write the contract by hand"), "{said}");
}
