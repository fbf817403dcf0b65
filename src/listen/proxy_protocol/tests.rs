//! What is a header, to the byte, and what is not.

use super::*;

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn ipv4() -> Vec<u8> {
    [[203, 0, 113, 7], [192, 0, 2, 1]].concat().into_iter().chain([0x12, 0x67, 0x01, 0xbb]).collect()
}

fn client(bytes: &[u8]) -> Result<Option<String>, Malformed> {
    match read(bytes)? {
        Found::Whole { client, .. } => Ok(client.map(|client| client.to_string())),
        Found::More => panic!("there is no more of {:?}", bytes.escape_ascii().to_string()),
    }
}

#[test]
fn a_header_says_whose_connection_it_is() {
    let ipv6 = [Ipv6Addr::from_bits(0x2001_0db8 << 96 | 7).octets(), Ipv6Addr::LOCALHOST.octets()].concat();
    let ipv6 = [&ipv6[..], &[0x12, 0x67, 0x01, 0xbb]].concat();
    let mut with_more = ipv4();
    with_more.extend([0x02, 0, 3, b'a', b'.', b'b']);
    for (bytes, expected) in [
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n".to_vec(), Some("203.0.113.7:4711")),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec(), Some("[2001:db8::7]:4711")),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 0 65535\r\n".to_vec(), Some("203.0.113.7:0")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff::1 whatever 1\r\n".to_vec(), None),
        (v2(0x21, 0x11, &ipv4()), Some("203.0.113.7:4711")),
        (v2(0x21, 0x21, &ipv6), Some("[2001:db8::7]:4711")),
        (v2(0x21, 0x11, &with_more), Some("203.0.113.7:4711")),
        // The balancer's own, whatever else it says.
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, &ipv4()), None),
        (v2(0x20, 0xff, b"x"), None),
        // Nobody's address over TCP.
        (v2(0x21, 0x00, b""), None),
        (v2(0x21, 0x12, &ipv4()), None),
        (v2(0x21, 0x31, &[b'/'; 216]), None),
    ] {
        let shown = bytes.escape_ascii().to_string();
        assert_eq!(client(&bytes), Ok(expected.map(str::to_owned)), "{shown}");
        let Ok(Found::Whole { length, .. }) = read(&bytes) else { unreachable!() };
        assert_eq!(length, bytes.len(), "{shown}");
        // What comes behind it is not its.
        let more = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&more), read(&bytes), "{shown}");
        // However it comes in pieces: the same, and never a byte too much.
        for cut in 0..bytes.len() {
            match read(&bytes[..cut]) {
                Ok(Found::More) => {}
                early => assert_eq!(early, read(&bytes), "{shown} at {cut}"),
            }
        }
    }
}

#[test]
fn what_has_another_reading_is_no_header() {
    let overlong = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16 + 1));
    let exactly = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
    assert_eq!(client(exactly.as_bytes()), Ok(None));
    for (bytes, why) in [
        (&b"GET / HTTP/1.1\r\n"[..], Malformed::Missing),
        (b"PROXX", Malformed::Missing),
        (b"PROXY\tTCP4", Malformed::Missing),
        (b"proxy TCP4", Malformed::Missing),
        (b" PROXY TCP4", Malformed::Missing),
        (b"\x16\x03\x01", Malformed::Missing),
        (b"\r\n\r\n\r\n", Malformed::Missing),
        (overlong.as_bytes(), Malformed::Overlong),
        (b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", Malformed::Unknown),
        (b"PROXY UNKNOWNS\r\n", Malformed::Unknown),
        (b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", Malformed::Unknown),
        (b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n", Malformed::Addresses),
        (b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n", Malformed::Addresses),
        (b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", Malformed::Addresses),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", Malformed::Addresses),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n", Malformed::Addresses),
        (&v2(0x11, 0x11, &ipv4()), Malformed::Unknown),
        (&v2(0x22, 0x11, &ipv4()), Malformed::Unknown),
        (&v2(0x21, 0x13, &ipv4()), Malformed::Unknown),
        (&v2(0x21, 0x41, &ipv4()), Malformed::Unknown),
        (&v2(0x21, 0x11, &ipv4()[..11]), Malformed::Addresses),
        (&v2(0x21, 0x21, &ipv4()), Malformed::Addresses),
        (&v2(0x21, 0x31, &ipv4()), Malformed::Addresses),
        (&v2(0x21, 0x11, &[0; 4081]), Malformed::Overlong),
        (&v2(0x20, 0x00, &[0; 4081])[..16], Malformed::Overlong),
    ] {
        assert_eq!(read(bytes), Err(why), "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn nothing_that_is_looked_at_lies_further_in_than_is_said() {
    let (long, unix) = (v2(0x21, 0x21, &[1; 4080]), v2(0x21, 0x31, &[0; 4080]));
    for bytes in [&long[..], &unix, b"PROXY TCP6 "] {
        let looked_at = &bytes[..bytes.len().min(LOOKED_AT)];
        assert_eq!(read(looked_at), read(bytes));
    }
    assert!(matches!(read(&[&b"PROXY "[..], &[b'x'; 200]].concat()[..LOOKED_AT]), Err(Malformed::Overlong)));
}
