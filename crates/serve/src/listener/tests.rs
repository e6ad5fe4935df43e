use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use super::*;
use crate::limits::Limits;
use crate::listener::fixture::{Fixture, listen, long, short};

/// Sends back what comes; a `!` is a defect.
struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn handle(&self, mut stream: TcpStream, _peer: SocketAddr, context: Arc<Context>) {
        let mut byte = [0];
        loop {
            let read = tokio::select! {
                read = stream.read(&mut byte) => read,
                () = context.drain.begins() => return,
            };
            match read {
                Ok(1) if byte == *b"!" => panic!("a defect"),
                Ok(1) => stream.write_all(&byte).await.unwrap(),
                _ => return,
            }
        }
    }
}

/// Holds each connection until it is let go, whatever is asked of it.
struct Hold(Arc<Semaphore>);

#[async_trait]
impl Handler for Hold {
    async fn handle(&self, mut stream: TcpStream, _peer: SocketAddr, _context: Arc<Context>) {
        stream.write_all(b"in").await.unwrap();
        let _go = self.0.acquire().await.unwrap();
    }
}

async fn echoes(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"x").await.is_ok() && matches!(stream.read(&mut byte).await, Ok(1)) && byte == *b"x"
}

async fn is_closed(mut stream: TcpStream) -> bool {
    // Closed or reset: either is an end.
    matches!(stream.read(&mut [0; 8]).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn a_connection_over_a_limit_is_closed_and_one_that_ends_makes_room() {
    let fixture = Fixture::new(Wire::Rest, false, Limits { connections: 2, ..long() });
    let listener = listen(&fixture, Wire::Rest, Arc::new(Echo)).await;
    let address = listener.local_address();
    let counts = Arc::clone(&listener.counts);
    let running = tokio::spawn(listener.run());
    let mut one = TcpStream::connect(address).await.unwrap();
    let mut two = TcpStream::connect(address).await.unwrap();
    assert!(echoes(&mut one).await && echoes(&mut two).await);
    assert!(is_closed(TcpStream::connect(address).await.unwrap()).await);
    // The others are not disturbed.
    assert!(echoes(&mut one).await && echoes(&mut two).await);
    one.shutdown().await.unwrap();
    // The server closes its side when its task ends, and the place comes back with the task.
    assert!(is_closed(one).await);
    loop {
        let mut three = TcpStream::connect(address).await.unwrap();
        if echoes(&mut three).await {
            break;
        }
    }
    fixture.context.drain.begin();
    running.await.unwrap();
    assert_eq!(counts.open(), (0, 0));
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let fixture = Fixture::new(Wire::Rest, false, Limits { connections: 100, connections_per_address: 1, ..long() });
    let listener = listen(&fixture, Wire::Rest, Arc::new(Echo)).await;
    let address = listener.local_address();
    let running = tokio::spawn(listener.run());
    let mut one = TcpStream::connect(address).await.unwrap();
    assert!(echoes(&mut one).await);
    assert!(is_closed(TcpStream::connect(address).await.unwrap()).await);
    assert!(echoes(&mut one).await);
    fixture.context.drain.begin();
    running.await.unwrap();
}

#[tokio::test]
async fn a_defect_in_one_connection_ends_that_one_alone() {
    let fixture = Fixture::new(Wire::Rest, false, long());
    let listener = listen(&fixture, Wire::Rest, Arc::new(Echo)).await;
    let address = listener.local_address();
    let counts = Arc::clone(&listener.counts);
    let running = tokio::spawn(listener.run());
    let mut other = TcpStream::connect(address).await.unwrap();
    assert!(echoes(&mut other).await);
    let mut broken = TcpStream::connect(address).await.unwrap();
    broken.write_all(b"!").await.unwrap();
    assert!(is_closed(broken).await);
    assert!(echoes(&mut other).await);
    fixture.context.drain.begin();
    assert_eq!(running.await.unwrap().aborted, 0);
    assert_eq!(counts.open(), (0, 0));
}

#[tokio::test]
async fn the_end_lets_connections_finish_takes_no_new_one_and_breaks_off_what_takes_too_long() {
    for (limits, finish) in [(long(), true), (short(), false)] {
        let fixture = Fixture::new(Wire::Rest, false, limits);
        let go = Arc::new(Semaphore::new(0));
        let listener = listen(&fixture, Wire::Rest, Arc::new(Hold(Arc::clone(&go)))).await;
        let address = listener.local_address();
        let running = tokio::spawn(listener.run());
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.read_exact(&mut [0; 2]).await.unwrap();
        fixture.context.drain.begin();
        if finish {
            // Whoever connects while it ends is not let in: refused, or closed unheard.
            loop {
                match TcpStream::connect(address).await {
                    Err(_) => break,
                    Ok(late) => assert!(is_closed(late).await),
                }
            }
            go.add_permits(1);
        }
        let drained = running.await.unwrap();
        assert_eq!(drained, if finish { Drained { ended: 1, aborted: 0 } } else { Drained { ended: 0, aborted: 1 } });
        assert!(is_closed(stream).await);
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_what_to_do() {
    let fixture = Fixture::new(Wire::Postgres, false, long());
    let first = listen(&fixture, Wire::Postgres, Arc::new(Echo)).await;
    let again = |address| Listener::bind(address, Wire::Postgres, Arc::clone(&fixture.context), Arc::new(Echo));
    let taken = again(first.local_address()).await.unwrap_err();
    assert!(matches!(taken, ListenError::Taken { .. }), "{taken}");
    assert!(taken.to_string().contains("listen for postgres on 127.0.0.1:") && taken.to_string().contains("another port"), "{taken}");
    // An address of documentation is on no machine.
    let foreign = again("192.0.2.1:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(foreign, ListenError::Refused { .. }), "{foreign}");
}

#[test]
fn an_error_of_the_one_who_connects_holds_nobody_up() {
    for theirs in [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted] {
        assert!(is_theirs(&theirs.into()), "{theirs}");
    }
    // EMFILE: no file is left for another connection, so that trying at once would try for ever.
    assert!(!is_theirs(&io::Error::from_raw_os_error(24)));
}
