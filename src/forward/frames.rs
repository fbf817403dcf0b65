//! Where WebSocket frames begin and end in a stream of bytes (RFC 6455 §5.2): counted, never read or kept. ★
//!
//! Threat: a close frame of ours in the middle of a frame of theirs would become a part of its payload.

/// What has passed, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// Within a header: what has come of it, and how much. With nothing of it, between two frames.
    Header {
        /// Its beginning; a length is at most 64 bits, behind two bytes.
        bytes: [u8; 10],
        /// How many of them have come.
        have: u8,
    },
    /// Within what follows a header's length: the mask, if there is one, and the payload. So many bytes are left.
    Rest {
        /// Bytes up to the frame's end; never 0.
        left: u64,
        /// It is a close frame.
        closing: bool,
    },
    /// A close frame has passed: nothing may follow it (§5.5.1).
    Closed,
    /// This is no WebSocket: a length that cannot be.
    Lost,
}

// === impl Frames ===

impl Frames {
    /// Between two frames, before the first.
    pub const fn new() -> Self {
        Self::Header { bytes: [0; 10], have: 0 }
    }

    /// Whether a frame of one's own may be put in here. It may between the parts of a message as well (§5.4).
    pub fn between(&self) -> bool {
        matches!(self, Self::Header { have: 0, .. })
    }

    /// Whether nothing may follow any more.
    pub fn over(&self) -> bool {
        matches!(self, Self::Closed | Self::Lost)
    }

    /// Takes note of `bytes`, all of which have passed.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.over() {
            bytes = &bytes[self.step(bytes)..];
        }
    }

    /// How many of `bytes` belong to the frame that is under way: 0 between two frames.
    pub fn until_between(&self, bytes: &[u8]) -> usize {
        let (mut ahead, mut passed) = (*self, 0);
        while passed < bytes.len() && !ahead.between() && !ahead.over() {
            passed += ahead.step(&bytes[passed..]);
        }
        passed
    }

    /// Takes note of a few of `bytes`, at least one and never beyond a frame's end; says how many.
    fn step(&mut self, given: &[u8]) -> usize {
        match self {
            Self::Header { bytes, have } => {
                bytes[usize::from(*have)] = given[0];
                *have += 1;
                *self = Self::after_header(*bytes, *have);
                1
            }
            Self::Rest { left, closing } => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(given.len());
                *left -= taken as u64;
                match (*left, *closing) {
                    (0, true) => *self = Self::Closed,
                    (0, false) => *self = Self::new(),
                    _ => {}
                }
                taken
            }
            Self::Closed | Self::Lost => given.len(),
        }
    }

    fn after_header(bytes: [u8; 10], have: u8) -> Self {
        let needed = match (have, bytes[1] & 0x7f) {
            (0 | 1, _) => return Self::Header { bytes, have },
            (_, 126) => 4,
            (_, 127) => 10,
            _ => 2,
        };
        if have < needed {
            return Self::Header { bytes, have };
        }
        let length = match needed {
            2 => u64::from(bytes[1] & 0x7f),
            4 => u64::from(u16::from_be_bytes([bytes[2], bytes[3]])),
            _ => {
                let [_, _, length @ ..] = bytes;
                u64::from_be_bytes(length)
            }
        };
        if length >> 63 != 0 {
            return Self::Lost;
        }
        // What comes from a server has no mask; where it has one it is passed on all the same.
        let left = length + if bytes[1] & 0x80 == 0 { 0 } else { 4 };
        match (left, bytes[0] & 0x0f == CLOSE) {
            (0, true) => Self::Closed,
            (0, false) => Self::new(),
            (left, closing) => Self::Rest { left, closing },
        }
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

/// The opcode of a close frame.
const CLOSE: u8 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, masked: bool, length: usize) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![opcode];
        match length {
            0..126 => bytes.push(mask | u8::try_from(length).unwrap()),
            126..65536 => {
                bytes.push(mask | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(vec![0x88; length + if masked { 4 } else { 0 }]);
        bytes
    }

    #[test]
    fn every_length_form_ends_where_it_says() {
        for length in [0, 1, 125, 126, 127, 65535, 65536, 70000] {
            for masked in [false, true] {
                let bytes = frame(0x82, masked, length);
                let mut frames = Frames::new();
                for (at, byte) in bytes.iter().enumerate() {
                    assert!(frames.between() == (at == 0), "{length} {masked}: byte {at}");
                    frames.pass(&[*byte]);
                }
                assert!(frames.between(), "{length} {masked}");
            }
        }
    }

    #[test]
    fn nothing_follows_a_close_frame_or_a_length_that_cannot_be() {
        for bytes in [&b"\x88\x00"[..], b"\x88\x02\x03\xe8", b"\x82\x7f\x80\0\0\0\0\0\0\0"] {
            let mut frames = Frames::new();
            frames.pass(bytes);
            assert!(frames.over() && !frames.between(), "{bytes:?}");
            frames.pass(b"\x81\x00");
            assert!(frames.over() && !frames.between(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_ends_of_frames_are_where_they_are(
            lengths in prop::collection::vec((0_usize..70_000, any::<bool>()), 1..6),
            cuts in prop::collection::vec(1_usize..5000, 1..200),
        ) {
            let mut ends = vec![0];
            let mut bytes = vec![];
            for (length, masked) in lengths {
                bytes.extend(frame(0x81, masked, length));
                ends.push(bytes.len());
            }
            let (mut frames, mut at) = (Frames::new(), 0);
            for cut in cuts.iter().cycle() {
                prop_assert_eq!(frames.between(), ends.contains(&at));
                if at == bytes.len() {
                    break;
                }
                let next = ends.iter().copied().find(|end| *end >= at).unwrap();
                let piece = &bytes[at..(at + cut).min(bytes.len())];
                prop_assert_eq!(frames.until_between(piece), piece.len().min(next - at));
                frames.pass(piece);
                at += piece.len();
            }
        }

        #[test]
        fn any_bytes_whatever_are_counted_alike_in_one_piece_and_in_many(bytes: Vec<u8>, cut in 1_usize..9) {
            let (mut whole, mut pieces) = (Frames::new(), Frames::new());
            whole.pass(&bytes);
            bytes.chunks(cut).for_each(|piece| pieces.pass(piece));
            prop_assert_eq!(whole, pieces);
        }
    }
}
