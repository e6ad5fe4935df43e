use super::*;

const HEAD: &str = "# of people\napiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  - {property: polder.source, value: files}   # where\nschema:\n  - name: people\n";

const FLOW: &str = "    properties: # columns\n      # the key\n      - {name: id, logicalType: integer, required: true, primaryKey: true} # one\n\n      - {name: age, logicalType: integer,   logicalTypeOptions: {minimum: 0}}  # years\n      # left out: e-mail address, because of its name\n      # - {name: email, physicalName: \"E-mail\", logicalType: string, classification: restricted,\n      #    logicalTypeOptions: {maxLength: 80}}\n      # a remark that stays\n# the end\n";

const BLOCK: &str = "    properties:\n    - name: id # the key\n      logicalType: integer\n\n      required: true\n    - name: age\n      logicalTypeOptions:\n        minimum: 0 # nobody is younger\n      customProperties:\n      - property: polder.nullTokens # words\n        value: [NA]\n      description: |\n        of a person\n\n        in years\n      logicalType: integer\n# the end\n";

fn text(properties: &str) -> String {
    format!("{HEAD}{properties}")
}

/// What differs: lines that went and lines that came.
fn changed(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let only = |one: &str, other: &str| {
        one.lines().filter(|line| !other.lines().any(|known| known == *line)).map(|line| line.trim().to_owned()).collect()
    };
    (only(before, after), only(after, before))
}

#[track_caller]
fn one_line(properties: &str, column: &str, change: (&str, &str), went: &str, came: &str) {
    let before = text(properties);
    let after = set(&before, "f", column, &[change]).unwrap_or_else(|error| panic!("{change:?}: {error}"));
    let (gone, new) = changed(&before, &after);
    assert_eq!((gone.join("|").as_str(), new.join("|").as_str()), (went, came), "{change:?}:\n{after}");
}

#[test]
fn a_key_is_set_where_it_stands_and_nothing_else_changes() {
    let id = "- {name: id, logicalType: integer, required: true, primaryKey: true} # one";
    one_line(FLOW, "id", ("required", "false"), id, &id.replace("required: true", "required: false"));
    one_line(FLOW, "id", ("description", "yes: a # b"), id, &id.replace("true} #", "true, description: \"yes: a # b\"} #"));
    one_line(
        FLOW,
        "id",
        ("polder.fromText", "true"),
        id,
        &id.replace("true} #", "true, customProperties: [{property: polder.fromText, value: true}]} #"),
    );
    let age = "- {name: age, logicalType: integer,   logicalTypeOptions: {minimum: 0}}  # years";
    one_line(FLOW, "age", ("logicalTypeOptions.minimum", "18"), age, &age.replace("minimum: 0", "minimum: 18"));
    one_line(FLOW, "age", ("logicalTypeOptions.maximum", "150"), age, &age.replace("minimum: 0", "minimum: 0, maximum: 150"));
    one_line(BLOCK, "id", ("required", "no"), "required: true", "required: false");
    one_line(BLOCK, "id", ("classification", "Internal"), "", "classification: Internal");
    one_line(BLOCK, "age", ("logicalTypeOptions.minimum", "1"), "minimum: 0 # nobody is younger", "minimum: 1 # nobody is younger");
    one_line(BLOCK, "age", ("logicalTypeOptions.maximum", "150"), "", "maximum: 150");
    one_line(BLOCK, "age", ("polder.nullTokens", "[NA, \"-\"]"), "value: [NA]", "value: [NA, \"-\"]");
    one_line(BLOCK, "age", ("polder.fromText", "true"), "", "- {property: polder.fromText, value: true}");
    one_line(BLOCK, "age", ("description", "short"), "description: ||of a person|in years", "description: short");
    // Several at once, of which only together a contract comes.
    let changes = [("logicalType", "string"), ("logicalTypeOptions.minimum", "null")];
    set(&text(FLOW), "f", "age", &changes).unwrap();
    assert!(set(&text(FLOW), "f", "age", &changes[..1]).is_err());
}

#[test]
fn line_ends_stay_as_they_are() {
    let before = text(BLOCK).replace('\n', "\r\n");
    let after = set(&before, "f", "age", &[("classification", "internal")]).unwrap();
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count());
    assert_eq!(after.len(), before.len() + "      classification: internal\r\n".len());
}

