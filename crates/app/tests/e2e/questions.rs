//! What contracts ask of the table as a load would leave it: relationships to other tables, and rules in SQL, through the program.

use serde_json::Value;

use crate::harness::Project;

fn contract(table: &str, rules: &str, columns: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {table}\nversion: 1.0.0\nstatus: active\ncustomProperties:\n  \
         - {{property: polder.source, value: shop}}\nschema:\n  - name: {table}\n{rules}    properties:\n{columns}"
    )
}

const CUSTOMERS: &str = "      - {name: id, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}\n";
const ORDERS: &str = "      - {name: \"n\", logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}\n      \
                      - {name: customer, logicalType: string, relationships: [{to: customers.id}]}\n      \
                      - {name: amount, logicalType: number, quality: [{type: sql, query: \"select min(${column}) from ${table}\", mustBeGreaterThan: 0}]}\n";
const ONE_PER_DAY: &str =
    "    quality:\n      - {type: sql, name: average, query: \"select avg(amount) from ${object}\", mustBeBetween: [5, 50]}\n";

/// A shop with customers and orders, both approved. `arrivals` refers to `customers`, and comes before it by name.
fn shop(customers: &str, orders: &str) -> Project {
    let project = Project::new();
    project.write("data/customers.csv", format!("id\n{customers}"));
    project.write("data/arrivals-1.csv", format!("n,customer,amount\n{orders}"));
    project.write(
        "sources/shop.yaml",
        "type: csv\npath: data\ndatasets:\n  customers: {file: customers*.csv}\n  arrivals: {file: arrivals*.csv}\n",
    );
    project.write("contracts/customers.odcs.yaml", contract("customers", "", CUSTOMERS));
    project.write("contracts/arrivals.odcs.yaml", contract("arrivals", ONE_PER_DAY, ORDERS));
    project.run(&["contract", "check"]).ok();
    project.run(&["contract", "approve", "--all", "--yes"]).ok();
    project
}

#[test]
fn a_load_with_rows_that_refer_to_nothing_shows_nothing() {
    // What is referred to is loaded first, whatever the names say. Null refers to nothing, and that is no fault.
    let project = shop("a\nb\n", "1,a,10\n2,b,20\n3,,30\n");
    let dry: Value = serde_json::from_str(&project.run(&["run", "--dry-run", "--output", "json"]).ok()).unwrap();
    let batches = dry["batches"].as_array().unwrap();
    let unasked = batches.iter().find(|batch| batch["table"] == "arrivals").unwrap()["unasked"].as_array().unwrap().len();
    assert_eq!(unasked, 3, "{dry}");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from arrivals"), ["3"]);
    // More orders, two of them of customers that nobody knows.
    project.write("data/arrivals-2.csv", "n,customer,amount\n4,a,10\n5,z,10\n6,y,10\n");
    let error = project.run(&["run"]).fails(3);
    assert!(error.contains("the relationship of customer to customers.id does not hold for 2 rows"), "{error}");
    assert_eq!(project.rows("select count(*) from arrivals"), ["3"]);
    project.run(&["audit", "verify"]).ok();
    // What a contract that nobody approved asks of this table, and cannot, is no reason to refuse its rows.
    let draft = CUSTOMERS.replace("primaryKeyPosition: 1}", "primaryKeyPosition: 1, relationships: [{to: arrivals.nothing}]}");
    project.write("contracts/drafts.odcs.yaml", contract("drafts", "", &draft));
    project.write("data/arrivals-2.csv", "n,customer,amount\n4,a,10\n");
    project.run(&["run", "--select", "arrivals"]).ok();
    assert_eq!(project.rows("select count(*) from arrivals"), ["4"]);
    std::fs::remove_file(project.dir().join("contracts/drafts.odcs.yaml")).unwrap();
    project.write("data/arrivals-3.csv", "n,customer,amount\n5,z,10\n6,y,10\n");
    project.run(&["run"]).fails(3);
    // Once they are known, the same files load.
    project.write("data/customers-2.csv", "id\ny\nz\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*), count(distinct customer) from arrivals"), ["6,4"]);
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_rule_in_sql_is_asked_of_the_old_rows_and_the_new() {
    let project = shop("a\n", "1,a,40\n2,a,40\n");
    project.run(&["run"]).ok();
    // Alone these rows would be too many; with those that are there the average holds.
    project.write("data/arrivals-2.csv", "n,customer,amount\n3,a,58\n");
    project.run(&["run"]).ok();
    assert_eq!(project.rows("select count(*) from arrivals"), ["3"]);
    project.write("data/arrivals-3.csv", "n,customer,amount\n4,a,400\n");
    let error = project.run(&["run"]).fails(3);
    // What a query answers may be somebody's value, so it is not told.
    assert!(error.contains("the answer to quality rule \"average\" is not what it must be, 5 to 50"), "{error}");
    assert!(!error.contains("134") && !error.contains("400"), "{error}");
    project.write("data/arrivals-3.csv", "n,customer,amount\n4,a,-1\n");
    assert!(project.run(&["run"]).fails(3).contains("more than 0"));
    assert_eq!(project.rows("select count(*) from arrivals"), ["3"]);
    // Each question is a read, decided and recorded with its text.
    let log = project.run(&["audit", "show", "--output", "json"]).ok();
    assert!(log.contains("select min(\\\"amount\\\") from \\\"arrivals\\\""), "{log}");
    project.run(&["audit", "verify"]).ok();
}

