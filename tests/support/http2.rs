//! HTTP/2 as frames on a socket: writes whatever a test wants, reads strictly (RFC 9113), and keeps no tables that the
//! other side could disagree with (RFC 7541: literals out, a table of size 0 in).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::wire::{Ended, Wire};

/// A client's connection.
pub struct Http2 {
    wire: Wire,
    next: u32,
    /// What came of each stream so far.
    streams: BTreeMap<u32, Outcome>,
    /// The code of the last GOAWAY.
    pub goaway: Option<u32>,
    /// Gives room for what comes as it comes; a test may keep it back.
    pub gives_room: bool,
    /// The other side's settings.
    pub settings: BTreeMap<u16, u32>,
    /// Acknowledgements of pings.
    pub pongs: usize,
    /// Pings of the other side.
    pub pings: usize,
    /// What may be sent: on the connection (0), and on streams beyond what each may from its beginning.
    room: BTreeMap<u32, usize>,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// DATA is 0, and so on.
    pub kind: u8,
    /// As on the wire.
    pub flags: u8,
    /// 0 is the connection.
    pub stream: u32,
    /// As on the wire.
    pub payload: Vec<u8>,
}

/// What came of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Heads of 1xx answers.
    pub interim: Vec<Vec<(String, String)>>,
    /// The answer's head, `:status` in it.
    pub head: Vec<(String, String)>,
    /// What came of its body.
    pub body: Vec<u8>,
    /// Its trailers, if it ended with some.
    pub trailers: Option<Vec<(String, String)>>,
    /// It ended as an answer ends.
    pub ended: bool,
    /// The code with which it was reset.
    pub reset: Option<u32>,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// RFC 9113 §6.9.2.
const FIRST_WINDOW: usize = 65_535;

/// SETTINGS_HEADER_TABLE_SIZE = 0, SETTINGS_ENABLE_PUSH = 0.
const OURS: &[u8] = &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A block of literals that enter no table: any bytes as names and values.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            integer(&mut block, text.len());
            block.extend(text);
        }
    }
    block
}

fn integer(block: &mut Vec<u8>, number: usize) {
    match number {
        0..127 => block.push(u8::try_from(number).unwrap()),
        _ => {
            block.push(127);
            let mut rest = number - 127;
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            block.push(u8::try_from(rest).unwrap());
        }
    }
}

/// The pseudo-headers of a GET, and these lines.
pub fn get<'a>(target: &'a str, lines: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    request("GET", target, lines)
}

/// The same with another method.
pub fn request<'a>(
    method: &'a str,
    target: &'a str,
    lines: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let pseudo = [(":method", method), (":scheme", "https"), (":authority", "app.test"), (":path", target)];
    pseudo.iter().chain(lines).copied().collect()
}

// === impl Http2 ===

impl Http2 {
    /// Connects to what speaks HTTP/2 in cleartext, or to a tunnel, and says the preface.
    pub fn connect(address: SocketAddr) -> Self {
        Self::with(address, OURS)
    }

    /// The same with these settings.
    pub fn with(address: SocketAddr, settings: &[u8]) -> Self {
        let mut http2 = Self::bare(address);
        http2.write(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat());
        // Room for everything at once: streams have windows of their own.
        http2.write(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
        http2
    }

    /// Connects and says nothing.
    pub fn bare(address: SocketAddr) -> Self {
        Self {
            wire: Wire::connect(address),
            next: 1,
            streams: BTreeMap::new(),
            goaway: None,
            gives_room: true,
            settings: BTreeMap::new(),
            pongs: 0,
            pings: 0,
            room: BTreeMap::from([(0, FIRST_WINDOW)]),
        }
    }

    /// Writes bytes; false if the other side has hung up.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.wire.write(bytes)
    }

    /// Changes how long each read waits.
    pub fn set_patience(&mut self, patience: Duration) {
        self.wire.set_patience(patience);
    }

