//! Commands over a connection that is logged in: statements in text, whose answers are few, and prepared ones, whose rows come as they are.

use std::io::{Read, Write};
use std::ops::Range;

use polder_types::limit::COLUMNS_MAX;

use super::fault::Fault;
use super::types::ServerColumn;
use super::wire::{Fields, Length, Link, refusal};

const QUIT: u8 = 0x01;
const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const CLOSE: u8 = 0x19;
/// Most bytes of an answer that is held: catalogs are long, but not that long.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// A connection.
pub(super) struct Session<S> {
    link: Link<S>,
}

/// A prepared statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    id: u32,
    pub columns: Vec<ServerColumn>,
    /// Question marks in its text.
    pub parameters: u16,
}

/// What comes next of a prepared statement's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Row,
    /// A row of more than 16 MiB, of which nothing was kept.
    TooLong,
    End,
}

/// A row of an answer in text.
pub(super) type Texts = Vec<Option<String>>;

const fn damaged<T>(what: &'static str) -> Result<T, Fault> {
    Err(Fault::Damaged(what))
}

impl<S: Read + Write> Session<S> {
    pub(super) fn new(link: Link<S>) -> Self {
        Self { link }
    }

    fn command(&mut self, command: u8, rest: &[u8]) -> Result<(), Fault> {
        self.link.begin();
        self.link.send(&[&[command], rest].concat())
    }