#[test]
fn what_cannot_be_asked_is_told_before_anything_is_loaded() {
    let project = shop("a\n", "1,a,10\n");
    for (from, to, told) in [
        ("customers.id", "clients.id", "no contract fills table clients, and no model has its name"),
        ("customers.id", "customers.key", "table customers has no column key"),
        ("select avg(amount) from ${object}", "drop table ${object}", "cannot be asked"),
        ("select avg(amount) from ${object}", "select avg(amount) from '/etc/passwd'", "cannot be asked"),
    ] {
        let text = contract("arrivals", ONE_PER_DAY, ORDERS).replacen(from, to, 1);
        project.write("contracts/arrivals.odcs.yaml", text);
        for command in [&["contract", "check"][..], &["contract", "approve", "arrivals", "--yes"]] {
            let error = project.run(command).fails(2);
            assert!(error.contains(told) && error.contains("contracts/arrivals.odcs.yaml"), "{from} -> {to}: {error}");
        }
    }
    // What only the tables can tell is told by the load, which shows nothing then.
    for (query, told) in [
        ("select amount from ${object}", "not one row with one number"),
        ("select customer from ${object}", "not one row with one number"),
        ("select sum(amount) from ${object} where false", "not one row with one number"),
        ("select sum(price) from ${object}", "price"),
    ] {
        let text = contract("arrivals", ONE_PER_DAY, ORDERS).replacen("select avg(amount) from ${object}", query, 1);
        project.write("contracts/arrivals.odcs.yaml", text);
        project.write("data/arrivals-1.csv", "n,customer,amount\n1,a,10\n2,a,20\n");
        project.run(&["contract", "approve", "arrivals", "--yes"]).ok();
        let ran = project.run(&["run", "--select", "customers", "--select", "arrivals"]);
        assert!(ran.err.contains(told) && ran.code != Some(0), "{query}: {ran:?}");
        project.run(&["table", "show", "arrivals"]).fails(2);
    }
}

#[test]
fn a_rule_that_is_new_is_asked_of_rows_that_are_there() {
    let project = shop("a\n", "1,a,40\n2,a,40\n");
    project.run(&["run"]).ok();
    // Nothing is to be loaded, and the rule does not hold.
    let text = contract("arrivals", ONE_PER_DAY, ORDERS).replace("mustBeBetween: [5, 50]", "mustBeBetween: [5, 30]");
    project.write("contracts/arrivals.odcs.yaml", &text);
    project.run(&["contract", "approve", "arrivals", "--yes"]).ok();
    let error = project.run(&["run"]).fails(3);
    assert!(error.contains("quality rule \"average\" is not what it must be, 5 to 30"), "{error}");
    project.write("contracts/arrivals.odcs.yaml", text.replace("[5, 30]", "[5, 40]"));
    project.run(&["contract", "approve", "arrivals", "--yes"]).ok();
    project.run(&["run"]).ok();
}

