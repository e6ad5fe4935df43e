//! A workbook's package, gone over before the decoder sees it: names, sizes as they are and not as they say, document types, records
//! that promise more than there is. A macro is never opened.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::path::Path;

use polder_types::limit::{DECOMPRESSION_RATIO_MAX, RECORD_MAX_BYTES};
use zip::ZipArchive;

use super::wrong;
use crate::error::Error;
use crate::input::BOMB_FREE_BYTES;
use crate::opened::OpenedFile;
use crate::xml::skim::{ATTRIBUTES_MAX_BYTES, Skim, Tag, is_named};

/// Most parts of a package.
const PARTS_MAX: usize = 10_000;
/// What a part that is held whole may take: shared strings, styles, the workbook itself.
const HELD_MAX_BYTES: u64 = 64 << 20;
/// Most shared strings, and most cells of a sheet that is held whole.
pub(super) const HELD_MAX: u64 = 1 << 21;
/// What the texts of all sheets take that are held whole, each as often as it stands there.
pub(super) const TEXT_MAX_BYTES: u64 = 256 << 20;
pub(super) const TOO_MUCH_TEXT: &str = "its sheets hold more than 256 MiB of text, repetitions counted";
/// What the parts that say where sheets are may take together.
const KEPT_MAX_BYTES: usize = 16 << 20;
/// Largest part of all.
const PART_MAX_BYTES: u64 = 8 << 30;
/// Deepest nesting of elements in a part.
const DEPTH_MAX: usize = 256;

/// Kinds of relationships that lead to sheets; with an `s` the folders in which these are.
const SHEET_KINDS: [&str; 3] = ["worksheet", "chartsheet", "dialogsheet"];

/// What the parts of a package make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Xlsx,
    Xlsb,
    Ods,
}

/// A package that was gone over.
pub(super) struct Package {
    pub kind: Kind,
    /// Rows with something in them, of each part that is a sheet.
    rows: Vec<(String, u64)>,
    /// Sheets by name and the parts in which they are.
    sheets: Vec<(String, String)>,
}

impl Package {
    /// Goes over all parts that the decoder may read.
    pub(super) fn check(path: &Path, file: &OpenedFile) -> Result<Self, Error> {
        let damaged = || wrong(path, "it is no package that can be opened", "deliver the file again");
        let clone = file.try_clone().map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        let mut archive = ZipArchive::new(BufReader::new(clone)).map_err(|_| damaged())?;
        if archive.len() > PARTS_MAX {
            return Err(wrong(path, format!("it has {} parts, more than {PARTS_MAX}", archive.len()), "save it anew"));
        }
        if archive.has_overlapping_files().map_err(|_| damaged())? {
            return Err(wrong(path, "parts of its package overlap, as those of a bomb do", "save it anew"));
        }
        let names: Vec<String> = archive.file_names().filter_map(|name| name.ok().map(Cow::into_owned)).collect();
        let kind = kind(path, &names)?;
        let mut seen = BTreeSet::new();
        let mut package = Self { kind, rows: Vec::new(), sheets: Vec::new() };
        let mut texts = Texts::default();
        // Parts that are not gone over as the decoder would read a sheet: it opens whatever a relationship leads to.
        let mut unseen = BTreeSet::new();
        for place in 0..archive.len() {
            let mut part = archive.by_index(place).map_err(|_| damaged())?;
            let name = part.name().map_err(|_| damaged())?.into_owned();
            if climbs(&name) {
                return Err(wrong(path, "a part of its package has a name that leads out of it", "save it anew"));
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(wrong(path, "two parts of its package have one name", "save it anew"));
            }
            if part.encrypted() {
                return Err(wrong(path, "it is protected by a password", "save it without one"));
            }
            if part.is_dir() {
                continue;
            }
            let is_read = is_read(&name, kind);
            if !is_read || (kind == Kind::Xlsb && !name.to_ascii_lowercase().ends_with(".bin")) {
                unseen.insert(name.to_ascii_lowercase());
            }
            if !is_read {
                continue;
            }
            let packed = part.compressed_size();
            let look = Look { path, name: &name, kind, packed };
            let rows = look.part(&mut part, &mut texts)?;
            if let Some(rows) = rows {
                package.rows.push((name, rows));
            }
        }
        match kind {
            Kind::Xlsx => package.sheets = texts.sheets(path, &unseen)?,
            Kind::Xlsb => texts.all_seen(path, "xl", "xl/_rels/workbook.bin.rels", &unseen)?,
            Kind::Ods => {}
        }
        Ok(package)
    }

