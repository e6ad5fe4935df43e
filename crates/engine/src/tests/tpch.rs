//! The 22 queries of TPC-H pass the door, as the benchmark runs them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};

use super::bed::{BedBuilder, files, owner};

const SCHEMA: [(&str, &str); 8] = [
    ("region", "r_regionkey int, r_name text, r_comment text"),
    ("nation", "n_nationkey int, n_name text, n_regionkey int, n_comment text"),
    ("supplier", "s_suppkey int, s_name text, s_address text, s_nationkey int, s_phone text, s_acctbal dec, s_comment text"),
    (
        "customer",
        "c_custkey int, c_name text, c_address text, c_nationkey int, c_phone text, c_acctbal dec, c_mktsegment text, c_comment text",
    ),
    (
        "part",
        "p_partkey int, p_name text, p_mfgr text, p_brand text, p_type text, p_size int, p_container text, p_retailprice dec, p_comment text",
    ),
    ("partsupp", "ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost dec, ps_comment text"),
    (
        "orders",
        "o_orderkey int, o_custkey int, o_orderstatus text, o_totalprice dec, o_orderdate day, o_orderpriority text, o_clerk text, o_shippriority int, o_comment text",
    ),
    (
        "lineitem",
        "l_orderkey int, l_partkey int, l_suppkey int, l_linenumber int, l_quantity dec, l_extendedprice dec, l_discount dec, l_tax dec, l_returnflag text, l_linestatus text, l_shipdate day, l_commitdate day, l_receiptdate day, l_shipinstruct text, l_shipmode text, l_comment text",
    ),
];

fn empty(columns: &str) -> RecordBatch {
    let fields: Vec<Field> = columns
        .split(", ")
        .map(|column| {
            let (name, kind) = column.split_once(' ').unwrap();
            let data_type = match kind {
                "int" => DataType::Int64,
                "text" => DataType::Utf8,
                "dec" => DataType::Decimal128(15, 2),
                _ => DataType::Date32,
            };
            Field::new(name, data_type, false)
        })
        .collect();
    RecordBatch::new_empty(Arc::new(Schema::new(fields)))
}

#[tokio::test]
async fn every_tpch_query_is_answered() {
    let bed = SCHEMA.iter().fold(BedBuilder::new(), |bed, (name, columns)| bed.table(name, vec![empty(columns)])).build();
    let queries = files(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tpch"));
    assert_eq!(queries.len(), 22);
    for file in queries {
        let sql = std::fs::read_to_string(&file).unwrap();
        // Aggregates without groups answer one row over nothing; the others none.
        let rows = bed.rows(&owner(), &sql).await.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(rows.len() <= 1, "{}: {rows:?}", file.display());
        let plan = bed.rows(&owner(), &format!("explain {sql}")).await.unwrap();
        assert!(plan.iter().any(|line| line.contains("TableScan")), "{}", file.display());
    }
}