#[test]
fn what_is_not_stored_alike_or_goes_in_a_circle_is_no_relationship() {
    let mask = |mask: &str| format!(", customProperties: [{{property: polder.mask, value: {mask}}}]");
    // A key may not be stored in part.
    let keyless = CUSTOMERS.replace(", primaryKey: true, primaryKeyPosition: 1", "");
    let customers = |mask: &str| keyless.replace("logicalType: string", &format!("logicalType: string{mask}"));
    let orders = |mask: &str| ORDERS.replace("logicalType: string, relationships", &format!("logicalType: string{mask}, relationships"));
    let project = shop("ab11\n", "1,ab99,10\n");
    // Of both only the beginning is stored, so what is equal there need not be.
    for (here, there, told) in [
        (mask("{truncate: 2}"), mask("{truncate: 2}"), "is stored by the mask"),
        (mask("{pseudonymise: people}"), String::new(), "is stored by the mask"),
        (mask("{pseudonymise: people}"), mask("{pseudonymise: staff}"), "is stored by the mask"),
    ] {
        project.write("contracts/arrivals.odcs.yaml", contract("arrivals", "", &orders(&here)));
        project.write("contracts/customers.odcs.yaml", contract("customers", "", &customers(&there)));
        // Told to whoever changes the other table, too.
        for table in ["arrivals", "customers"] {
            let error = project.run(&["contract", "approve", table, "--yes"]).fails(2);
            assert!(error.contains(told) && error.contains("the relationship of customer to customers.id"), "{here} {there}: {error}");
        }
    }
    // Under one domain pseudonyms are compared.
    project.write("contracts/arrivals.odcs.yaml", contract("arrivals", "", &orders(&mask("{pseudonymise: people}"))));
    project.write("contracts/customers.odcs.yaml", contract("customers", "", &customers(&mask("{pseudonymise: people}"))));
    project.run(&["contract", "approve", "--all", "--yes"]).ok();
    assert!(project.run(&["run"]).fails(3).contains("does not hold for 1 rows"));
    project.write("data/arrivals-1.csv", "n,customer,amount\n1,ab11,10\n");
    project.run(&["run"]).ok();
    // A circle has no first.
    let circular = CUSTOMERS.replace("primaryKeyPosition: 1}", "primaryKeyPosition: 1, relationships: [{to: arrivals.customer}]}");
    project.write("contracts/arrivals.odcs.yaml", contract("arrivals", "", ORDERS));
    project.write("contracts/customers.odcs.yaml", contract("customers", "", &circular));
    assert!(project.run(&["contract", "check"]).fails(2).contains("neither can be loaded first"));
    // Nor has one that rules in SQL make, or one of these and a relationship.
    let rule =
        |of: &str| format!("    quality:\n      - {{type: sql, name: busy, query: \"select count(*) from {of}\", mustBeGreaterThan: 0}}\n");
    project.write("contracts/customers.odcs.yaml", contract("customers", &rule("arrivals"), CUSTOMERS));
    for (rules, columns, label) in [
        ("", ORDERS.to_owned(), "the relationship of customer to customers.id"),
        (rule("customers").as_str(), ORDERS.replace(", relationships: [{to: customers.id}]", ""), "quality rule \"busy\""),
    ] {
        project.write("contracts/arrivals.odcs.yaml", contract("arrivals", rules, &columns));
        for command in [&["contract", "check"][..], &["contract", "approve", "customers", "--yes"]] {
            let error = project.run(command).fails(2);
            assert!(
                error.contains("quality rule \"busy\": table arrivals refers to customers in turn, so neither can be loaded first"),
                "{error}"
            );
        }
        let error = project.run(&["contract", "approve", "arrivals", "--yes"]).fails(2);
        assert!(error.contains(&format!("{label}: table customers refers to arrivals in turn")), "{error}");
    }
}

#[test]
fn a_table_may_refer_to_itself_and_columns_may_refer_together() {
    let project = Project::new();
    project.write("data/staff.csv", "id,site,boss,boss_site\n1,n,,\n2,n,1,n\n3,s,2,n\n");
    project.write("sources/shop.yaml", "type: csv\npath: data\ndatasets:\n  staff: {file: staff*.csv}\n");
    let columns = ["id", "site", "boss", "boss_site"].map(|name| format!("      - {{name: {name}, logicalType: string}}\n")).concat();
    let together = "    relationships:\n      - {from: [staff.boss, staff.boss_site], to: [staff.id, staff.site]}\n";
    project.write("contracts/staff.odcs.yaml", contract("staff", together, &columns));
    project.run(&["contract", "approve", "staff", "--yes"]).ok();
    project.run(&["run"]).ok();
    // Each of the two stands there, and not together.
    project.write("data/staff-2.csv", "id,site,boss,boss_site\n4,n,1,s\n");
    assert!(project.run(&["run"]).fails(3).contains("the relationship of boss, boss_site to staff.id, site does not hold for 1 rows"));
    assert_eq!(project.rows("select count(*) from staff"), ["3"]);
}

#[test]
fn who_may_not_read_what_a_rule_names_loads_nothing() {
    let project = shop("a\n", "1,a,10\n");
    project.run(&["run", "--select", "customers"]).ok();
    project.write("policies/secret.cedar", "forbid (principal, action == Action::\"Read\", resource == Table::\"customers\");\n");
    project.run(&["run", "--select", "arrivals"]).fails(7);
    project.run(&["table", "show", "arrivals"]).fails(2);
    std::fs::remove_file(project.dir().join("policies/secret.cedar")).unwrap();
    project.run(&["run", "--select", "arrivals"]).ok();
}

#[test]
fn what_was_never_loaded_is_referred_to_by_nothing() {
    let project = shop("a\n", "1,a,10\n");
    let error = project.run(&["run", "--select", "arrivals"]).fails(3);
    assert!(error.contains("table customers has no rows yet; load it first"), "{error}");
    project.run(&["table", "show", "arrivals"]).fails(2);
}
