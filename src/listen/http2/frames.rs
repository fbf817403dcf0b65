//! Where HTTP/2's frames begin and end in one direction's bytes, and what they are (RFC 9113 §4.1). ★
//!
//! Looks at nothing but the nine bytes before each: what is inside is the parser's.

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    header: [u8; HEADER],
    /// How much of the next frame's header is there.
    have: usize,
    /// Of the payload, still to come.
    left: usize,
    kind: u8,
    /// A block of header lines has begun, and its end was not announced yet.
    open_block: bool,
}

/// What some bytes were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Of bodies, with their padding.
    pub(crate) data: usize,
    /// A frame ended behind which no head is left open.
    pub(crate) ended: bool,
}

// === impl Frames ===

impl Frames {
    /// What a server sends.
    pub(crate) fn outbound() -> Self {
        Self { header: [0; HEADER], have: 0, left: 0, kind: DATA, open_block: false }
    }

    /// What a client sends, behind a preface of so many bytes, which has the time that a head has.
    pub(super) fn inbound(preface: usize) -> Self {
        Self { left: preface, kind: HEADERS, ..Self::outbound() }
    }

    /// Takes in what was read or written next.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Passed {
        let mut passed = Passed::default();
        while !bytes.is_empty() {
            if self.left == 0 {
                let taken = bytes.len().min(HEADER - self.have);
                self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                self.have += taken;
                if self.have < HEADER {
                    break;
                }
                self.begin();
            } else {
                let taken = bytes.len().min(self.left);
                bytes = &bytes[taken..];
                self.left -= taken;
                if self.kind == DATA {
                    passed.data += taken;
                }
            }
            passed.ended |= self.left == 0 && !self.open_block;
        }
        passed
    }

    /// Whether a head, the preface or a frame's own header has begun and is not there yet.
    pub(crate) fn is_in_head(&self) -> bool {
        self.have > 0 || self.open_block || (self.left > 0 && matches!(self.kind, HEADERS | CONTINUATION))
    }

    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.have = 0;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.kind = kind;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.open_block = flags & END_HEADERS == 0;
        }
    }
}

const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u8::try_from(payload).unwrap();
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + payload, 7);
        frame
    }

    #[test]
    fn a_head_is_one_from_its_first_byte_to_its_last_however_it_arrives() {
        let mut frames = Frames::inbound(24);
        assert!(frames.is_in_head(), "the preface");
        frames.pass(&[b'p'; 23]);
        assert!(frames.is_in_head());
        frames.pass(b"p");
        assert!(!frames.is_in_head());

        let head = [frame(HEADERS, 0, 20), frame(CONTINUATION, 0, 0), frame(CONTINUATION, END_HEADERS, 5)];
        let head = head.concat();
        for (at, byte) in head.iter().enumerate() {
            let passed = frames.pass(&[*byte]);
            let last = at == head.len() - 1;
            assert_eq!((frames.is_in_head(), passed.ended), (!last, last), "{at}");
        }
        // What comes behind it in the same piece is a head of its own.
        let passed = frames
            .pass(&[frame(HEADERS, END_HEADERS, 3), frame(HEADERS, END_HEADERS, 3)[..10].to_vec()].concat());
        assert!(passed.ended && frames.is_in_head());
    }

    #[test]
    fn bytes_of_bodies_are_counted_and_nothing_else() {
        let mut frames = Frames::outbound();
        let settings = frame(4, 0, 12);
        assert_eq!(frames.pass(&settings), Passed { data: 0, ended: true });
        let answer =
            [frame(HEADERS, END_HEADERS, 30), frame(DATA, 0, 100), frame(6, 1, 8), frame(DATA, 1, 0)];
        assert_eq!(frames.pass(&answer.concat()), Passed { data: 100, ended: true });
        let data = frame(DATA, 1, 200);
        let pieces: Vec<_> = data.chunks(7).map(|piece| frames.pass(piece)).collect();
        assert_eq!(pieces.iter().map(|passed| passed.data).sum::<usize>(), 200);
        assert_eq!(pieces.iter().filter(|passed| passed.ended).count(), 1);
        // The body of a slow sender is no head.
        frames.pass(&data[..50]);
        assert!(!frames.is_in_head());
    }
}