    /// How many rows of a sheet hold something, counted by its tags; none where that is not known.
    pub(super) fn rows(&self, sheet: &str) -> Option<u64> {
        let (_, part) = self.sheets.iter().find(|(name, _)| name == sheet)?;
        self.rows.iter().find(|(name, _)| name.eq_ignore_ascii_case(part)).map(|(_, rows)| *rows)
    }
}

fn kind(path: &Path, names: &[String]) -> Result<Kind, Error> {
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    if has("xl/workbook.bin") {
        Ok(Kind::Xlsb)
    } else if has("content.xml") {
        Ok(Kind::Ods)
    } else if has("_rels/.rels") {
        Ok(Kind::Xlsx)
    } else {
        Err(wrong(path, "its package holds no workbook", "deliver one, or correct `type` in the source"))
    }
}

fn climbs(name: &str) -> bool {
    name.starts_with(['/', '\\'])
        || name.contains('\\')
        || name.contains(':')
        || name.split('/').any(|part| part == "..")
        || name.contains('\0')
}

/// Whether the decoder may read a part. Macros, pictures and embedded files are never opened.
fn is_read(name: &str, kind: Kind) -> bool {
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".bin") {
        let known = ["workbook.bin", "styles.bin", "sharedstrings.bin"].iter().any(|end| lower.ends_with(end));
        return kind == Kind::Xlsb && (known || lower.contains("sheets/")) && !lower.contains("binaryindex");
    }
    lower.ends_with(".xml") || lower.ends_with(".rels")
}

/// Whether a part is held whole by the decoder, and not read as a stream.
fn is_held(name: &str, kind: Kind) -> bool {
    let lower = name.to_ascii_lowercase();
    kind == Kind::Ods || !lower.contains("worksheets/")
}

/// The small parts that say which sheet is in which part.
#[derive(Default)]
struct Texts {
    kept: usize,
    package: Vec<u8>,
    workbook: Vec<(String, Vec<u8>)>,
}

struct Look<'a> {
    path: &'a Path,
    name: &'a str,
    kind: Kind,
    packed: u64,
}

impl Look<'_> {
    /// Reads a part to its end; how many rows it has, where it is a sheet.
    fn part(&self, part: &mut dyn Read, texts: &mut Texts) -> Result<Option<u64>, Error> {
        let lower = self.name.to_ascii_lowercase();
        let mut watch = match (lower.ends_with(".bin"), self.kind) {
            (true, _) => Watch::Binary(super::binary::Records::default()),
            (false, Kind::Ods) => Watch::Ods(super::ods::Cells::default()),
            (false, _) => Watch::Xml(Sheet { has_cells: lower.contains("worksheets/"), ..Sheet::default() }),
        };
        let mut keep = match lower.as_str() {
            "_rels/.rels" => Some(&mut texts.package),
            name if name.ends_with("/workbook.xml.rels")
                || name.ends_with("workbook.xml")
                || (name.ends_with(".rels") && !name.contains("worksheets/")) =>
            {
                texts.workbook.push((self.name.to_owned(), Vec::new()));
                texts.workbook.last_mut().map(|(_, text)| text)
            }
            _ => None,
        };
        let mut buffer = vec![0; 256 << 10];
        let mut grown = 0u64;
        loop {
            let count = part.read(&mut buffer).map_err(|_| self.wrong("a part of its package is damaged"))?;
            if count == 0 {
                break;
            }
            grown = grown.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            if grown > BOMB_FREE_BYTES && grown > self.packed.saturating_mul(DECOMPRESSION_RATIO_MAX) {
                return Err(Error::Bomb { path: self.path.to_path_buf(), ratio_max: DECOMPRESSION_RATIO_MAX });
            }
            let limit = if is_held(self.name, self.kind) { HELD_MAX_BYTES } else { PART_MAX_BYTES };
            if grown > limit {
                return Err(self.wrong(&format!("its part {} grows to more than {limit} bytes", shown(self.name))));
            }
            let bytes = buffer.get(..count).unwrap_or_default();
            watch.feed(bytes).map_err(|problem| self.wrong(problem))?;
            if let Some(keep) = &mut keep {
                keep.extend_from_slice(bytes);
                texts.kept += count;
                if texts.kept > KEPT_MAX_BYTES {
                    return Err(self.wrong("the parts that say where its sheets are take more than 16 MiB"));
                }
            }
        }
        let is_sheet = lower.contains("worksheets/") && lower.ends_with(".xml");
        let rows = watch.finish().map_err(|problem| self.wrong(problem))?;
        Ok(rows.filter(|_| is_sheet))
    }

    fn wrong(&self, problem: &str) -> Error {
        wrong(self.path, problem.to_owned(), "save it anew, with fewer sheets or rows")
    }
}

fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Looks at a part as it passes.
enum Watch {
    Xml(Sheet),
    Ods(super::ods::Cells),
    Binary(super::binary::Records),
}

impl Watch {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        match self {
            Self::Xml(sheet) => sheet.feed(bytes),
            Self::Ods(cells) => cells.feed(bytes),
            Self::Binary(records) => records.feed(bytes),
        }
    }

    fn finish(&mut self) -> Result<Option<u64>, &'static str> {
        match self {
            Self::Xml(sheet) => Ok(Some(sheet.rows)),
            Self::Ods(_) => Ok(None),
            Self::Binary(records) => records.finish().map(|()| None),
        }
    }
}

/// An XML part: rows that hold something, shared strings, and what no part should hold.
struct Sheet {
    skim: Skim,
    depth: usize,
    doctype: bool,
    too_deep: bool,
    strings: u64,
    /// In the start tag of the shared strings.
    in_table: bool,
    rows: u64,
    row_filled: bool,
    /// Inside a cell's value: how deep, and whether it is a `v`.
    in_value: Vec<(usize, bool)>,
    /// Whether it is a sheet.
    has_cells: bool,
    /// The last byte was a `<`.
    opened: bool,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            skim: Skim::new(),
            depth: 0,
            doctype: false,
            too_deep: false,
            strings: 0,
            in_table: false,
            rows: 0,
            row_filled: false,
            in_value: Vec::new(),
            has_cells: false,
            opened: false,
        }
    }
}

impl Sheet {
    /// Looks for what begins with `<!` in a cell's value, of which the decoder would take a part only.
    fn feed(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        if self.opened && bytes.first() == Some(&b'!') {
            self.no_value()?;
        }
        let mut from = 0;
        for at in memchr::memmem::find_iter(bytes, b"<!") {
            self.follow(bytes.get(from..at).unwrap_or_default())?;
            self.no_value()?;
            from = at;
        }
        self.opened = bytes.last().map_or(self.opened, |byte| *byte == b'<');
        self.follow(bytes.get(from..).unwrap_or_default())
    }

    fn no_value(&self) -> Result<(), &'static str> {
        if self.has_cells && self.in_value.last().is_some_and(|(_, is_v)| *is_v) {
            return Err("the value of a cell in it has a comment or a CDATA section, of which only a part would be read");
        }
        Ok(())
    }

    fn follow(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let Self { skim, depth, doctype, too_deep, strings, in_table, rows, row_filled, in_value, has_cells: _, opened: _ } = self;
        skim.feed(bytes, &mut |tag| match tag {
            Tag::Start(name) => {
                if is_named(name, "row") {
                    *row_filled = false;
                } else if is_named(name, "v") || is_named(name, "is") {
                    in_value.push((*depth, is_named(name, "v")));
                } else if is_named(name, "si") {
                    *strings += 1;
                }
                *in_table = is_named(name, "sst");
                *depth += 1;
                *too_deep |= *depth > DEPTH_MAX;
            }
            // Room for as many as it says is made at once.
            Tag::Attributes(attributes) if *in_table => *strings = (*strings).max(promised_strings(attributes)),
            Tag::Attributes(_) => {}
            Tag::End => {
                *depth = depth.saturating_sub(1);
                if in_value.last().is_some_and(|(at, _)| at == depth) {
                    in_value.pop();
                }
            }
            Tag::Text(text) => {
                if !in_value.is_empty() && !text.is_empty() && !std::mem::replace(row_filled, true) {
                    *rows += 1;
                }
            }
            Tag::Doctype => *doctype = true,
        });
        if *doctype {
            return Err("a part of it has a document type, which may hold entities that grow or read files");
        }
        if *too_deep {
            return Err("a part of it is nested too deeply");
        }
        if *strings > HELD_MAX {
            return Err("it has more than 2097152 shared strings");
        }
        if skim.longest() > u64::try_from(RECORD_MAX_BYTES).unwrap_or(u64::MAX) {
            return Err("a tag or text in it is longer than 16 MiB");
        }
        Ok(())
    }
}

