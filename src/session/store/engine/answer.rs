//! What the server's answers must look like; what looks otherwise is a fault, never a guess. ★

use redis::Value;

use super::fault::EngineFault;
use crate::config::settings::StoreAddress;

/// A value's first bytes are its generation, or its end, in digits: as text they can be compared in a script.
pub(super) const STAMP: usize = 20;

/// A number as [`STAMP`] digits.
pub(super) fn stamp(number: u64) -> String {
    format!("{number:0STAMP$}")
}

/// A stamped value, or none.
pub(super) fn stamped(value: Value) -> Result<Option<Vec<u8>>, EngineFault> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(mut bytes) => {
            if bytes.len() < STAMP || !bytes[..STAMP].iter().all(u8::is_ascii_digit) {
                return Err(other("a value that the gate did not write"));
            }
            bytes.drain(..STAMP);
            Ok(Some(bytes))
        }
        _ => Err(other("no value where one was asked for")),
    }
}

/// 1 or 0.
pub(super) fn truth(value: &Value) -> Result<bool, EngineFault> {
    match value {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        _ => Err(other("neither yes nor no")),
    }
}

/// Something was done; how much of it does not matter.
pub(super) fn done(value: &Value) -> Result<(), EngineFault> {
    match value {
        Value::Okay | Value::Int(_) => Ok(()),
        _ => Err(other("no acknowledgement")),
    }
}

/// Decimal digits.
pub(super) fn number(value: &Value) -> Result<u64, EngineFault> {
    text(value).and_then(|text| text.parse().ok()).ok_or_else(|| other("no number"))
}

/// Names and bytes by turns.
pub(super) fn pairs(value: Value) -> Result<Vec<(String, Vec<u8>)>, EngineFault> {
    let Value::Array(items) = value else { return Err(other("no list of pairs")) };
    let mut pairs = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let Some(name) = items.next() {
        match (text(&name), items.next()) {
            (Some(name), Some(Value::BulkString(bytes))) => pairs.push((name.to_owned(), bytes)),
            _ => return Err(other("no list of pairs")),
        }
    }
    Ok(pairs)
}

/// One step of a scan over a sorted set: where to go on (0: nowhere), and the members.
pub(super) fn scanned(value: Value) -> Result<(u64, Vec<String>), EngineFault> {
    let Value::Array(parts) = value else { return Err(other("no step of a scan")) };
    let Ok([cursor, members]) = <[Value; 2]>::try_from(parts) else {
        return Err(other("no step of a scan"));
    };
    let members = pairs(members)?.into_iter().map(|(member, _)| member).collect();
    Ok((number(&cursor)?, members))
}

/// What was read of one stream: numbers and entries; nothing where none came in time. An entry of a shape that no gate
/// writes is empty: it opens for nobody, and must not keep the others from being heard.
pub(super) fn entries(value: Value) -> Result<Vec<(u64, Vec<u8>)>, EngineFault> {
    let wrong = || other("no entries of a log");
    let streams = match value {
        Value::Nil => return Ok(Vec::new()),
        Value::Array(streams) => streams,
        _ => return Err(wrong()),
    };
    let Ok([Value::Array(stream)]) = <[Value; 1]>::try_from(streams) else { return Err(wrong()) };
    let Ok([_, Value::Array(entries)]) = <[Value; 2]>::try_from(stream) else { return Err(wrong()) };
    entries.into_iter().map(|entry| self::entry(entry).ok_or_else(wrong)).collect()
}

fn entry(value: Value) -> Option<(u64, Vec<u8>)> {
    let Value::Array(parts) = value else { return None };
    let [id, Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    let (number, further) = text(&id)?.split_once('-')?;
    let number = number.parse().ok()?;
    let bytes = match <[Value; 2]>::try_from(fields) {
        Ok([_, Value::BulkString(bytes)]) if further == "0" => bytes,
        _ => Vec::new(),
    };
    Some((number, bytes))
}

/// Where sentinels see the master; `None`: they know none of that name.
pub(super) fn master(value: &Value) -> Result<Option<StoreAddress>, EngineFault> {
    let wrong = || other("no address of a master");
    let parts = match value {
        Value::Nil => return Ok(None),
        Value::Array(parts) => parts,
        _ => return Err(wrong()),
    };
    let [host, port] = parts.as_slice() else { return Err(wrong()) };
    match (text(host), text(port).and_then(|port| port.parse().ok())) {
        (Some(host), Some(port)) if !host.is_empty() && port != 0 => {
            Ok(Some(StoreAddress { host: host.to_owned(), port }))
        }
        _ => Err(wrong()),
    }
}

/// Whether `ROLE` says master.
pub(super) fn is_master(value: &Value) -> Result<bool, EngineFault> {
    match value {
        Value::Array(parts) => match parts.first().and_then(text) {
            Some(role) => Ok(role == "master"),
            None => Err(other("no role")),
        },
        _ => Err(other("no role")),
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn other(what: &str) -> EngineFault {
    EngineFault::answer(what)
}