#[test]
fn what_cannot_be_set_is_told() {
    let before = text(FLOW);
    let mut texts = String::new();
    for (column, key, value) in [
        ("age", "requird", "true"),
        ("age", "maximum", "3"),
        ("age", "polder.nullToken", "[NA]"),
        ("age", "partitioned", "true"),
        ("age", "logicalTypeOptions.uniqueItems", "true"),
        ("age", "required", "perhaps"),
        ("age", "required", "a: b: c"),
        ("age", "required", "true\nunique: true"),
        ("agee", "required", "true"),
        ("email", "required", "true"),
        ("age", "logicalTypeOptions.minimum", "200.5"),
        ("age", "name", "ID"),
    ] {
        let error = set(&before, "contracts/people.odcs.yaml", column, &[(key, value)]).unwrap_err();
        texts.push_str(&format!("{column} {key}={value:?}\n  {error}\n"));
    }
    for column in ["id", "phone"] {
        texts.push_str(&format!("admit {column}\n  {}\n", admit(&before, "contracts/people.odcs.yaml", column).unwrap_err()));
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn a_column_that_was_left_out_is_admitted_in_its_place() {
    let before = text(FLOW);
    let after = admit(&before, "f", "email").unwrap();
    let expected = before.replace(
        "      # left out: e-mail address, because of its name\n      # - {name: email, physicalName: \"E-mail\", logicalType: string, classification: restricted,\n      #    logicalTypeOptions: {maxLength: 80}}\n",
        "      - {name: email, physicalName: \"E-mail\", logicalType: string, classification: restricted,\n         logicalTypeOptions: {maxLength: 80}}\n",
    );
    assert_eq!(after, expected);
    let contract = Contract::parse(&after, "f").unwrap();
    assert_eq!(contract.columns[2].physical_name, "E-mail");
    // Where none is authorised yet, and where the list stands elsewhere than the comments.
    let bare = "    properties:\n      # - {name: a, logicalType: string}\n      # - {name: b, logicalType: string}\n";
    let after = admit(&text(bare), "f", "b").unwrap();
    assert!(after.ends_with("      # - {name: a, logicalType: string}\n      - {name: b, logicalType: string}\n"), "{after}");
    let moved = "    properties:\n    - name: a\n      logicalType: string\n      # - {name: b, logicalType: string}\n";
    let after = admit(&text(moved), "f", "b").unwrap();
    assert!(after.ends_with("      logicalType: string\n    - {name: b, logicalType: string}\n"), "{after}");
    // A column that the reader refuses stays out.
    let masked = "    properties:\n      - {name: a, logicalType: string}\n      # - {name: b, logicalType: object}\n";
    assert!(matches!(admit(&text(masked), "f", "b"), Err(EditError::Problems(_))));
}

#[test]
fn proposals_come_after_all_that_stands_there() {
    let new = vec![vec!["# new in the source".to_owned(), "# - {name: city, logicalType: string}".to_owned()]];
    let before = text(FLOW);
    let after = add_proposals(&before, "f", &new).unwrap();
    let expected = before.replace(
        "      # a remark that stays\n",
        "      # a remark that stays\n      # new in the source\n      # - {name: city, logicalType: string}\n",
    );
    assert_eq!(after, expected);
    assert_eq!(Contract::parse(&after, "f").unwrap().semantic_hash(), Contract::parse(&before, "f").unwrap().semantic_hash());
    let after = add_proposals(&text(BLOCK), "f", &new).unwrap();
    assert!(
        after.ends_with("      logicalType: integer\n    # new in the source\n    # - {name: city, logicalType: string}\n# the end\n"),
        "{after}"
    );
    let names: Vec<(String, bool)> =
        outline(&after, "f").unwrap().columns.into_iter().map(|column| (column.name, column.authorised)).collect();
    assert_eq!(names, [("id".to_owned(), true), ("age".to_owned(), true), ("city".to_owned(), false)]);
    // What cannot take them stays as it is.
    let flow = "    properties: [{name: a, logicalType: string}]\n";
    assert!(matches!(add_proposals(&text(flow), "f", &new), Err(EditError::ByHand { .. })));
}

#[test]
fn an_outline_is_read_of_a_file_that_is_no_contract_yet() {
    let bare = "    physicalName: Leute\n    properties:\n      # - {name: a, logicalType: string}\n";
    assert!(Contract::parse(&text(bare), "f").is_err());
    let outline = outline(&text(bare), "f").unwrap();
    let known = (outline.table.as_deref(), outline.source.as_deref(), outline.dataset.as_deref(), outline.columns.len());
    assert_eq!(known, (Some("people"), Some("files"), Some("Leute"), 1));
    assert!(super::outline("schema: [\n", "f").is_err());
}
