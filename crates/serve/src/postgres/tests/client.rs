//! What the client of others, tokio-postgres, gets.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_rustls::{TlsConnector, client, rustls};

use super::rig::{PASSWORD, Rig, TOKEN};
use super::values::TYPES_TEXT;

/// TLS for the client, with the hash to which it binds its proof.
#[derive(Clone)]
struct Tls {
    config: Arc<rustls::ClientConfig>,
    end_point: Vec<u8>,
}

struct Bound {
    stream: client::TlsStream<TcpStream>,
    end_point: Vec<u8>,
}

impl AsyncRead for Bound {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Bound {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl TlsStream for Bound {
    fn channel_binding(&self) -> ChannelBinding {
        if self.end_point.is_empty() { ChannelBinding::none() } else { ChannelBinding::tls_server_end_point(self.end_point.clone()) }
    }
}

impl TlsConnect<TcpStream> for Tls {
    type Stream = Bound;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, std::io::Result<Bound>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        async move {
            let stream = TlsConnector::from(self.config).connect("localhost".try_into().unwrap(), stream).await?;
            Ok(Bound { stream, end_point: self.end_point })
        }
        .boxed()
    }
}

fn tls(rig: &Rig) -> Tls {
    Tls { config: Arc::clone(&rig.client), end_point: rig.end_point.clone() }
}

async fn connect(rig: &Rig, user: &str, password: &str, tls: Tls) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.user(user).password(password).dbname("polder").application_name("judge").ssl_mode(SslMode::Require);
    let (client, connection) = config.connect_raw(rig.clear().await, tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn ann(rig: &Rig) -> Client {
    connect(rig, "ann", PASSWORD, tls(rig)).await.unwrap()
}

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("none", |code| code.code())
}

#[tokio::test]
async fn scram_lets_in_with_and_without_channel_binding_and_nobody_else() {
    let rig = Rig::new().await;
    ann(&rig).await;
    connect(&rig, "ann", PASSWORD, Tls { end_point: Vec::new(), ..tls(&rig) }).await.unwrap();
    connect(&rig, "token", TOKEN, tls(&rig)).await.unwrap();
    assert_eq!(*rig.seen.clients.lock(), vec![Some("judge".to_owned()); 3]);
    for (user, password) in [("ann", "pencil2"), ("bob", PASSWORD), ("token", PASSWORD), ("ann", TOKEN)] {
        let refused = connect(&rig, user, password, tls(&rig)).await.err().unwrap();
        assert_eq!(code(&refused), "28P01", "{user}");
    }
    // A proof bound to another certificate than the one that is served: someone between holds two connections.
    let refused = connect(&rig, "ann", PASSWORD, Tls { end_point: vec![9; 32], ..tls(&rig) }).await.err().unwrap();
    assert_eq!(code(&refused), "28000");
}

#[tokio::test]
async fn simple_queries_answer_in_text() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    let answers = client.simple_query("select types; select series 2; ; set a = 1").await.unwrap();
    let mut rows = Vec::new();
    let mut counts = Vec::new();
    for answer in answers {
        match answer {
            SimpleQueryMessage::Row(row) => rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect::<Vec<_>>()),
            SimpleQueryMessage::CommandComplete(count) => counts.push(count),
            _ => {}
        }
    }
    assert_eq!(rows[0], TYPES_TEXT.map(|text| text.map(str::to_owned)));
    assert_eq!(rows[1..], [vec![Some("0".to_owned()), Some("row 0".to_owned())], vec![Some("1".to_owned()), Some("row 1".to_owned())]]);
    assert_eq!(counts, [1, 2, 0]);
    assert_eq!(rig.asked(), ["select types", "select series 2", "set a = 1"]);
}

