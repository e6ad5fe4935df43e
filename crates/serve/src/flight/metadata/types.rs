//! The types that columns of an answer may have.

use arrow::datatypes::DataType;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

/// The name of a type in SQL.
pub(super) fn name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INTEGER UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Float16 | DataType::Float32 => "REAL".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => "DECIMAL".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 => "VARCHAR".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => "VARBINARY".to_owned(),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".to_owned(),
        other => other.to_string(),
    }
}

struct Row {
    name: &'static str,
    data_type: XdbcDataType,
    size: Option<i32>,
    quote: Option<&'static str>,
    params: &'static [&'static str],
    searchable: Searchable,
    unsigned: Option<bool>,
    scales: Option<(i32, i32)>,
    sql: XdbcDataType,
    subcode: Option<XdbcDatetimeSubcode>,
    radix: Option<i32>,
}

fn whole(name: &'static str, data_type: XdbcDataType, bits: i32, unsigned: bool) -> Row {
    Row {
        name,
        data_type,
        size: Some(bits),
        quote: None,
        params: &[],
        searchable: Searchable::Basic,
        unsigned: Some(unsigned),
        scales: Some((0, 0)),
        sql: data_type,
        subcode: None,
        radix: Some(2),
    }
}

fn real(name: &'static str, data_type: XdbcDataType, bits: i32) -> Row {
    Row { scales: None, ..whole(name, data_type, bits, false) }
}

fn quoted(name: &'static str, data_type: XdbcDataType, quote: &'static str) -> Row {
    Row {
        name,
        data_type,
        size: None,
        quote: Some(quote),
        params: &[],
        searchable: Searchable::Basic,
        unsigned: None,
        scales: None,
        sql: data_type,
        subcode: None,
        radix: None,
    }
}

fn moment(name: &'static str, data_type: XdbcDataType, quote: &'static str, size: i32, subcode: Option<XdbcDatetimeSubcode>) -> Row {
    Row { size: Some(size), sql: XdbcDataType::XdbcDatetime, subcode, ..quoted(name, data_type, quote) }
}

/// All types, ordered by their number as the protocol wants it.
pub(super) fn data() -> Result<XdbcTypeInfoData, FlightError> {
    use XdbcDataType as T;
    use XdbcDatetimeSubcode as D;
    let mut rows = vec![
        Row { radix: None, ..whole("BOOLEAN", T::XdbcBit, 1, false) },
        whole("TINYINT", T::XdbcTinyint, 8, false),
        whole("TINYINT UNSIGNED", T::XdbcTinyint, 8, true),
        whole("SMALLINT", T::XdbcSmallint, 16, false),
        whole("SMALLINT UNSIGNED", T::XdbcSmallint, 16, true),
        whole("INTEGER", T::XdbcInteger, 32, false),
        whole("INTEGER UNSIGNED", T::XdbcInteger, 32, true),
        whole("BIGINT", T::XdbcBigint, 64, false),
        whole("BIGINT UNSIGNED", T::XdbcBigint, 64, true),
        real("REAL", T::XdbcReal, 24),
        real("DOUBLE", T::XdbcDouble, 53),
        Row {
            size: Some(76),
            params: &["precision", "scale"],
            scales: Some((0, 76)),
            radix: Some(10),
            ..whole("DECIMAL", T::XdbcDecimal, 76, false)
        },
        Row { searchable: Searchable::Full, ..quoted("VARCHAR", T::XdbcVarchar, "'") },
        quoted("VARBINARY", T::XdbcVarbinary, "X'"),
        moment("DATE", T::XdbcDate, "DATE '", 10, Some(D::XdbcSubcodeYear)),
        moment("TIME", T::XdbcTime, "TIME '", 15, Some(D::XdbcSubcodeTime)),
        moment("TIMESTAMP", T::XdbcTimestamp, "TIMESTAMP '", 26, Some(D::XdbcSubcodeTimestamp)),
        moment("TIMESTAMP WITH TIME ZONE", T::XdbcTimestamp, "TIMESTAMP '", 32, Some(D::XdbcSubcodeTimestampWithTimezone)),
        Row { sql: T::XdbcInterval, ..quoted("INTERVAL", T::XdbcInterval, "INTERVAL '") },
    ];
    rows.sort_by_key(|row| row.data_type as i32);
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for row in rows {
        builder.append(XdbcTypeInfo {
            type_name: row.name.to_owned(),
            data_type: row.data_type,
            column_size: row.size,
            literal_prefix: row.quote.map(str::to_owned),
            literal_suffix: row.quote.map(|_| "'".to_owned()),
            create_params: (!row.params.is_empty()).then(|| row.params.iter().map(|&param| param.to_owned()).collect()),
            nullable: Nullable::NullabilityNullable,
            case_sensitive: row.data_type == T::XdbcVarchar,
            searchable: row.searchable,
            unsigned_attribute: row.unsigned,
            fixed_prec_scale: false,
            auto_increment: row.unsigned.map(|_| false),
            local_type_name: Some(row.name.to_owned()),
            minimum_scale: row.scales.map(|(least, _)| least),
            maximum_scale: row.scales.map(|(_, most)| most),
            sql_data_type: row.sql,
            datetime_subcode: row.subcode,
            num_prec_radix: row.radix,
            interval_precision: None,
        });
    }
    builder.build()
}