    /// Carries out a statement that has no rows, or whose rows are nothing to anyone.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.rows(sql).map(drop)
    }

    /// The rows of a statement.
    pub(super) fn rows(&mut self, sql: &str) -> Result<Vec<Texts>, Fault> {
        self.command(QUERY, sql.as_bytes())?;
        let first = self.link.packet()?;
        let Some(columns) = header(&first)? else { return Ok(Vec::new()) };
        self.definitions(columns)?;
        let mut rows = Vec::new();
        let mut held = 0usize;
        loop {
            let packet = self.link.packet()?;
            match packet.first() {
                Some(0xff) => return Err(refusal(&packet)),
                Some(0xfe) if packet.len() < 9 => return Ok(rows),
                _ => {}
            }
            held = held.saturating_add(packet.len()).saturating_add(columns.saturating_mul(size_of::<Option<String>>()));
            if held > ANSWER_MAX_BYTES {
                return damaged("an answer is too long");
            }
            let mut fields = Fields(&packet);
            let mut row = Vec::with_capacity(columns);
            for _ in 0..columns {
                let text = fields.text().ok_or(Fault::Damaged("a row ends too early"))?;
                let text = text.map(|text| String::from_utf8(text.to_vec())).transpose();
                row.push(text.map_err(|_| Fault::Damaged("a text is not UTF-8"))?);
            }
            rows.push(row);
        }
    }

    /// The only value of a statement; none where it is null or there is no row.
    pub(super) fn value(&mut self, sql: &str) -> Result<Option<String>, Fault> {
        Ok(self.rows(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// Prepares a statement: the server says what its columns are, and carries nothing out.
    pub(super) fn prepare(&mut self, sql: &str) -> Result<Statement, Fault> {
        self.command(PREPARE, sql.as_bytes())?;
        let packet = self.link.packet()?;
        if packet.first() == Some(&0xff) {
            return Err(refusal(&packet));
        }
        let mut fields = Fields(&packet);
        let read = (fields.u8() == Some(0)).then(|| Some((fields.u32()?, fields.u16()?, fields.u16()?))).flatten();
        let Some((id, columns, parameters)) = read else { return damaged("a statement is not prepared as it should be") };
        if parameters > 0 {
            self.definitions(parameters.into())?;
        }
        let columns = if columns > 0 { self.definitions(columns.into())? } else { Vec::new() };
        Ok(Statement { id, columns, parameters })
    }

    /// Forgets a statement.
    pub(super) fn close(&mut self, statement: &Statement) -> Result<(), Fault> {
        self.command(CLOSE, &statement.id.to_le_bytes())
    }

    /// Begins to carry a statement out. Its rows come by [`Session::next`], in the form of prepared statements.
    pub(super) fn execute(&mut self, statement: &Statement) -> Result<Vec<ServerColumn>, Fault> {
        let [a, b, c, d] = statement.id.to_le_bytes();
        self.command(EXECUTE, &[a, b, c, d, 0, 1, 0, 0, 0])?;
        let first = self.link.packet()?;
        match header(&first)? {
            Some(columns) => self.definitions(columns),
            None => damaged("a statement has no rows"),
        }
    }

    /// Puts the next row behind what is in `into`.
    #[inline]
    pub(super) fn next(&mut self, into: &mut Vec<u8>) -> Result<Next, Fault> {
        let start = into.len();
        if self.link.receive(into)? == Length::TooLong {
            return Ok(Next::TooLong);
        }
        let packet = into.get(start..).unwrap_or_default();
        match packet.first() {
            Some(0) => Ok(Next::Row),
            Some(0xfe) if packet.len() < 9 => {
                into.truncate(start);
                Ok(Next::End)
            }
            Some(0xff) => Err(refusal(packet)),
            _ => damaged("what comes is no row"),
        }
    }

    /// Says that this was all.
    pub(super) fn quit(mut self) {
        // The server finds out by itself, too.
        let _ = self.command(QUIT, &[]);
    }

    /// Definitions of columns, with the mark behind them.
    fn definitions(&mut self, count: usize) -> Result<Vec<ServerColumn>, Fault> {
        if count > COLUMNS_MAX {
            return damaged("an answer has too many columns");
        }
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            let packet = self.link.packet()?;
            columns.push(definition(&packet).ok_or(Fault::Damaged("a column is not described as it should be"))?);
        }
        let mark = self.link.packet()?;
        match mark.first() {
            Some(0xfe) if mark.len() < 9 => Ok(columns),
            Some(0xff) => Err(refusal(&mark)),
            _ => damaged("columns do not end where they should"),
        }
    }
}

/// How many columns an answer has; none where it has no rows.
fn header(packet: &[u8]) -> Result<Option<usize>, Fault> {
    match packet.first() {
        Some(0x00) => Ok(None),
        Some(0xff) => Err(refusal(packet)),
        // It was never said that files of this machine may be asked for.
        Some(0xfb) => damaged("the server asks for a file of this machine"),
        _ => {
            let count = Fields(packet).number().and_then(|count| usize::try_from(count).ok());
            match count.filter(|count| (1..=COLUMNS_MAX).contains(count)) {
                Some(count) => Ok(Some(count)),
                None => damaged("an answer has too many columns"),
            }
        }
    }
}

fn definition(packet: &[u8]) -> Option<ServerColumn> {
    let mut fields = Fields(packet);
    // Catalog, schema, table and its own name.
    for _ in 0..4 {
        fields.bytes()?;
    }
    let name = String::from_utf8(fields.bytes()?.to_vec()).ok()?;
    fields.bytes()?;
    let rest = fields.bytes()?;
    let mut fields = Fields(rest);
    Some(ServerColumn {
        name,
        characters: fields.u16()?,
        length: fields.u32()?,
        type_code: fields.u8()?,
        flags: fields.u16()?,
        decimals: fields.u8()?,
    })
}

/// Rows as they came, on their way to the decoder.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub bytes: Vec<u8>,
    /// Where each row ends; none of one that was too long.
    pub ends: Vec<Option<usize>>,
}

