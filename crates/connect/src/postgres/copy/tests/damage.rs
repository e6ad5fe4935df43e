//! Streams that are none: each is refused, none gives more rows than there were, and no error tells a value.

use super::*;

/// What is said of a stream of an integer and a text.
fn said(bytes: &[u8]) -> String {
    let columns = [fetch("integer", None), fetch("text", None)];
    decoded(&columns, [bytes]).1.map_or_else(|error| format!("{:?}: {error}", error.kind()), |rows| format!("{rows} rows"))
}

fn row() -> Vec<Field> {
    vec![Some(7i32.to_be_bytes().to_vec()), Some(b"secret".to_vec())]
}

#[test]
fn what_is_no_stream_of_rows_is_refused() {
    let good = stream(&[row()]);
    let changed = |place: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[place..place + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let end = good.len() - 2;
    let mut extended = good.clone();
    extended.splice(15..19, [0, 0, 0, 3, b'a', b'b', b'c']);
    let streams = [
        ("a good one", good.clone()),
        ("a header with more", extended),
        ("a flag that may be overlooked", changed(11, &[0, 0, 0x80, 0])),
        ("nothing", Vec::new()),
        ("no signature", changed(7, b"?")),
        ("object identifiers", changed(11, &[0, 1, 0, 0])),
        ("a negative header", changed(15, &[0xff; 4])),
        ("three fields", changed(19, &[0, 3])),
        ("one field", changed(19, &[0, 1])),
        ("minus two fields", changed(19, &[0xff, 0xfe])),
        ("a field of minus two bytes", changed(21, &[0xff, 0xff, 0xff, 0xfe])),
        ("an integer of three bytes", changed(21, &[0, 0, 0, 3])),
        ("an integer of a gigabyte", changed(21, &[0x40, 0, 0, 0])),
        ("a text of a gigabyte", changed(29, &[0x40, 0, 0, 0])),
        ("no end mark", good[..end].to_vec()),
        ("half an end mark", good[..=end].to_vec()),
        ("half a row", good[..end - 3].to_vec()),
        ("a row behind the end mark", [good.as_slice(), &good[19..]].concat()),
        ("a byte behind the end mark", [good.as_slice(), b"\0"].concat()),
    ];
    let report: String = streams.iter().map(|(what, bytes)| format!("{what}\n  {}\n", said(bytes))).collect();
    insta::assert_snapshot!(report);
    assert!(!report.contains("secret"));
}

#[test]
fn a_value_that_is_none_of_its_type_is_refused() {
    let values: [(&str, &[&[u8]]); 12] = [
        ("boolean", &[b"", b"\x02", b"\0\0"]),
        ("smallint", &[b"", b"\0", b"\0\0\0\0"]),
        ("bigint", &[b"\0\0\0\0"]),
        ("double precision", &[b"\0\0\0\0"]),
        ("date", &[b"", &[0; 8]]),
        ("time", &[&(-1i64).to_be_bytes(), &86_400_000_001i64.to_be_bytes(), &i64::MAX.to_be_bytes()]),
        ("uuid", &[&[0; 15], &[0; 17]]),
        ("jsonb", &[b"", b"\x02{}", b"{}"]),
        ("\"char\"", &[b"", b"ab"]),
        (
            "inet",
            &[
                b"",
                &[2, 32, 0, 4, 1, 2, 3],
                &[2, 33, 0, 4, 1, 2, 3, 4],
                &[2, 32, 2, 4, 1, 2, 3, 4],
                &[4, 32, 0, 4, 1, 2, 3, 4],
                &[3, 32, 0, 4, 1, 2, 3, 4],
                &[2, 32, 0, 16, 1, 2, 3, 4],
            ],
        ),
        ("macaddr", &[b"", &[0; 7]]),
        (
            "numeric(15,2)",
            &[
                b"",
                &[0; 7],
                &[0, 1, 0, 0, 0, 0, 0, 0],
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                &[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10],
                &[0, 1, 0, 0, 0x80, 0, 0, 0, 0, 1],
                &[0, 1, 0, 0, 0xc0, 0, 0, 0, 0, 1],
                &[0, 0, 0, 0, 0, 0, 0x40, 0],
                &[0, 1, 0, 0, 0, 0, 0, 0, 0],
            ],
        ),
    ];
    for (type_name, values) in values {
        for value in values {
            let sent = stream(&[vec![Some(value.to_vec())]]);
            let (rows, end) = decoded(&[fetch(type_name, None)], [sent.as_slice()]);
            assert!(rows.is_empty(), "{type_name} {value:?}");
            assert_eq!(
                end.unwrap_err().to_string(),
                "read column v of orders: the server sent bytes that are no value of the column's type; nothing of the rows counts; run \
                 again, and if it stays, look at what lies between here and the server",
                "{type_name} {value:?}"
            );
        }
    }
}

/// A caller that goes on after an error gets no row more.
#[test]
fn a_stream_that_was_given_up_stays_so() {
    let good = stream(&[row(), row()]);
    let mut decoder = CopyDecoder::new(&[fetch("integer", None), fetch("text", None)], "shop", "orders");
    let mut emit = |_: Vec<Cells>, _| panic!("no batch");
    assert!(decoder.push(&good[..19], &mut emit).is_ok());
    assert!(decoder.push(&[0, 9], &mut emit).is_err());
    assert!(decoder.push(&good[19..], &mut emit).is_err());
    assert!(decoder.finish(&mut emit).is_err());
}

#[test]
fn whoever_takes_batches_may_stop() {
    let rows = vec![row(); 10_000];
    let mut decoder = CopyDecoder::new(&[fetch("integer", None), fetch("text", None)], "shop", "orders");
    let stopped = decoder.push(&stream(&rows), &mut |_, _| Err(Stop::Closed));
    assert!(matches!(stopped, Err(Stop::Closed)));
}

#[test]
fn a_stream_cut_anywhere_is_refused() {
    let (columns, rows) = wide();
    let bytes = stream(&rows);
    for cut in (0..bytes.len()).step_by(3).chain(bytes.len() - 8..bytes.len()) {
        let (found, end) = decoded(&columns, [&bytes[..cut]]);
        assert!(found.is_empty() && matches!(&end, Err(error) if error.kind() == ErrorKind::Unavailable), "cut at {cut}: {end:?}");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn damage_gives_no_row_too_many_and_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..8),
        piece in 1usize..5_000,
    ) {
        let (columns, rows) = wide();
        let mut bytes = stream(&rows);
        for (index, byte, how) in changes {
            let place = index.index(bytes.len());
            match how {
                0 => drop(bytes.remove(place)),
                1 => bytes.insert(place, byte),
                2 => bytes[place] ^= 1 << (byte % 8),
                _ => bytes[place] = byte,
            }
        }
        let (found, end) = decoded(&columns, bytes.chunks(piece));
        prop_assert!(found.len() <= rows.len());
        if let Ok(counted) = end {
            prop_assert_eq!(usize::try_from(counted).unwrap(), found.len());
        }
    }

    #[test]
    fn bytes_at_random_are_no_stream(bytes in prop::collection::vec(any::<u8>(), 0..300), headed in any::<bool>(), place in 0usize..60) {
        let (columns, _) = wide();
        let column = std::slice::from_ref(&columns[place % columns.len()]);
        // As rows, and as one value.
        let begun = [if headed { HEADER } else { &[] }, &bytes].concat();
        let _ = decoded(column, [begun.as_slice()]);
        let (rows, end) = decoded(column, [stream(&[vec![Some(bytes)]]).as_slice()]);
        prop_assert_eq!(rows.len(), usize::from(end.is_ok()));
    }
}