/// How many shared strings their table says that it has.
fn promised_strings(attributes: &[u8]) -> u64 {
    if attributes.len() >= ATTRIBUTES_MAX_BYTES {
        return u64::MAX;
    }
    memchr::memmem::find_iter(attributes, b"uniqueCount")
        .map(|at| {
            let digits = attributes.get(at..).unwrap_or_default().iter().skip_while(|byte| !byte.is_ascii_digit());
            digits
                .take_while(|byte| byte.is_ascii_digit())
                .fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
        })
        .max()
        .unwrap_or(0)
}

impl Texts {
    /// Sheets by name, and the parts in which they are.
    fn sheets(&self, path: &Path, unseen: &BTreeSet<String>) -> Result<Vec<(String, String)>, Error> {
        let mut documents = attributes(&self.package, "Relationship", ["Type", "Target"])
            .into_iter()
            .filter(|[kind, _]| kind.ends_with("/relationships/officeDocument"))
            .map(|[_, target]| target.trim_start_matches('/').to_owned());
        let document = documents.next().ok_or_else(|| wrong(path, "its package names no workbook", "save it anew"))?;
        if documents.any(|other| other != document) {
            return Err(wrong(path, "its package names more than one workbook", "save it anew"));
        }
        // What lies there is taken for sheets, which may be larger than what is held beside a workbook.
        if document.to_ascii_lowercase().contains("worksheets/") {
            return Err(wrong(path, "its workbook lies in a folder of sheets", "save it anew"));
        }
        let (folder, file) = document.rsplit_once('/').map_or(("", document.as_str()), |(folder, file)| (folder, file));
        let text = |wanted: String| {
            self.workbook.iter().find(|(name, _)| name.eq_ignore_ascii_case(&wanted)).map(|(_, text)| text.as_slice()).unwrap_or_default()
        };
        let joined = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        self.all_seen(path, folder, &joined(&format!("_rels/{file}.rels")), unseen)?;
        let targets = attributes(text(joined(&format!("_rels/{file}.rels"))), "Relationship", ["Id", "Target"]);
        let sheets = attributes(text(document.clone()), "sheet", ["name", "id"]);
        let part = |id: &str| {
            let [_, target] = targets.iter().find(|[known, _]| known == id)?;
            Some(target.strip_prefix('/').map_or_else(|| joined(target), str::to_owned))
        };
        Ok(sheets.iter().filter_map(|[name, id]| Some((name.clone(), part(id)?))).collect())
    }

    /// That no sheet is in a part that was not gone over.
    fn all_seen(&self, path: &Path, folder: &str, relationships: &str, unseen: &BTreeSet<String>) -> Result<(), Error> {
        let texts = self.workbook.iter().filter(|(name, _)| name.eq_ignore_ascii_case(relationships));
        for (_, text) in texts {
            for target in sheet_targets(text).ok_or_else(|| wrong(path, "a relationship of its workbook is damaged", "save it anew"))? {
                let part = match target.strip_prefix('/') {
                    Some(part) => part.to_owned(),
                    None if folder.is_empty() => target,
                    None => format!("{folder}/{target}"),
                };
                if unseen.contains(&part.to_ascii_lowercase()) {
                    let problem = format!("a sheet of it is in the part {}, where none belongs", shown(&part));
                    return Err(wrong(path, problem, "save it anew in a spreadsheet program"));
                }
            }
        }
        Ok(())
    }
}

