//! Writing records: one thread takes what workers have piled up, and writes it to standard output.

use std::io::{self, Write};
use std::thread::JoinHandle;

use super::chain::Chain;
use super::pile::{Pile, Records};
use super::stamp::timestamp;

/// The thread's side.
struct Writer {
    records: Records,
    chain: Option<Chain>,
    /// Audit lines that the trail itself says are lost.
    told_lost: u64,
    /// The last write failed somewhere within a line.
    torn: bool,
}

/// Starts the writer. A slow or full output costs records, counted, and never a request. Audit lines are linked into
/// `chain`, where there is one.
pub(super) fn to_stdout(chain: Option<Chain>) -> io::Result<Records> {
    let records = Records::default();
    let writer = Writer::new(records.clone(), chain);
    spawn("records", move || writer.write_all(&mut io::stdout()))?;
    Ok(records)
}

// === impl Writer ===

impl Writer {
    fn new(records: Records, chain: Option<Chain>) -> Self {
        Self { records, chain, told_lost: 0, torn: false }
    }

    fn write_all(mut self, out: &mut impl Write) {
        let mut pile = Pile::default();
        loop {
            pile = self.records.exchange(pile);
            self.write(&pile, out);
        }
    }

    fn write(&mut self, pile: &Pile, out: &mut impl Write) {
        let linked = if pile.audits.is_empty() { None } else { Some(self.link(pile)) };
        let text = linked.as_ref().unwrap_or(&pile.text);
        let begun = if std::mem::take(&mut self.torn) { out.write_all(b"\n") } else { Ok(()) };
        // Locked a pile at a time: others print too. Where it cannot be written there is nothing to be done about it,
        // and no reason to stop serving.
        if begun.and_then(|()| out.write_all(text.as_bytes())).and_then(|()| out.flush()).is_err() {
            self.torn = true;
            self.records.lose(pile.accesses(), pile.audits.len());
        }
    }

    /// The pile's text with each audit line in the chain; the trail says of itself where something is missing.
    fn link(&mut self, pile: &Pile) -> String {
        let mut text = String::with_capacity(pile.text.len() + ROOM * (pile.audits.len() + 1));
        let mut done = 0;
        for audit in &pile.audits {
            text += &pile.text[done..audit.start];
            if let Some(told) = self.tell_lost() {
                self.link_line(&told, &mut text);
                text.push('\n');
            }
            self.link_line(&pile.text[audit.clone()], &mut text);
            done = audit.end;
        }
        text + &pile.text[done..]
    }

    fn link_line(&mut self, line: &str, text: &mut String) {
        match &mut self.chain {
            Some(chain) => *text += &chain.link(line),
            None => *text += line,
        }
    }

    fn tell_lost(&mut self) -> Option<String> {
        let (_, lost) = self.records.lost();
        let more = lost.checked_sub(self.told_lost).filter(|more| *more > 0)?;
        self.told_lost = lost;
        let time = timestamp();
        Some(format!(
            "{{\"time\":\"{time}\",\"kind\":\"audit\",\"event\":\"lost\",\"outcome\":\"failure\",\
             \"reason\":\"output\",\"user\":null,\"sub\":null,\"session\":null,\"rule\":null,\"client\":null,\
             \"request_id\":null,\"detail\":{{\"lines\":{more}}}}}"
        ))
    }
}

/// Starts a thread that writes.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(work)
}

/// What the chain adds to a line, about.
const ROOM: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is mended.
    struct Full(bool, Vec<u8>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_swallowed_is_counted_and_the_trail_tells_of_it() {
        let records = Records::default();
        let mut writer = Writer::new(records.clone(), None);
        let mut out = Full(true, vec![]);
        let mut pile = Pile::default();
        for (full, name) in [(true, "one"), (false, "two")] {
            out.0 = full;
            records.access(|line| line.push_str(name));
            records.audit(name, false);
            records.access(|line| line.push_str(name));
            pile = records.exchange(pile);
            writer.write(&pile, &mut out);
        }
        assert_eq!(records.lost(), (2, 1));
        let text = String::from_utf8(out.1).unwrap();
        assert!(text.starts_with("\ntwo\n{\"time\":"), "{text}");
        assert!(text.contains("\"event\":\"lost\"") && text.contains("\"lines\":1"), "{text}");
        assert!(text.ends_with("}}\ntwo\ntwo\n"), "{text}");
    }

    #[test]
    fn audit_lines_are_in_the_chain_and_what_is_between_them_stays_as_it_is() {
        let records = Records::default();
        let mut writer = Writer::new(records.clone(), Some(Chain::new(&[1; 32], [7; 8])));
        let mut out = Full(false, vec![]);
        records.audit("{\"a\":1}", false);
        records.access(|line| line.push_str("{\"b\":2}"));
        records.audit("{\"a\":3}", false);
        let pile = records.exchange(Pile::default());
        writer.write(&pile, &mut out);
        let mut chain = Chain::new(&[1; 32], [7; 8]);
        let (first, second) = (chain.link("{\"a\":1}"), chain.link("{\"a\":3}"));
        assert_eq!(String::from_utf8(out.1).unwrap(), format!("{first}\n{{\"b\":2}}\n{second}\n"));
    }
}
