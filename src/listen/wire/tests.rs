//! What the parser is handed of the bytes that come, and when it is told that it has waited long enough.

use super::*;

fn fragment_in(pieces: &[&[u8]]) -> bool {
    let watch = Watch::new(Duration::from_secs(1), Duration::from_secs(1));
    for piece in pieces {
        watch.observe(piece).unwrap();
    }
    watch.head_is_read()
}

#[test]
fn a_fragment_is_seen_in_the_first_line_alone_however_it_arrives() {
    assert!(fragment_in(&[b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n"]));
    assert!(fragment_in(&[b"\r\nG", b"ET /a", b"#", b"b HTTP/1.1\r", b"\n"]));
    assert!(!fragment_in(&[b"GET /a HTTP/1.1\r\nX: #\r\n\r\n"]));
    assert!(!fragment_in(&[b"GET /a HTTP/1.1\r\n", b"X: #\r\n\r\n"]));
}

#[test]
fn what_is_read_while_a_request_is_served_is_no_head() {
    let watch = Watch::new(Duration::from_secs(1), Duration::from_secs(1));
    watch.observe(b"POST /a HTTP/1.1\r\n").unwrap();
    assert!(!watch.head_is_read());
    drop(Watched::new(Body::Empty, watch.clone(), Then::Unknown));
    watch.observe(b"{\"color\": \"#fff\"}\n\n\n\n\n").unwrap();
    assert!(!watch.head_is_read());
    drop(Watched::new(Body::Empty, watch.clone(), Then::Head));
    watch.observe(b"GET /#").unwrap();
    assert!(watch.head_is_read());
}

/// A peer with which TLS cannot say goodbye.
struct Deaf;

impl AsyncWrite for Deaf {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[test]
fn a_goodbye_that_finds_no_room_is_not_waited_for() {
    use tokio::io::AsyncWriteExt;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let mut wire = Wire::new(Deaf, Watch::new(Duration::from_millis(10), Duration::from_secs(60)), 1);
        tokio::time::timeout(Duration::from_secs(20), wire.shutdown()).await
    });
    assert_eq!(ended.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// What the parser is handed of these pieces, of heads of a thousand bytes.
fn handed(pieces: &[&[u8]]) -> Vec<u8> {
    let watch = Watch::new(Duration::from_secs(60), Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut client, stream) = tokio::io::duplex(64 * 1024);
        let mut wire = Wire::new(stream, watch, 1000);
        let mut handed = Vec::new();
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            let mut place = [0; 8192];
            let count = wire.read(&mut place).await.unwrap();
            handed.extend_from_slice(&place[..count]);
        }
        handed
    })
}

#[test]
fn a_head_that_is_too_long_becomes_more_lines_than_the_parser_takes_and_no_other_does() {
    let (start, filler) = (b"GET / HTTP/1.1\r\nX: ", [b'a'; 500]);
    let whole = handed(&[start, &filler, &filler[..400], b"\r\n\r\n"]);
    assert_eq!(whole, [start.as_slice(), &filler, &filler[..400], b"\r\n\r\n"].concat());
    let lines = |handed: &[u8]| handed.iter().filter(|byte| **byte == b'\n').count();
    assert!(lines(&handed(&[start, &filler, &filler, b"never read"])) > 2000);
    // Nor does it depend on pieces.
    assert!(lines(&handed(&[&[start.as_slice(), &filler, &filler].concat(), b"never read"])) > 2000);
}