    /// Begins a request with a stream of its own; `ends`: it has no body.
    pub fn begin<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, fields: &[(N, V)], ends: bool) -> u32 {
        let stream = self.stream();
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.write(&frame(HEADERS, flags, stream, &block(fields)));
        stream
    }

    /// The number of the next stream.
    pub fn stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// A piece of a body.
    pub fn data(&mut self, stream: u32, piece: &[u8], ends: bool) -> bool {
        self.write(&frame(DATA, u8::from(ends), stream, piece))
    }

    /// A whole body, sent as there is room for it; meanwhile what comes is read.
    pub fn upload(&mut self, stream: u32, mut body: &[u8]) {
        let mut sent = 0;
        while !body.is_empty() {
            let first = self.settings.get(&4).map_or(FIRST_WINDOW, |window| *window as usize);
            let of_stream =
                (first + self.room.get(&stream).copied().unwrap_or_default()).saturating_sub(sent);
            let of_connection = self.room[&0];
            match of_stream.min(of_connection).min(body.len()).min(16 * 1024) {
                0 => drop(self.read().unwrap_or_else(|ended| panic!("{ended:?}, GOAWAY {:?}", self.goaway))),
                count => {
                    assert!(self.data(stream, &body[..count], false), "the other side has hung up");
                    self.room.insert(0, of_connection - count);
                    body = &body[count..];
                    sent += count;
                }
            }
        }
        self.data(stream, b"", true);
    }

    /// A request without a body, and what comes of it.
    pub fn ask<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, fields: &[(N, V)]) -> Outcome {
        let stream = self.begin(fields, true);
        self.outcome(stream)
    }

    /// Reads until this stream has ended, was reset, or the connection is over.
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        self.until(|http2| {
            let outcome = http2.so_far(stream);
            (outcome.ended || outcome.reset.is_some()).then_some(())
        });
        self.so_far(stream)
    }

    /// What came of this stream until now.
    pub fn so_far(&self, stream: u32) -> Outcome {
        self.streams.get(&stream).cloned().unwrap_or_default()
    }

    /// Reads until `ready`; `None` if the connection ends before that.
    pub fn until<T>(&mut self, mut ready: impl FnMut(&Self) -> Option<T>) -> Option<T> {
        let end = Instant::now() + 2 * PATIENCE;
        loop {
            if let Some(value) = ready(self) {
                return Some(value);
            }
            assert!(Instant::now() < end, "waited in vain: {:?}, GOAWAY {:?}", self.streams, self.goaway);
            match self.read() {
                Ok(_) => {}
                Err(Ended::Silent) => panic!("silence: {:?}, GOAWAY {:?}", self.streams, self.goaway),
                Err(_) => return ready(self),
            }
        }
    }

    /// Reads to the connection's end; the code of its GOAWAY, if there was one.
    pub fn end(&mut self) -> Option<u32> {
        self.until(|_| None::<()>);
        self.goaway
    }

    /// Whether the other side still answers: a ping comes back.
    pub fn is_alive(&mut self) -> bool {
        let pongs = self.pongs;
        self.write(&frame(PING, 0, 0, b"are you?"));
        self.until(|http2| (http2.pongs > pongs).then_some(())).is_some()
    }

    /// Reads one frame and takes in what it says.
    pub fn read(&mut self) -> Result<Frame, Ended> {
        let header = self.wire.take(9)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        assert!(length <= 16 * 1024, "a frame larger than was allowed");
        let stream = u32::from_be_bytes([header[5] & 0x7f, header[6], header[7], header[8]]);
        let payload = self.wire.take(length)?;
        let frame = Frame { kind: header[3], flags: header[4], stream, payload };
        self.take_in(&frame);
        Ok(frame)
    }

    fn take_in(&mut self, taken: &Frame) {
        let Frame { kind, flags, stream, payload } = taken;
        let outcome = self.streams.entry(*stream).or_default();
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match *kind {
            DATA => {
                assert!(!outcome.head.is_empty() && !outcome.ended, "DATA out of place: {taken:?}");
                outcome.body.extend(payload);
                outcome.ended = flags & END_STREAM != 0;
                if self.gives_room && !payload.is_empty() && !outcome.ended {
                    let room = u32::try_from(payload.len()).unwrap().to_be_bytes();
                    let update = frame(WINDOW_UPDATE, 0, *stream, &room);
                    self.write(&update);
                }
            }
            HEADERS => {
                assert!(flags & END_HEADERS != 0 && flags & 0x28 == 0, "a head in pieces: {taken:?}");
                let fields = fields(payload);
                let status =
                    fields.iter().find(|(name, _)| name == ":status").map(|(_, status)| status.clone());
                let forbidden =
                    ["connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection", "te"];
                for (name, _) in &fields {
                    assert!(!forbidden.contains(&name.as_str()), "{name} on HTTP/2");
                    assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name}");
                }
                match status {
                    Some(status) if status.starts_with('1') => outcome.interim.push(fields),
                    Some(_) => {
                        assert!(outcome.head.is_empty(), "two heads: {taken:?}");
                        outcome.head = fields;
                    }
                    None => {
                        assert!(!outcome.head.is_empty() && flags & END_STREAM != 0, "no head: {fields:?}");
                        outcome.trailers = Some(fields);
                    }
                }
                outcome.ended = flags & END_STREAM != 0;
            }
            RST_STREAM => outcome.reset = Some(number(0)),
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks(6) {
                    let value = u32::from_be_bytes(setting[2..].try_into().unwrap());
                    self.settings.insert(u16::from_be_bytes([setting[0], setting[1]]), value);
                }
                self.write(&frame(SETTINGS, ACK, 0, b""));
            }
            PING if flags & ACK == 0 => {
                self.pings += 1;
                self.write(&frame(PING, ACK, 0, payload));
            }
            WINDOW_UPDATE => *self.room.entry(*stream).or_default() += number(0) as usize,
            PING => self.pongs += 1,
            GOAWAY => self.goaway = Some(number(4)),
            _ => {}
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// The status code, 0 if there was no answer.
    pub fn status(&self) -> u16 {
        self.header(":status").and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The value of a header that is there exactly once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Whether it was refused: reset, answered with one of these, or never answered because the connection ended.
    pub fn is_refused(&self, statuses: &[u16]) -> bool {
        self.reset.is_some() || self.head.is_empty() || statuses.contains(&self.status())
    }
}

