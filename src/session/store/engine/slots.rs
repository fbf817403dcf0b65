//! Which node of a cluster has a key: the hash slots, and who serves them. ★

use redis::Value;

use super::answer::text;
use super::fault::EngineFault;
use crate::config::settings::StoreAddress;

/// How many there are, by the cluster specification.
const SLOTS: u16 = 16384;

/// Who serves which slots, as a node sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Slots {
    ranges: Vec<(u16, u16, StoreAddress)>,
}

/// The slot of a key: CRC16 (XMODEM) of what stands in its first braces, if anything does, else of all of it.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let inside = &key[open + 1..];
        let close = inside.iter().position(|b| *b == b'}')?;
        (close > 0).then(|| &inside[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

// === impl Slots ===

impl Slots {
    /// From `CLUSTER SLOTS`. `asked` stands in where a node does not know its own address.
    pub(super) fn read(value: &Value, asked: &StoreAddress) -> Result<Self, EngineFault> {
        let Value::Array(ranges) = value else { return Err(wrong()) };
        let ranges = ranges.iter().map(|range| range_of(range, asked).ok_or_else(wrong));
        Ok(Self { ranges: ranges.collect::<Result<_, _>>()? })
    }

    /// The master that serves a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&StoreAddress> {
        let serves = |(first, last, _): &&(u16, u16, StoreAddress)| (*first..=*last).contains(&slot);
        self.ranges.iter().find(serves).map(|(_, _, owner)| owner)
    }

    /// All masters, some more than once.
    pub(super) fn owners(&self) -> impl Iterator<Item = &StoreAddress> {
        self.ranges.iter().map(|(_, _, owner)| owner)
    }

    /// Whether nobody is known to serve anything.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

fn range_of(value: &Value, asked: &StoreAddress) -> Option<(u16, u16, StoreAddress)> {
    let Value::Array(parts) = value else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else {
        return None;
    };
    let [host, Value::Int(port), ..] = master.as_slice() else { return None };
    let host = match host {
        Value::Nil => "",
        host => text(host)?,
    };
    let host = if host.is_empty() || host == "?" { &asked.host } else { host };
    let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
    let port = u16::try_from(*port).ok().filter(|port| *port != 0)?;
    (first <= last && last < SLOTS).then(|| (first, last, StoreAddress { host: host.to_owned(), port }))
}

fn wrong() -> EngineFault {
    EngineFault::answer("no map of a cluster")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> StoreAddress {
        StoreAddress { host: "asked".into(), port: 1 }
    }

    fn read(text: &str) -> Result<Slots, EngineFault> {
        Slots::read(&redis::parse_redis_value(text.as_bytes()).unwrap(), &asked())
    }

    /// Values of the cluster specification and of a server's own `CLUSTER KEYSLOT`.
    #[test]
    fn a_key_has_the_slot_that_servers_compute() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, expected) in [
            ("foo", 12182),
            ("{user1000}.following", 3443),
            ("{user1000}.followers", 3443),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar}{zap}", 5061),
            ("bar", 5061),
            ("{bar", 4015),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn a_map_is_read_with_its_masters_alone() {
        let slots = read(
            "*2\r\n*4\r\n:0\r\n:100\r\n*3\r\n$2\r\nm1\r\n:7000\r\n$2\r\nid\r\n*3\r\n$2\r\nr1\r\n:7001\r\n$2\r\nid\r\n\
             *3\r\n:101\r\n:16383\r\n*3\r\n$0\r\n\r\n:7002\r\n$2\r\nid\r\n",
        )
        .unwrap();
        assert_eq!(slots.owner(100).unwrap().to_string(), "m1:7000");
        assert_eq!(slots.owner(101).unwrap().to_string(), "asked:7002", "a node that does not know its name");
        assert_eq!(slots.owners().count(), 2);
        assert!(Slots::default().owner(5).is_none());
    }

    #[test]
    fn what_is_no_map_is_a_fault() {
        for text in [
            "+OK\r\n",
            "*1\r\n:1\r\n",
            "*1\r\n*3\r\n:5\r\n:4\r\n*2\r\n$1\r\nh\r\n:1\r\n",
            "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:0\r\n",
            "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:65536\r\n",
            "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        ] {
            assert_eq!(read(text).unwrap_err().code(), "store_answer", "{text}");
        }
    }
}
