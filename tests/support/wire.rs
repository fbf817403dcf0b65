//! HTTP/1.1 as bytes on a socket; knows only what RFC 9112 says and forgives nothing.
//!
//! Text is Latin-1 throughout (one byte, one `char`), so that no byte is lost on its way to an assertion.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A start line and header lines as they were on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// Name and value of each line, in order, names in the spelling sent.
    pub headers: Vec<(String, String)>,
}

/// One final answer, and the interim ones before it.
#[derive(Clone, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and headers.
    pub head: Head,
    /// The body, unframed.
    pub body: Vec<u8>,
    /// Trailer lines of a chunked body.
    pub trailers: Vec<(String, String)>,
    /// 1xx answers that came before, 101 not among them.
    pub interim: Vec<Head>,
}

/// Why no (further) message could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The other side closed or reset; nothing was left over.
    Closed,
    /// It closed in the middle of a message.
    Cut(String),
    /// Nothing came in time.
    Silent,
    /// What came is no HTTP/1.1 message.
    Malformed(String),
}

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Answers only: until the connection's end.
    UntilClose,
}

/// A connection with a read buffer.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Every byte that was received.
    pub received: Vec<u8>,
    patience: Duration,
}

/// A body and the trailers that followed it.
pub type Unframed = (Vec<u8>, Vec<(String, String)>);

/// Bytes as Latin-1.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Reads a head (without its final empty line) strictly: CRLF only, no folding, no odd names.
pub fn parse_head(bytes: &[u8]) -> Result<Head, String> {
    let text = latin1(bytes);
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    if text.replace("\r\n", "").contains(['\r', '\n', '\0']) {
        return Err(format!("a bare CR, LF or NUL in the head: {text:?}"));
    }
    let headers = lines.map(parse_line).collect::<Result<_, _>>()?;
    Ok(Head { start, headers })
}

fn parse_line(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("a line without a colon: {line:?}"))?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(format!("not a field name: {name:?}"));
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

// === impl Head ===

impl Head {
    /// All values of a header, its name in any case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The value of a header that is there exactly once.
    pub fn one(&self, name: &str) -> Option<&str> {
        match self.all(name)[..] {
            [value] => Some(value),
            _ => None,
        }
    }

    /// A comma-separated header's members over all of its lines, lower case.
    pub fn members(&self, name: &str) -> Vec<String> {
        let lines = self.all(name);
        let members = lines.iter().flat_map(|line| line.split(','));
        members.map(|m| m.trim().to_ascii_lowercase()).filter(|m| !m.is_empty()).collect()
    }

    /// How a request with this head frames its body; an error where that is ambiguous.
    pub fn request_framing(&self) -> Result<Framing, String> {
        match (&self.all("transfer-encoding")[..], &self.all("content-length")[..]) {
            ([], []) => Ok(Framing::None),
            (["chunked"], []) => Ok(Framing::Chunked),
            ([], [length]) => {
                parse_length(length).map(|n| if n == 0 { Framing::None } else { Framing::Length(n) })
            }
            (te, cl) => Err(format!("ambiguous framing: Transfer-Encoding {te:?}, Content-Length {cl:?}")),
        }
    }

    fn answer_framing(&self, status: u16, to_head: bool) -> Result<Framing, String> {
        if to_head || (100..200).contains(&status) || status == 204 || status == 304 {
            return Ok(Framing::None);
        }
        match (&self.all("transfer-encoding")[..], &self.all("content-length")[..]) {
            ([], []) => Ok(Framing::UntilClose),
            (["chunked"], []) => Ok(Framing::Chunked),
            ([], [length]) => parse_length(length).map(Framing::Length),
            (te, cl) => Err(format!("ambiguous framing: Transfer-Encoding {te:?}, Content-Length {cl:?}")),
        }
    }
}

fn parse_length(text: &str) -> Result<usize, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| format!("not a length: {text:?}"))
}

// === impl Answer ===

impl Answer {
    /// The value of a header that is there exactly once.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.one(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {:?} {:?}", self.head, self.text()))
    }

    /// Where a redirect leads.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no single Location: {self:?}"))
    }

    /// Whether the connection ends after this answer.
    pub fn closes(&self) -> bool {
        let members = self.head.members("connection");
        members.iter().any(|m| m == "close")
            || (self.head.start.starts_with("HTTP/1.0") && !members.iter().any(|m| m == "keep-alive"))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = latin1(&self.body[..self.body.len().min(500)]);
        write!(
            f,
            "{:?} {:?} body {body:?} trailers {:?}",
            self.head.start, self.head.headers, self.trailers
        )?;
        write!(f, " after {:?}", self.interim)
    }
}

// === impl Wire ===