#[tokio::test]
async fn prepared_statements_answer_in_binary_with_parameters() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    let statement = client.prepare("select echo $1::int8 , $2::text , $3::timestamptz , $4::text[] ").await.unwrap();
    assert_eq!(statement.params(), [Type::INT8, Type::TEXT, Type::TIMESTAMPTZ, Type::TEXT_ARRAY]);
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_micros(1_767_323_045_000_006);
    let words = vec![Some("a"), None, Some("{\"")];
    // The answering side gives back what it was given, as Arrow has it.
    let values: [&(dyn ToSql + Sync); 4] = [&7_i64, &Some("té"), &at, &words];
    let row = client.query_one(&statement, &values).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, Option<&str>>(1), row.get::<_, std::time::SystemTime>(2)), (7, Some("té"), at));
    assert_eq!(row.get::<_, Vec<Option<&str>>>(3), words);
    let nothing: Option<i64> = None;
    let row = client.query_one(&statement, &[&nothing, &None::<&str>, &None::<std::time::SystemTime>, &None::<Vec<&str>>]).await.unwrap();
    assert_eq!((row.get::<_, Option<i64>>(0), row.get::<_, Option<Vec<&str>>>(3)), (None, None));
    let row = client.query_typed("select echo $1 $2", &[(&5_i32, Type::INT4), (&true, Type::BOOL)]).await.unwrap();
    assert_eq!((row[0].get::<_, i32>(0), row[0].get::<_, bool>(1)), (5, true));
    let row = &client.query("select types", &[]).await.unwrap()[0];
    assert_eq!((row.get::<_, bool>(0), row.get::<_, i16>(1), row.get::<_, i32>(3), row.get::<_, i64>(4)), (true, -8, -32, i64::MIN));
    assert_eq!(
        (row.get::<_, f32>(6), row.get::<_, f64>(7), row.get::<_, &str>(9), row.get::<_, &[u8]>(12)),
        (1.5, 1e300, "té", &[0, 255][..])
    );
    assert_eq!(row.get::<_, Vec<Option<i32>>>(21), [Some(1), None, Some(3)]);
}

#[tokio::test]
async fn errors_have_code_place_and_text_and_the_connection_goes_on() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    let failed = client.simple_query("select series 1; select wrong; select series 2").await.unwrap_err();
    let error = failed.as_db_error().unwrap();
    assert_eq!((error.code().code(), error.message()), ("42703", "plan the question: there is no column wrong"));
    assert_eq!(error.position(), Some(&tokio_postgres::error::ErrorPosition::Original(25)));
    assert_eq!(rig.asked().len(), 2);
    let failed = client.query("select broken", &[]).await.unwrap_err();
    assert_eq!(code(&failed), "57P03");
    assert_eq!(code(&client.prepare("nonsense").await.unwrap_err()), "42601");
    assert_eq!(code(&client.prepare("select series 1; select series 2").await.unwrap_err()), "42601");
    assert_eq!(client.query("select series 3", &[]).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_large_answer_comes_whole_and_no_faster_than_it_is_taken() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    let rows = client.query_raw("select series 300000", Vec::<i64>::new()).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    let mut expected = 0_i64;
    while let Some(row) = rows.next().await {
        assert_eq!(row.unwrap().get::<_, i64>(0), expected);
        expected += 1;
    }
    assert_eq!((expected, rig.seen.produced.load(Ordering::SeqCst)), (300_000, 300));
}

#[tokio::test]
async fn portals_give_rows_as_they_are_wanted_within_a_transaction() {
    let rig = Rig::new().await;
    let mut client = ann(&rig).await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("select series 2500", &[]).await.unwrap();
    let mut counts = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 1_000).await.unwrap();
        counts.push(rows.len());
        if rows.len() < 1_000 {
            break;
        }
        // No more was computed than was wanted.
        assert_eq!(rig.seen.produced.load(Ordering::SeqCst), counts.len() as u64);
    }
    assert_eq!(counts, [1_000, 1_000, 500]);
    transaction.commit().await.unwrap();
    assert_eq!(rig.asked().len(), 1);
}

#[tokio::test]
async fn cursors_of_sql_give_rows_in_order_and_end_with_their_transaction() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    assert_eq!(code(&client.batch_execute("declare c cursor for select series 5").await.unwrap_err()), "25P01");
    client.batch_execute("begin; declare \"C 1\" no scroll cursor for select series 5").await.unwrap();
    let first = client.query("fetch forward 2 from \"C 1\"", &[]).await.unwrap();
    assert_eq!(first.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(client.execute("move 1 in \"C 1\"", &[]).await.unwrap(), 1);
    let rest = client.query("fetch all from \"C 1\"", &[]).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(client.query("fetch next from \"C 1\"", &[]).await.unwrap().len(), 0);
    client.batch_execute("close \"C 1\"; declare d cursor for select series 5; commit").await.unwrap();
    assert_eq!(code(&client.batch_execute("fetch d").await.unwrap_err()), "34000");
    client.batch_execute("declare h cursor with hold for select series 2").await.unwrap();
    assert_eq!(client.query("fetch all from h", &[]).await.unwrap().len(), 2);
}

