//! Files too large to be kept: made when they are needed, as holes or by streams.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use flate2::{Compress, Compression, Crc, FlushCompress};

const HEADER: &[u8] = b"id,n,amount,day,seen_at,flag,note\n";
/// Length of the long line, in bytes.
const LINE_BYTES: u64 = 2 << 30;
/// What comes out of a bomb behind its header, in bytes.
const BOMB_BYTES: usize = 10 << 30;
/// A bomb is made of as many equal pieces as it takes.
const PIECE_BYTES: usize = 64 << 20;
/// How far the contract is over a project file's limit: twice as long.
const COMMENT_BYTES: usize = 2_000_000;

/// What the input of a generator is called under `data/`.
pub fn input_name(generator: &str) -> &'static str {
    match generator {
        "line_2gb" => "line.csv",
        "gzip_bomb" => "bomb.csv.gz",
        "zstd_bomb" => "bomb.csv.zst",
        other => panic!("{other} makes no input"),
    }
}

/// Writes what a generator makes.
pub fn write(generator: &str, file: &mut File) {
    match generator {
        "line_2gb" => line(file),
        "gzip_bomb" => gzip_bomb(file),
        "zstd_bomb" => zstd_bomb(file),
        "contract_2mb" => long_contract(file),
        other => panic!("there is no generator {other}"),
    }
}

/// A row, a line that is a hole of the file, a row.
fn line(file: &mut File) {
    file.write_all(HEADER).unwrap();
    file.write_all(b"a,1,,,,,\n").unwrap();
    file.seek(SeekFrom::Current(i64::try_from(LINE_BYTES).unwrap())).unwrap();
    file.write_all(b"\na,3,,,,,\n").unwrap();
}

/// One gzip member. Each piece ends with a full flush, after which the compressor knows nothing of what came before: pieces of the
/// same bytes are the same, so one is compressed and written as often as it takes.
fn gzip_bomb(file: &mut File) {
    let zeros = vec![0; PIECE_BYTES];
    let mut compressor = Compress::new(Compression::best(), false);
    let mut deflate = |bytes: &[u8], flush| {
        let mut out = Vec::with_capacity(1 << 20);
        let before = compressor.total_in();
        compressor.compress_vec(bytes, &mut out, flush).unwrap();
        assert_eq!(compressor.total_in() - before, bytes.len() as u64, "the room for what comes out is enough");
        out
    };
    let header = deflate(HEADER, FlushCompress::Full);
    let piece = deflate(&zeros, FlushCompress::Full);
    let end = deflate(&[], FlushCompress::Finish);
    let (mut whole, mut of_piece) = (Crc::new(), Crc::new());
    whole.update(HEADER);
    of_piece.update(&zeros);
    file.write_all(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03").unwrap();
    file.write_all(&header).unwrap();
    for _ in 0..BOMB_BYTES / PIECE_BYTES {
        file.write_all(&piece).unwrap();
        whole.combine(&of_piece);
    }
    file.write_all(&end).unwrap();
    file.write_all(&whole.sum().to_le_bytes()).unwrap();
    file.write_all(&whole.amount().to_le_bytes()).unwrap();
}

/// One zstd frame.
fn zstd_bomb(file: &mut File) {
    let mut encoder = zstd::stream::write::Encoder::new(file, 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(HEADER).unwrap();
    let zeros = vec![0; PIECE_BYTES];
    for _ in 0..BOMB_BYTES / PIECE_BYTES {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap();
}

/// A contract that is good but for its length.
fn long_contract(file: &mut File) {
    file.write_all(&std::fs::read(super::corpus().join("common/contracts/typed.odcs.yaml")).unwrap()).unwrap();
    let comment = b"# a comment that says nothing\n";
    file.write_all(&comment.repeat(COMMENT_BYTES / comment.len() + 1)).unwrap();
}