impl Wire {
    /// Connects; every later read waits at most [`PATIENCE`].
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        Self::over(stream)
    }

    /// Takes over an open connection.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: Vec::new(), received: Vec::new(), patience: PATIENCE }
    }

    /// The same, but each read waits at most this long.
    pub fn patient_for(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Changes how long each read waits.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The socket, for what this type does not offer.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Received, not yet taken.
    pub fn pending(&self) -> &[u8] {
        &self.buffer
    }

    /// Writes all; false if the other side has hung up.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Writes each piece as a segment of its own.
    pub fn write_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
        pieces.into_iter().all(|piece| {
            let written = self.write(piece);
            // Gives the other side the chance to read before the next one: without it the kernel may merge them.
            std::thread::sleep(Duration::from_micros(200));
            written
        })
    }

    /// Says that nothing more will be written.
    pub fn finish_writing(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Reads one final answer, whatever interim ones precede it.
    pub fn answer(&mut self, to_head: bool) -> Result<Answer, Ended> {
        let mut interim = Vec::new();
        loop {
            let head = self.head()?;
            let mut words = head.start.splitn(3, ' ');
            let version = words.next().unwrap_or_default();
            let status = words.next().filter(|s| s.len() == 3).and_then(|s| s.parse::<u16>().ok());
            let (Some(status), "HTTP/1.1" | "HTTP/1.0") = (status, version) else {
                return Err(Ended::Malformed(format!("not a status line: {:?}", head.start)));
            };
            if (100..200).contains(&status) && status != 101 {
                interim.push(head);
                continue;
            }
            let framing = head.answer_framing(status, to_head).map_err(Ended::Malformed)?;
            let (body, trailers) = self.body(framing)?;
            return Ok(Answer { status, head, body, trailers, interim });
        }
    }

    /// Reads a head up to and with its empty line.
    pub fn head(&mut self) -> Result<Head, Ended> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if let Err(ended) = self.more() {
                return Err(match ended {
                    Ended::Closed if !self.buffer.is_empty() => Ended::Cut(latin1(&self.buffer)),
                    ended => ended,
                });
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        parse_head(&head[..end]).map_err(Ended::Malformed)
    }

    /// Reads a body and its trailers.
    pub fn body(&mut self, framing: Framing) -> Result<Unframed, Ended> {
        match framing {
            Framing::None => Ok((Vec::new(), Vec::new())),
            Framing::Length(length) => Ok((self.take(length)?, Vec::new())),
            Framing::Chunked => self.chunks(|_| {}),
            Framing::UntilClose => loop {
                match self.more() {
                    Ok(()) => {}
                    Err(Ended::Closed) => return Ok((std::mem::take(&mut self.buffer), Vec::new())),
                    Err(ended) => return Err(ended),
                }
            },
        }
    }

    /// Reads a chunked body, telling each chunk as it comes.
    pub fn chunks(&mut self, mut each: impl FnMut(&[u8])) -> Result<Unframed, Ended> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit());
            let size = usize::from_str_radix(&line, 16).ok().filter(|_| digits);
            let Some(size) = size else {
                return Err(Ended::Malformed(format!("not a bare chunk size: {line:?}")));
            };
            if size == 0 {
                break;
            }
            let chunk = self.take(size)?;
            each(&chunk);
            body.extend(chunk);
            let after = self.take(2)?;
            if after != b"\r\n" {
                return Err(Ended::Malformed(format!("after a chunk: {:?}", latin1(&after))));
            }
        }
        let mut trailers = Vec::new();
        loop {
            match self.line()?.as_str() {
                "" => return Ok((body, trailers)),
                line => trailers.push(parse_line(line).map_err(Ended::Malformed)?),
            }
        }
    }

    /// Reads to the connection's end; what came, and how it ended.
    pub fn rest(&mut self) -> (Vec<u8>, Ended) {
        loop {
            if let Err(ended) = self.more() {
                return (std::mem::take(&mut self.buffer), ended);
            }
        }
    }

    /// Takes exactly this many bytes.
    pub fn take(&mut self, count: usize) -> Result<Vec<u8>, Ended> {
        while self.buffer.len() < count {
            self.more().map_err(|ended| match ended {
                Ended::Closed => Ended::Cut(latin1(&self.buffer)),
                ended => ended,
            })?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Reads what there is, at least one byte.
    pub fn more(&mut self) -> Result<(), Ended> {
        let mut piece = [0; 16 * 1024];
        self.stream.set_read_timeout(Some(self.patience.max(Duration::from_millis(1)))).unwrap();
        let begun = Instant::now();
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(Ended::Closed),
                Ok(count) => {
                    self.buffer.extend_from_slice(&piece[..count]);
                    self.received.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted if begun.elapsed() < self.patience => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Err(Ended::Silent),
                    _ => return Err(Ended::Closed),
                },
            }
        }
    }

    fn line(&mut self) -> Result<String, Ended> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(latin1(&line[..at]));
            }
            if self.buffer.contains(&b'\n') {
                return Err(Ended::Malformed(format!("a bare LF: {:?}", latin1(&self.buffer))));
            }
            self.more().map_err(|ended| match ended {
                Ended::Closed => Ended::Cut(latin1(&self.buffer)),
                ended => ended,
            })?;
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
