//! Messages that are malformed or borderline as a table: what is sent, and what may become of it.

use crate::support::wire::latin1;
use crate::support::world::{Delivery, End, Exchange, Who, World};

/// What may become of a malformed or borderline message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// REJ, and the connection closed: 400, or a status that says more.
    Refuse,
    /// Refused too late to keep its head from the upstream: never whole there, and the connection closed.
    Break,
    /// ONE: exactly one request upstream, with this body.
    One(&'static str),
    /// The same, and the connection closed after it.
    OneAndClose(&'static str),
}

use May::{Break, One, OneAndClose, Refuse};

/// A message after its request line and session, and what may become of it.
pub struct Row {
    /// As in the corpus.
    pub id: &'static str,
    method: &'static str,
    /// Head lines but Host and Cookie, empty line, body.
    pub rest: Vec<u8>,
    /// One of these must hold.
    pub allowed: &'static [May],
}

/// The cases that are rows and nothing else.
pub const IDS_OF_ROWS: &[&[&str]] = &[
    &["SMG-01"],
    &["SMG-02"],
    &["SMG-04"],
    &["SMG-06"],
    &["SMG-07"],
    &["SMG-08"],
    &["SMG-09"],
    &["SMG-11"],
    &["SMG-12"],
    &["SMG-13"],
    &["SMG-14"],
    &["SMG-16"],
    &["SMG-17"],
    &["SMG-18"],
    &["SMG-19"],
    &["SMG-21"],
    &["SMG-26"],
    &["SMG-27"],
    &["SMG-28"],
    &["SMG-29"],
    &["SMG-32"],
    &["SMG-36"],
];

/// `hello`, chunked.
const CHUNKED_HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

/// All of them.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |id, head: &str, body: &str, allowed| {
        let rest = latin1_bytes(&format!("{head}\r\n\r\n{body}"));
        rows.push(Row { id, method: "POST", rest, allowed });
    };
    let chunked = "Transfer-Encoding: chunked";

    add(
        "SMG-01",
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "0\r\n\r\nG",
        &[Refuse, OneAndClose("")],
    );
    add(
        "SMG-01",
        "Content-Length: 15\r\nTransfer-Encoding: chunked",
        CHUNKED_HELLO,
        &[Refuse, OneAndClose("hello")],
    );
    add(
        "SMG-02",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "2d\r\nGET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n\r\n0\r\n\r\n",
        &[Refuse, OneAndClose("GET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n")],
    );
    for head in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        add("SMG-04", head, CHUNKED_HELLO, &[Refuse, One("hello")]);
    }
    for head in
        ["Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: chunked, identity"]
    {
        add("SMG-06", head, CHUNKED_HELLO, &[Refuse]);
    }
    add("SMG-07", "Transfer-Encoding: gzip, chunked", CHUNKED_HELLO, &[Refuse]);
    add("SMG-07", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", CHUNKED_HELLO, &[Refuse]);
    add("SMG-07", "Transfer-Encoding: identity, chunked", CHUNKED_HELLO, &[Refuse]);
    for value in [",chunked", "chunked,", "chunked, chunked", " ,, chunked"] {
        add("SMG-08", &format!("Transfer-Encoding: {value}"), CHUNKED_HELLO, &[Refuse, One("hello")]);
    }
    for value in [
        "chunked;a=b",
        "xchunked",
        "chunked\0",
        "\"chunked\"",
        "chunk",
        "\x0bchunked",
        "\x0cchunked",
        "",
        "chunked x",
        "identity",
        "chunked\x0b",
        "'chunked'",
    ] {
        add("SMG-09", &format!("Transfer-Encoding: {value}"), CHUNKED_HELLO, &[Refuse]);
    }
    for value in ["\u{a0}chunked\u{a0}", "\u{ff}chunked\u{ff}", "chunked\u{a0}", "\u{85}chunked"] {
        add("SMG-11", &format!("Transfer-Encoding: {value}"), CHUNKED_HELLO, &[Refuse]);
    }
    add("SMG-12", "Transfer_Encoding: chunked\r\nContent-Length: 5", "hello", &[Refuse]);
    add("SMG-12", "Content_Length: 5", "hello", &[Refuse]);
    add("SMG-12", "Content_Length: 3\r\nContent-Length: 5", "hello", &[Refuse]);
    add("SMG-12", "transfer_encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKED_HELLO, &[Refuse]);
    for head in [
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-\r\nEncoding: chunked",
        "Transfer-Encoding\u{85}: chunked",
        "Content-Length : 5",
    ] {
        add("SMG-13", head, CHUNKED_HELLO, &[Refuse]);
    }
    for head in ["Transfer-Encoding:\r\n chunked", "Transfer-Encoding:\r\n\tchunked", "Content-Length:\r\n 5"]
    {
        add("SMG-14", head, CHUNKED_HELLO, &[Refuse]);
    }
    add("SMG-17", "Content-Length: 5\r\nContent-Length: 5", "hello", &[Refuse, One("hello")]);
    add("SMG-17", "Content-Length: 5, 5", "hello", &[Refuse, One("hello")]);
    let smuggled = "GET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n";
    add("SMG-18", "Content-Length: 5\r\nContent-Length: 6", "hello!", &[Refuse]);
    add("SMG-18", "Content-Length: 0\r\nContent-Length: 45", smuggled, &[Refuse]);
    add("SMG-18", "Content-Length: 45\r\nContent-Length: 0", smuggled, &[Refuse]);
    add("SMG-18", "Content-Length: 5, 6", "hello!", &[Refuse]);
    for value in [
        "+5",
        "-5",
        "0x5",
        "5_0",
        "5 5",
        "5,",
        ",5",
        "1Z",
        "5;",
        "\u{ef}\u{bc}\u{95}",
        "",
        "12345678901234567890123",
        "18446744073709551616",
        "18446744073709551621",
        "5.0",
        "5e0",
        "\"5\"",
    ] {
        add("SMG-19", &format!("Content-Length: {value}"), "hello", &[Refuse]);
    }
    add("SMG-21", "Content-Length: \r\nContent-Length: 5", "hello", &[Refuse]);
    add("SMG-21", "Content-Length: 5\r\nContent-Length:", "hello", &[Refuse]);

    for size in ["5 ", "5\t", "5 \t "] {
        add("SMG-26", chunked, &format!("{size}\r\nhello\r\n0\r\n\r\n"), &[One("hello")]);
    }
    add("SMG-27", chunked, "5;a=b\r\nhello\r\n0;c\r\n\r\n", &[One("hello")]);
    add("SMG-27", chunked, "5;\0a\r\nhello\r\n0\r\n\r\n", &[One("hello"), Break]);
    add("SMG-27", chunked, &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 * 1024)), &[Break]);
    add("SMG-27", chunked, &format!("{}0\r\n\r\n", "1;xxxxxxxx\r\na\r\n".repeat(10_000)), &[Break]);
    for body in [
        "5;\nhello\r\n0\r\n\r\n",
        "5;a\rX\r\nhello\r\n0\r\n\r\n",
        "5\r\r;ABCD\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ] {
        add("SMG-28", chunked, body, &[Break]);
    }
    for body in
        ["5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\n", "5\r\nhelloXX0\r\n\r\n"]
    {
        add("SMG-29", chunked, body, &[Break]);
    }
    add("SMG-32", chunked, "5\r\nhello\r\n\r\n0\r\n\r\n", &[Break]);
    add("SMG-32", chunked, "5\r\nhello\r\n\n0\r\n\r\n", &[Break]);
    for head in ["X-A: b\r\n c", "X-A: b\r\n\tc", "Cookie: a=b;\r\n c=d", "X-A:\r\n "] {
        add("SMG-36", head, "", &[Refuse]);
    }
    rows.push(Row {
        id: "SMG-16",
        method: "POST10",
        rest: b"\r\nGET /public/smug HTTP/1.1\r\nHost: app.test\r\n\r\n".to_vec(),
        allowed: &[Refuse, OneAndClose("")],
    });
    rows.push(Row {
        id: "SMG-36",
        method: "GET-FOLDED-HOST",
        rest: b"X-A: b\r\n\r\n".to_vec(),
        allowed: &[Refuse],
    });
    rows
}