/// Where the relationships of a workbook lead that may be those of sheets: each target as it stands there, and as it is meant, since the
/// decoder takes one or the other. None where an attribute is damaged.
fn sheet_targets(text: &[u8]) -> Option<Vec<String>> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::reader::Reader::from_reader(text);
    reader.config_mut().check_end_names = false;
    let (mut found, mut buffer) = (Vec::new(), Vec::new());
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag) | Event::Empty(tag)) if tag.local_name().as_ref() == "Relationship" => {
                let (mut targets, mut of_sheet) = (Vec::new(), false);
                for attribute in tag.attributes() {
                    let attribute = attribute.ok()?;
                    let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?;
                    match attribute.key.local_name().as_ref() {
                        "Type" => of_sheet |= SHEET_KINDS.iter().any(|kind| value.rsplit('/').next() == Some(*kind)),
                        "Target" => {
                            of_sheet |= SHEET_KINDS.iter().any(|kind| value.strip_prefix(*kind).is_some_and(|rest| rest.starts_with("s/")));
                            targets.push(attribute.value.clone().into_owned());
                            targets.push(value.into_owned());
                        }
                        _ => {}
                    }
                }
                if of_sheet {
                    found.append(&mut targets);
                }
            }
            Ok(Event::Eof) | Err(_) => return Some(found),
            Ok(_) => {}
        }
    }
}

/// Two attributes, by their local names, of all elements of a name.
fn attributes(text: &[u8], element: &str, wanted: [&str; 2]) -> Vec<[String; 2]> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::reader::Reader::from_reader(text);
    // As the decoder reads it.
    reader.config_mut().check_end_names = false;
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag) | Event::Empty(tag)) if tag.local_name().as_ref() == element => {
                let value = |name: &str| {
                    let mut attributes = tag.attributes().flatten();
                    let attribute = attributes.find(|attribute| attribute.key.local_name().as_ref() == name)?;
                    attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
                };
                let [first, second] = wanted;
                if let (Some(first), Some(second)) = (value(first), value(second)) {
                    found.push([first, second]);
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_must_be_in_a_part_that_was_gone_over() {
        let unseen = ["xl/worksheets/sheet1.dat", "xl/media/a&#46;png", "xl/vbaproject.bin"];
        let unseen: BTreeSet<String> = unseen.into_iter().map(str::to_owned).collect();
        let seen = |kind: &str, target: &str| {
            let rels = |kind: &str, target: &str| {
                let relationship = format!("<Relationship Id='r1' Type='http://x/relationships/{kind}' Target='{target}'/>");
                format!("<Relationships>{relationship}</Relationships>")
            };
            let texts = Texts {
                kept: 0,
                package: rels("officeDocument", "xl/workbook.xml").into_bytes(),
                workbook: vec![
                    ("xl/workbook.xml".to_owned(), b"<workbook><sheets><sheet name='s' r:id='r1'/></sheets></workbook>".to_vec()),
                    ("xl/_rels/workbook.xml.rels".to_owned(), rels(kind, target).into_bytes()),
                ],
            };
            texts.sheets(Path::new("a.xlsx"), &unseen).map_err(|error| error.to_string())
        };
        assert_eq!(seen("worksheet", "worksheets/sheet1.xml"), Ok(vec![("s".to_owned(), "xl/worksheets/sheet1.xml".to_owned())]));
        for target in ["worksheets/sheet1.dat", "/xl/worksheets/Sheet1.dat", "worksheets/sheet1&#46;dat", "media/a&#46;png"] {
            assert!(seen("worksheet", target).is_err_and(|text| text.contains("where none belongs")), "{target}");
        }
        assert!(seen("vbaProject", "vbaProject.bin").is_ok());
        // A target is taken for a sheet by its folder too.
        assert!(seen("other", "worksheets/sheet1.dat").is_err());
    }

    #[test]
    fn values_in_pieces_are_refused() {
        let check = |value: &str, step: usize| {
            let behind = "<!-- b --><c><is><t><![CDATA[x]]></t></is></c>";
            let text = format!("<!-- a --><worksheet><row><c><v>{value}</v></c>{behind}</row></worksheet>");
            let mut sheet = Sheet { has_cells: true, ..Sheet::default() };
            text.as_bytes().chunks(step).try_for_each(|chunk| sheet.feed(chunk)).map(|()| sheet.rows)
        };
        for step in [1, 2, 3, 1000] {
            assert_eq!(check("12", step), Ok(1));
            for value in ["<![CDATA[12]]>", "1<!-- -->2", "<!---->"] {
                assert!(check(value, step).is_err_and(|text| text.contains("comment")), "{value}");
            }
        }
    }
}
