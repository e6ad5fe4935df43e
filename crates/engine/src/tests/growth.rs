//! No function makes more of a batch than it may, in however many steps; what is usual passes and answers as before.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use polder_types::ErrorKind;

use super::bed::{Bed, BedBuilder, owner};

const ROWS: i64 = 8_192;

fn bed() -> Bed {
    let batch = RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef),
        ("t", Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("text {row}")))) as ArrayRef),
    ])
    .unwrap();
    BedBuilder::new().table("t", vec![batch]).build()
}

/// A text that becomes four times as long at each of so many levels.
fn multiplied(times: usize) -> String {
    (0..times).fold("select t as a from t".to_owned(), |inner, _| format!("select a || a || a || a as a from ({inner})"))
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn what_grows_without_bound_is_refused_before_it_is_made() {
    let bed = bed();
    let multiplied = multiplied(15);
    let before = peak_bytes();
    for sql in [
        "select length(lpad('a', 1000000000, 'b'))",
        "select length(lpad('a', 1000000000, 'b')) from t",
        "select sum(char_length(lpad(t, 1000000, 'x'))) from t",
        "select sum(char_length(rpad(t, n * 1000, 'x'))) from t",
        "select sum(length(replace(t, 't', lpad('', 16000, 'y')))) from t",
        "select sum(length(replace(replace(replace(replace(replace(replace(t, 't', 'tttttttttt'), 't', 'tttttttttt'), 't', 'tttttttttt'), 't', 'tttttttttt'), 't', 'tttttttttt'), 't', 'tttttttttt'))) from t",
        "select sum(length(regexp_replace(t, '.', lpad('', 16000, 'y'), 'g'))) from t",
        "select sum(length(concat(t, lpad('', 16000, 'y')))) from t",
        "select sum(length(array_to_string(make_array(t, t, t), lpad('', 16000, 'y')))) from t",
        &format!("select sum(length(a)) from ({multiplied})"),
        // What stands between all the others, and what comes in the place of every item, counts as often.
        &format!("select sum(length(concat_ws(lpad('', 2000, 'y'){}))) from t", ", t".repeat(100)),
        &format!(
            "select sum(cardinality(array_replace_all(make_array({}n), n, n + 1))) from (select lpad(t, 2000, 'y') as n from t)",
            "n, ".repeat(20)
        )
        .replace("n + 1", "concat(n, 'x')"),
        &format!("select sum(cardinality(array_replace_n(make_array({}t), t, lpad('', 9000, 'y'), 50))) from t", "t, ".repeat(50)),
        &format!(
            "select sum(length(array_to_string(make_array({}nullif(t, t)), '', lpad('', 2000, 'z')))) from t",
            "nullif(t, t), ".repeat(50)
        ),
        &format!("select sum(length(array_to_string(make_array({}true), lpad('', 2000, 'z')))) from t", "n > 5, ".repeat(50)),
        &format!("select length(array_to_string(make_array({}true), lpad('', 300, 'z')))", "true, ".repeat(99)),
        &format!(
            "select count(*) from t where struct({}n) is distinct from struct({}n)",
            "lpad('', 16000, 'y'), ".repeat(50),
            "lpad('', 16000, 'z'), ".repeat(50)
        ),
        "select sum(length(to_char(cast(n as timestamp), lpad('', 8000, '%+')))) from t",
        "select sum(octet_length(translate(rpad(t, 4000, 'a'), 'a', '\u{1f600}'))) from t",
    ] {
        let error = bed.rows(&owner(), sql).await.expect_err(sql);
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("would make more than"), "{sql}: {error}");
    }
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < 400 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn what_is_usual_passes() {
    let bed = bed();
    for (sql, wanted) in [
        ("select lpad('7', 3, '0') || '-' || rpad('x', 3, '.')", "007-x.."),
        ("select sum(length(lpad(t, 100, ' '))) from t", "819200"),
        ("select count(distinct concat(t, '/', n)) from t", "8192"),
        ("select max(replace(t, 'text', 'row')) from t where n < 10", "row 9"),
        ("select regexp_replace('a1b22', '[0-9]+', '<\\0>', 'g')", "a<1>b<22>"),
        ("select coalesce(nullif(t, 'text 0'), 'none') from t where n = 0", "none"),
        ("select array_to_string(make_array(t, 'x'), ',') from t where n = 5", "text 5,x"),
        ("select coalesce(null, 5) + 1", "6"),
        ("select count(*) from t where t || nullif(n, 7) is null", "1"),
        ("select coalesce('a' || null, 'NULL is not nothing')", "NULL is not nothing"),
        ("select concat('a', null, 'b')", "ab"),
        ("select t || n as made from t where n = 3", "text 33"),
        ("select sum(length(concat_ws(', ', t, t, t, t))) from t", "339624"),
        ("select concat_ws('-', 'a', null, 'b')", "a-b"),
        ("select array_to_string(array_replace_all(make_array(n, n, 1), n, n + 1), ',') from t where n = 5", "6,6,1"),
        ("select array_to_string(array_replace_n(make_array('a', 'a', t), 'a', t, 1), ',') from t where n = 5", "text 5,a,text 5"),
        ("select array_to_string(make_array(t, null, 'x'), ',', '-') from t where n = 5", "text 5,-,x"),
        ("select sum(length(array_to_string(make_array(n, n + 1, n + 2), ','))) from t", "111367"),
        ("select max(array_to_string(make_array(make_array(n, 1), make_array(2)), '/')) from t where n = 5", "5/1/2"),
        ("select count(distinct array_to_string(make_array(cast(n as double), 0.5), ',')) from t", "8192"),
        ("select translate(t, 'tex', 'TEX') from t where n = 5", "TEXT 5"),
        ("select to_char(date '2013-01-02', '%d/%m/%Y') from t where n = 5", "02/01/2013"),
        ("select overlay(t placing 'row' from 1 for 4) from t where n = 5", "row 5"),
        ("select count(*) from t where named_struct('a', t, 'b', n)['b'] = 5", "1"),
    ] {
        assert_eq!(bed.rows(&owner(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")), [wanted], "{sql}");
    }
    // Columns keep their names.
    let batches = bed.batches(&owner(), "select concat(t, 'x'), t || 'y' from t limit 1").await.unwrap();
    let names: Vec<&str> = batches[0].schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    assert!(names.iter().all(|name| !name.contains("bounded")), "{names:?}");
}