// === impl Row ===

impl Row {
    /// The bytes, `{session}` not filled in.
    pub fn request(&self, target: &str) -> Vec<u8> {
        let head = match self.method {
            "POST10" => format!("POST {target} HTTP/1.0\r\nHost: app.test\r\n{{session}}"),
            "GET-FOLDED-HOST" => format!("GET {target} HTTP/1.1\r\nHost:\r\n app.test\r\n{{session}}"),
            method => format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{{session}}"),
        };
        [head.as_bytes(), &self.rest].concat()
    }

    /// Sends it and wants one of the allowed outcomes.
    pub fn hold(&self, world: &World, delivery: Delivery, who: Who, target: &str) {
        let exchange = world.attack_by(delivery, who, self.request(target));
        let verdicts: Vec<_> = self.allowed.iter().map(|may| may.check(&exchange)).collect();
        assert!(
            verdicts.iter().any(Result::is_ok),
            "{who:?}, {delivery:?}: none of {:?}: {:?} {}",
            self.allowed,
            verdicts.into_iter().filter_map(Result::err).collect::<Vec<_>>(),
            exchange.told()
        );
    }
}

// === impl May ===

impl May {
    fn check(self, exchange: &Exchange) -> Result<(), String> {
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let whole = |body: &str| {
            let one = exchange.one().ok_or("not one request upstream")?;
            must(one.complete && latin1(&one.body) == body, "another body upstream")?;
            must(exchange.statuses() == [200], "not answered 200 once")
        };
        match self {
            Self::Refuse => {
                must(exchange.is_refused(&[400, 411, 501]), "not refused")?;
                must(exchange.end == End::Closed, "not closed")
            }
            Self::Break => {
                must(exchange.answers.len() <= 1, "more than one answer")?;
                must(matches!(exchange.status(), 0 | 400 | 413), "another status")?;
                must(exchange.seen.iter().all(|seen| !seen.complete), "whole upstream")?;
                must(exchange.seen.len() <= 1, "more than one request upstream")?;
                must(exchange.end == End::Closed, "not closed")
            }
            Self::One(body) => whole(body),
            Self::OneAndClose(body) => {
                whole(body)?;
                must(exchange.end == End::Closed, "not closed")
            }
        }
    }
}

/// The bytes of a text whose `char`s are bytes.
fn latin1_bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}