impl Rows {
    /// The rows, none for one that was too long.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let range: Range<usize> = start..(*end)?;
            start = range.end;
            Some(self.bytes.get(range).unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::Script;
    use super::*;

    fn session(packets: &[(u8, &[u8])]) -> Session<Script> {
        Session::new(Link::new(Script::of(packets), 0))
    }

    fn column(name: &str, type_code: u8) -> Vec<u8> {
        let mut packet = b"\x03def\x00\x00\x00".to_vec();
        packet.push(u8::try_from(name.len()).unwrap());
        packet.extend_from_slice(name.as_bytes());
        packet.push(0);
        packet.extend_from_slice(&[12, 45, 0, 44, 0, 0, 0, type_code, 1, 0, 2, 0, 0]);
        packet
    }

    const EOF: &[u8] = &[0xfe, 0, 0, 2, 0];

    #[test]
    fn a_file_of_this_machine_is_never_sent() {
        let mut asked = session(&[(1, b"\xfb/etc/passwd")]);
        assert!(matches!(asked.rows("select 1"), Err(Fault::Damaged("the server asks for a file of this machine"))));
        // Nothing was sent but the command.
        assert_eq!(asked.link.stream().told, b"\x09\0\0\0\x03select 1");
    }

    #[test]
    fn rows_in_text_are_read() {
        let (a, b) = (column("a", 253), column("b", 3));
        let packets: [(u8, &[u8]); 7] = [(1, &[2]), (2, &a), (3, &b), (4, EOF), (5, b"\x02xy\xfb"), (6, b"\x00\x011"), (7, EOF)];
        let rows = session(&packets).rows("select").unwrap();
        assert_eq!(rows, [vec![Some("xy".to_owned()), None], vec![Some(String::new()), Some("1".to_owned())]]);
        assert_eq!(session(&packets).value("select").unwrap().as_deref(), Some("xy"));
        assert_eq!(session(&[(1, &[0, 0, 0, 2, 0, 0, 0])]).value("set").unwrap(), None);
        // An end that is none, and an error in the middle.
        for cut in 1..7 {
            assert!(session(&packets[..cut]).rows("select").is_err());
        }
        let mut broken = packets;
        broken[5] = (6, b"\xff\x25\x05#70100Query execution was interrupted");
        assert!(matches!(session(&broken).rows("select"), Err(Fault::Refused(told)) if told.number == 1317));
        broken[5] = (6, b"\x05x");
        assert!(matches!(session(&broken).rows("select"), Err(Fault::Damaged("a row ends too early"))));
        broken[5] = (6, b"\x01\xff\x00");
        assert!(matches!(session(&broken).rows("select"), Err(Fault::Damaged("a text is not UTF-8"))));
    }

    #[test]
    fn statements_are_prepared_and_carried_out() {
        let (a, p) = (column("a", 246), column("?", 253));
        let packets: [(u8, &[u8]); 5] = [(1, &[0, 7, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]), (2, &p), (3, EOF), (4, &a), (5, EOF)];
        let prepared = session(&packets).prepare("select a from t where b = ?").unwrap();
        assert_eq!((prepared.id, prepared.parameters), (7, 1));
        let [found] = &prepared.columns[..] else { panic!("one column") };
        assert_eq!((found.name.as_str(), found.type_code, found.length, found.decimals, found.flags), ("a", 246, 44, 2, 1));
        let answer: [(u8, &[u8]); 6] = [(1, &[1]), (2, &a), (3, EOF), (4, b"\0\0\x01x"), (5, b"\0\x04"), (6, EOF)];
        let mut session = session(&answer);
        session.execute(&prepared).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(session.next(&mut bytes).unwrap(), Next::Row);
        assert_eq!(session.next(&mut bytes).unwrap(), Next::Row);
        assert_eq!(session.next(&mut bytes).unwrap(), Next::End);
        assert_eq!(bytes, b"\0\0\x01x\0\x04");
        assert!(session.next(&mut bytes).is_err());
        assert_eq!(session.link.stream().told, b"\x0a\0\0\0\x17\x07\0\0\0\0\x01\0\0\0");
    }

    #[test]
    fn counts_of_columns_are_not_taken_on_trust() {
        for packet in [&b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"[..], b"\xfc\x01\x10", b"\xfd\x00", b""] {
            assert!(matches!(session(&[(1, packet)]).rows("select"), Err(Fault::Damaged(_))), "{packet:?}");
        }
    }

    #[test]
    fn rows_too_long_keep_their_place() {
        let rows = Rows { bytes: b"abcde".to_vec(), ends: vec![Some(2), None, Some(2), Some(5)] };
        assert_eq!(rows.iter().collect::<Vec<_>>(), [Some(&b"ab"[..]), None, Some(&b""[..]), Some(&b"cde"[..])]);
    }
}
