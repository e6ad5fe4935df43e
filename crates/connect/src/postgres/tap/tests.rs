use std::task::Waker;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::tests::cases;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

/// What a server sends around two COPYs: all of it, what of it the client sees, and the bytes of rows.
fn talk() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (mut all, mut seen, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut say = |kind: u8, body: &[u8]| {
        all.extend(message(kind, body));
        match kind {
            b'd' => rows.extend_from_slice(body),
            _ => seen.extend(message(kind, body)),
        }
    };
    say(b'R', &[0, 0, 0, 0]);
    say(b'C', b"SELECT 7\0");
    say(b'H', &[1, 0, 2, 0, 1, 0, 1]);
    say(b'd', b"PGCOPY\n\xff\r\n\0");
    say(b'd', &[]);
    say(b'd', &[b'x'; 300]);
    say(b'c', &[]);
    say(b'C', b"COPY 2\0");
    say(b'Z', b"I");
    say(b'd', b"C\0\0\0\x0cCOPY 99\0");
    say(b'N', b"SNOTICE\0MCOPY 5\0\0");
    say(b'C', b"COPY 40\0");
    say(b'C', b"");
    (all, seen, rows)
}

#[test]
fn rows_are_taken_out_and_counted() {
    let (all, seen, copied) = talk();
    let mut frames = Frames::Head { have: 0, bytes: [0; 5] };
    let (mut rows, mut forward) = (Rows::default(), BytesMut::new());
    frames.take(&all, &mut rows, &mut forward).unwrap();
    assert_eq!((rows.bytes, forward.to_vec(), rows.counted), (copied, seen, 42));
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn wherever_the_stream_is_cut_the_same_comes_out(mut cuts in prop::collection::vec(0usize..420, 0..12)) {
        let (all, seen, copied) = talk();
        cuts.extend([0, all.len()]);
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(all.len()));
        cuts.sort_unstable();
        let mut frames = Frames::Head { have: 0, bytes: [0; 5] };
        let (mut rows, mut forward) = (Rows::default(), BytesMut::new());
        for pair in cuts.windows(2) {
            frames.take(&all[pair[0]..pair[1]], &mut rows, &mut forward).unwrap();
        }
        prop_assert_eq!((rows.bytes, forward.to_vec(), rows.counted), (copied, seen, 42));
    }

    #[test]
    fn whatever_a_server_sends_nothing_breaks(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut frames = Frames::Head { have: 0, bytes: [0; 5] };
        let (mut rows, mut forward) = (Rows::default(), BytesMut::new());
        let _ = frames.take(&bytes, &mut rows, &mut forward);
        prop_assert!(rows.bytes.len() + forward.len() <= bytes.len());
    }
}

#[test]
fn lengths_that_none_can_have_are_refused() {
    for (head, told) in [
        ([b'D', 0, 0, 0, 3], "a length that none can have"),
        ([b'd', 0x80, 0, 0, 4], "a length that none can have"),
        ([b'D', 1, 0, 0, 5], "a message that is too long"),
    ] {
        let mut frames = Frames::Head { have: 0, bytes: [0; 5] };
        let error = frames.take(&head, &mut Rows::default(), &mut BytesMut::new()).unwrap_err();
        assert_eq!(error.to_string(), format!("the server sent {told}"));
    }
    // A row may be long: it is not held whole.
    let mut frames = Frames::Head { have: 0, bytes: [0; 5] };
    frames.take(&[b'd', 0x40, 0, 0, 4, 1, 2], &mut Rows::default(), &mut BytesMut::new()).unwrap();
    assert_eq!(copied(b"COPY 1"), None);
    assert_eq!(copied(b"COPY -1\0"), None);
    assert_eq!(copied(b"SELECT 1\0"), None);
    assert_eq!(copied(b"COPY 18446744073709551616\0"), None);
}

#[test]
fn no_more_rows_are_read_than_the_decoder_takes() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut server, client) = tokio::io::duplex(16 << 20);
        let tapped = Arc::new(Tapped::default());
        let mut tap = Tap::new(client, tapped.clone());
        for _ in 0..64 {
            server.write_all(&message(b'd', &vec![b'x'; 100 << 10])).await.unwrap();
        }
        server.write_all(&message(b'c', &[])).await.unwrap();
        drop(server);
        let mut piece = Vec::new();
        let mut taken = 0;
        let mut ended = Vec::new();
        loop {
            let mut context = Context::from_waker(Waker::noop());
            let mut byte = [0; 64];
            let mut read = ReadBuf::new(&mut byte);
            match Pin::new(&mut tap).poll_read(&mut context, &mut read) {
                Poll::Ready(result) => {
                    result.unwrap();
                    ended.extend_from_slice(read.filled());
                    break;
                }
                Poll::Pending => {
                    assert!(tapped.rows().bytes.len() < AHEAD_BYTES + READ_BYTES);
                    match tapped.take(&mut piece) {
                        true => taken += piece.len(),
                        // The runtime asks for a pause now and then.
                        false => tokio::task::yield_now().await,
                    }
                }
            }
        }
        while tapped.take(&mut piece) {
            taken += piece.len();
        }
        assert_eq!((taken, ended.as_slice()), (6400 << 10, message(b'c', &[]).as_slice()));
        let mut rest = Vec::new();
        tap.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    });
}
