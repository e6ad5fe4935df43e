//! The types that a table holds, and how Arrow's names for them meet.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake_core::kernel::{Metadata, Protocol, StructType};
use polder_types::DatasetId;

use crate::error::Error;

/// The stored form of a type: one width of text, one width of bytes, microseconds.
fn stored_type(column: &str, ty: &DataType) -> Result<DataType, Error> {
    Ok(match ty {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32 => ty.clone(),
        DataType::Decimal128(precision, scale) if *scale >= 0 && i16::from(*scale) <= i16::from(*precision) => ty.clone(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ty.clone(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if matches!(zone.as_ref(), "UTC" | "+00:00") => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        other => return Err(Error::UnsupportedType { column: column.to_owned(), ty: other.to_string() }),
    })
}

/// The schema of the stored files for batches of `schema`. Metadata of fields is not stored.
pub(crate) fn stored_schema(schema: &Schema) -> Result<SchemaRef, Error> {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| Ok(Field::new(field.name(), stored_type(field.name(), field.data_type())?, field.is_nullable())))
        .collect::<Result<_, Error>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// The schema that a scan gives: text and bytes as views, which spares a copy per value.
pub(crate) fn scan_schema(stored: &Schema) -> SchemaRef {
    let fields: Vec<Field> = stored
        .fields()
        .iter()
        .map(|field| {
            let ty = match field.data_type() {
                DataType::Utf8 => DataType::Utf8View,
                DataType::Binary => DataType::BinaryView,
                other => other.clone(),
            };
            Field::new(field.name(), ty, field.is_nullable())
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The first column in which two stored schemas differ, in words.
pub(crate) fn difference(table: &Schema, wanted: &Schema) -> Option<String> {
    let places = table.fields().len().max(wanted.fields().len());
    (0..places).find_map(|place| {
        let (have, want) = match (table.fields().get(place), wanted.fields().get(place)) {
            (Some(have), Some(want)) => (have, want),
            (Some(have), None) => return Some(format!("column {} of the table is not in the contract", have.name())),
            (None, want) => return want.map(|want| format!("column {} of the contract is not in the table", want.name())),
        };
        let name = want.name();
        if have.name() != name {
            return Some(format!("column {} of the table stands where the contract has {name}", have.name()));
        }
        if have.data_type() != want.data_type() {
            return Some(format!("column {name} is {} in the table and {} in the contract", have.data_type(), want.data_type()));
        }
        let words = |nullable: bool| if nullable { "may be missing" } else { "is required" };
        let (was, is) = (words(have.is_nullable()), words(want.is_nullable()));
        (was != is).then(|| format!("column {name} {was} in the table and {is} in the contract"))
    })
}

/// A batch in the stored types. Only the form of text, bytes and the zone's name may differ.
pub(crate) fn to_stored(batch: RecordBatch, stored: &SchemaRef, dataset: DatasetId) -> Result<RecordBatch, Error> {
    let mismatch = || Error::SchemaMismatch { dataset };
    if batch.schema().fields() == stored.fields() {
        return Ok(batch);
    }
    if batch.num_columns() != stored.fields().len() {
        return Err(mismatch());
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for ((have, column), want) in batch.schema_ref().fields().iter().zip(batch.columns()).zip(stored.fields()) {
        if have.name() != want.name() || stored_type(have.name(), have.data_type())? != *want.data_type() {
            return Err(mismatch());
        }
        if have.data_type() == want.data_type() {
            columns.push(Arc::clone(column));
        } else {
            columns.push(arrow::compute::cast(column, want.data_type()).map_err(|_| mismatch())?);
        }
    }
    // A NULL in a column that takes none does not make a batch.
    RecordBatch::try_new(Arc::clone(stored), columns).map_err(|_| mismatch())
}

/// Delta's name of deletion vectors, as a feature that readers and writers must have.
const VECTORS: &str = "deletionVectors";

/// Whether a table may hold deletion vectors.
pub(crate) fn has_vectors(protocol: &Protocol) -> bool {
    let features = serde_json::to_value(protocol).ok().and_then(|protocol| protocol.get("writerFeatures").cloned());
    features.as_ref().and_then(serde_json::Value::as_array).is_some_and(|features| features.iter().any(|feature| feature == VECTORS))
}

/// The Delta protocol and metadata of a table with this stored schema. Once a table has deletion vectors (`vectors`) it keeps them, since
/// a feature is not taken back.
pub(crate) fn table_actions(stored: &SchemaRef, dataset: DatasetId, now_ms: i64, vectors: bool) -> Result<(Protocol, Metadata), Error> {
    let internal = || Error::Internal { step: "describe the schema", dataset };
    let schema: StructType = stored.as_ref().try_into_kernel().map_err(|_| internal())?;
    let zoneless = stored.fields().iter().any(|field| matches!(field.data_type(), DataType::Timestamp(_, None)));
    let mut features: Vec<&str> = Vec::new();
    features.extend(zoneless.then_some("timestampNtz"));
    features.extend(vectors.then_some(VECTORS));
    let protocol = if features.is_empty() {
        serde_json::json!({"minReaderVersion": 1, "minWriterVersion": 2})
    } else {
        // What writer version 2 stands for has to be named once features are.
        let legacy: &[&str] = if vectors { &["appendOnly", "invariants"] } else { &[] };
        let all = [legacy, features.as_slice()].concat();
        serde_json::json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": all})
    };
    let mut configuration = serde_json::Map::new();
    if vectors {
        configuration.insert("delta.enableDeletionVectors".to_owned(), "true".into());
    }
    let protocol: Protocol = serde_json::from_value(protocol).map_err(|_| internal())?;
    // The table's id is the dataset's, so that it stays the same when a replacement changes the schema.
    let metadata = serde_json::json!({
        "id": dataset.to_string(),
        "name": None::<String>,
        "description": None::<String>,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": serde_json::to_string(&schema).map_err(|_| internal())?,
        "partitionColumns": Vec::<String>::new(),
        "configuration": configuration,
        "createdTime": now_ms,
    });
    let metadata: Metadata = serde_json::from_value(metadata).map_err(|_| internal())?;
    Ok((protocol, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringArray, StringViewArray};

    const DATASET: DatasetId = DatasetId([1; 16]);

    #[test]
    fn the_first_column_that_differs_is_told() {
        let schema = |fields: &[(&str, DataType, bool)]| {
            Schema::new(fields.iter().map(|(name, ty, nullable)| Field::new(*name, ty.clone(), *nullable)).collect::<Vec<_>>())
        };
        let table = schema(&[("id", DataType::Int64, false), ("age", DataType::Int32, true)]);
        for (wanted, said) in [
            (table.clone(), None),
            (
                schema(&[("id", DataType::Int64, false), ("age", DataType::Utf8, true)]),
                Some("column age is Int32 in the table and Utf8 in the contract"),
            ),
            (
                schema(&[("id", DataType::Int64, true), ("age", DataType::Utf8, true)]),
                Some("column id is required in the table and may be missing in the contract"),
            ),
            (schema(&[("id", DataType::Int64, false)]), Some("column age of the table is not in the contract")),
            (
                schema(&[("age", DataType::Int32, true), ("id", DataType::Int64, false)]),
                Some("column id of the table stands where the contract has age"),
            ),
        ] {
            assert_eq!(difference(&table, &wanted).as_deref(), said);
        }
        let shorter = schema(&[("id", DataType::Int64, false)]);
        assert_eq!(difference(&shorter, &table).as_deref(), Some("column age of the contract is not in the table"));
    }

    #[test]
    fn text_is_stored_in_one_form_and_nothing_else_is_converted() {
        let view = RecordBatch::try_from_iter([("a", Arc::new(StringViewArray::from(vec!["x"])) as ArrayRef)]).unwrap();
        let stored = stored_schema(&view.schema()).unwrap();
        assert_eq!(stored.field(0).data_type(), &DataType::Utf8);
        assert_eq!(scan_schema(&stored).field(0).data_type(), &DataType::Utf8View);
        assert_eq!(to_stored(view, &stored, DATASET).unwrap().num_rows(), 1);

        let text = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec!["1"])) as ArrayRef)]).unwrap();
        let number = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        assert!(matches!(to_stored(text, &number, DATASET), Err(Error::SchemaMismatch { .. })));
    }

    #[test]
    fn a_null_does_not_enter_a_column_that_takes_none() {
        let text = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef)]).unwrap();
        let strict = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, false)]));
        assert!(to_stored(text, &strict, DATASET).is_err());
    }

    #[test]
    fn types_that_the_format_does_not_hold_are_refused_by_name() {
        let schema = Schema::new(vec![Field::new("at", DataType::Time64(TimeUnit::Microsecond), true)]);
        let error = stored_schema(&schema).unwrap_err();
        assert!(error.to_string().contains("column at"), "{error}");
    }
}