/// Rows that a cursor holds since before are not given when what they were decided by is gone.
#[tokio::test]
async fn what_a_cursor_holds_is_given_as_long_as_it_may() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    client.batch_execute("begin; declare c cursor for select series 5").await.unwrap();
    assert_eq!(client.query("fetch 2 from c", &[]).await.unwrap().len(), 2);
    rig.seen.taken_back.store(true, Ordering::SeqCst);
    assert_eq!(code(&client.query("fetch 1 from c", &[]).await.unwrap_err()), "42501");
}

#[tokio::test]
async fn copy_to_the_client_in_three_forms() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    let copied = |sql: &'static str| {
        let client = &client;
        async move {
            let parts: Vec<_> = client.copy_out(sql).await.unwrap().try_collect().await.unwrap();
            parts.concat()
        }
    };
    assert_eq!(copied("copy (select series 3) to stdout").await, b"0\trow 0\n1\trow 1\n2\t\\N\n");
    assert_eq!(copied("copy t to stdout (format csv, header true)").await, b"n,t\n0,row 0\n1,row 1\n2,\n");
    assert_eq!(rig.asked().last().unwrap(), "SELECT * FROM t");
    let stream = client.copy_out("copy (select series 2500) to stdout (format binary)").await.unwrap();
    let rows = tokio_postgres::binary_copy::BinaryCopyOutStream::new(stream, &[Type::INT8, Type::TEXT]);
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!((rows.len(), rows[2_499].get::<i64>(0), rows[1].get::<Option<&str>>(1)), (2_500, 2_499, Some("row 1")));
    let stream = client.copy_out("copy (select series 0) to stdout (format binary)").await.unwrap();
    let none = tokio_postgres::binary_copy::BinaryCopyOutStream::new(stream, &[Type::INT8, Type::TEXT]);
    assert_eq!(none.try_collect::<Vec<_>>().await.unwrap().len(), 0);
    assert_eq!(code(&client.copy_in::<_, bytes::Bytes>("copy t from stdin").await.err().unwrap()), "42501");
    let failed = client.copy_out("copy (select broken) to stdout").await.unwrap().try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(code(&failed), "57P03");
}

#[tokio::test]
async fn a_statement_is_stopped_by_whoever_has_its_key() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    let token = client.cancel_token();
    let rows = client.query_raw("select forever", Vec::<i64>::new()).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    let mut dropped = rig.seen.dropped.subscribe();
    token.cancel_query_raw(rig.clear().await, tls(&rig)).await.unwrap();
    let failed = loop {
        match rows.next().await.unwrap() {
            Ok(_) => {}
            Err(failed) => break failed,
        }
    };
    assert_eq!(code(&failed), "57014");
    // The query itself has ended, and the connection goes on.
    dropped.wait_for(|count| *count >= 1).await.unwrap();
    assert_eq!(client.query("select series 3", &[]).await.unwrap().len(), 3);
}

#[tokio::test]
async fn transactions_fail_and_recover_as_in_postgresql() {
    let rig = Rig::new().await;
    let client = ann(&rig).await;
    client.batch_execute("begin; savepoint s").await.unwrap();
    assert!(client.batch_execute("select wrong").await.is_err());
    assert_eq!(code(&client.batch_execute("select series 1").await.unwrap_err()), "25P02");
    assert_eq!(code(&client.prepare("select series 1").await.unwrap_err()), "25P02");
    client.batch_execute("rollback to s; select series 1; release s; commit").await.unwrap();
    assert_eq!(code(&client.batch_execute("prepare x as select 1").await.unwrap_err()), "0A000");
    assert_eq!(code(&client.batch_execute("deallocate nothing").await.unwrap_err()), "26000");
    client.batch_execute("deallocate all; discard all; close all; unlisten *").await.unwrap();
    assert_eq!(rig.asked().last().unwrap(), "RESET ALL");
}