/// The fields of a block whose sender keeps no table.
fn fields(mut block: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while let Some(first) = block.first().copied() {
        let (name, value) = if first & 0x80 != 0 {
            let (name, value) = STATIC[number(&mut block, 7) - 1];
            (name.to_owned(), value.to_owned())
        } else if first & 0xe0 == 0x20 {
            assert_eq!(number(&mut block, 5), 0, "a table that nobody wants");
            continue;
        } else {
            let index = number(&mut block, if first & 0x40 != 0 { 6 } else { 4 });
            let name = if index == 0 { text(&mut block) } else { STATIC[index - 1].0.to_owned() };
            (name, text(&mut block))
        };
        fields.push((name, value));
    }
    fields
}

fn number(block: &mut &[u8], bits: u32) -> usize {
    let mask = (1_usize << bits) - 1;
    let mut number = usize::from(block[0]) & mask;
    *block = &block[1..];
    if number == mask {
        let mut shift = 0;
        loop {
            let byte = usize::from(block[0]);
            *block = &block[1..];
            number += (byte & 127) << shift;
            shift += 7;
            if byte & 128 == 0 {
                break;
            }
        }
    }
    number
}

fn text(block: &mut &[u8]) -> String {
    let huffman = block[0] & 0x80 != 0;
    let length = number(block, 7);
    let (text, rest) = block.split_at(length);
    *block = rest;
    let bytes = if huffman { unpacked(text) } else { text.to_vec() };
    bytes.into_iter().map(char::from).collect()
}

/// The code of RFC 7541 appendix B is canonical: its lengths say it all.
fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut codes = BTreeMap::new();
    let mut code = 0_u32;
    for length in 1..=30 {
        code <<= 1;
        for (symbol, _) in LENGTHS.iter().enumerate().filter(|(_, own)| **own == length) {
            codes.insert((length, code), symbol);
            code += 1;
        }
    }
    let (mut text, mut length, mut code) = (Vec::new(), 0, 0);
    for bit in packed.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        length += 1;
        code = code << 1 | u32::from(bit);
        if let Some(symbol) = codes.get(&(length, code)) {
            text.push(u8::try_from(*symbol).expect("no end of string within one"));
            (length, code) = (0, 0);
        }
    }
    assert!(length < 8 && code == (1 << length) - 1, "padding that is none");
    text
}

/// Bits of each byte's code, and of the end's.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// RFC 7541 appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""), ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""), ("accept-ranges", ""), ("accept", ""), ("access-control-allow-origin", ""),
    ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""),
    ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""),
    ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
    ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""),
    ("retry-after", ""), ("server", ""), ("set-cookie", ""), ("strict-transport-security", ""),
    ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];
