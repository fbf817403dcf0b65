//! Sessions as people and programs read them: a table, or JSON; times in UTC. ★

use serde_json::json;

use crate::calendar;
use crate::control::words::{Entry, Listed};

const HEAD: [&str; 5] = ["ID", "USER", "SIGNED IN", "REFRESHED", "ENDS"];

/// A line a session and one with their number.
pub(super) fn text(listed: &Listed) -> String {
    let row = |entry: &Entry| {
        let Entry { id, user, begun, refreshed, ends, .. } = entry;
        [visible(id), visible(user), utc(*begun), utc(*refreshed), utc(*ends)]
    };
    let mut rows: Vec<[String; 5]> = vec![];
    if !listed.sessions.is_empty() {
        rows.push(HEAD.map(str::to_owned));
        rows.extend(listed.sessions.iter().map(row));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
    }
    text + &count(listed.sessions.len()) + "\n"
}

/// The same for programs, which also get each `sub`.
pub(super) fn json(listed: &Listed) -> String {
    let sessions = listed.sessions.iter().map(|entry| {
        json!({
            "id": entry.id,
            "user": entry.user,
            "sub": entry.sub,
            "signed_in": utc(entry.begun),
            "refreshed": utc(entry.refreshed),
            "ends": utc(entry.ends),
        })
    });
    format!("{:#}\n", json!({ "sessions": sessions.collect::<Vec<_>>() }))
}

/// `1 session`, `2 sessions`.
pub(super) fn count(sessions: usize) -> String {
    format!("{sessions} session{}", if sessions == 1 { "" } else { "s" })
}

/// RFC 3339, in whole seconds.
fn utc(seconds: u64) -> String {
    calendar::spelled(seconds).map_or_else(|| "never".into(), |spelled| spelled + "Z")
}

/// Threat: a name that somebody chose for themselves moves the cursor of an operator's terminal, or turns the reading
/// order around, and so shows another one.
fn visible(text: &str) -> String {
    let plain = |c: char| matches!(c, '\'' | '"');
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if plain(c) { visible.push(c) } else { visible.extend(c.escape_debug()) }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, user: &str) -> Entry {
        let (id, user) = (id.into(), user.into());
        Entry { id, user, sub: "s-1".into(), begun: 0, refreshed: 951_782_400, ends: 4_102_444_799 }
    }

    #[test]
    fn a_table_has_a_line_a_session_and_their_number() {
        let listed = Listed { sessions: vec![entry("a1", "zoë"), entry("b22", "o'hara the second")] };
        assert_eq!(
            text(&listed),
            "ID   USER               SIGNED IN             REFRESHED             ENDS\n\
             a1   zoë                1970-01-01T00:00:00Z  2000-02-29T00:00:00Z  2099-12-31T23:59:59Z\n\
             b22  o'hara the second  1970-01-01T00:00:00Z  2000-02-29T00:00:00Z  2099-12-31T23:59:59Z\n\
             2 sessions\n"
        );
        assert_eq!(text(&Listed { sessions: vec![] }), "0 sessions\n");
        assert_eq!(count(1), "1 session");
    }

    #[test]
    fn a_name_moves_no_cursor_and_turns_nothing_around() {
        let listed = Listed { sessions: vec![entry("a", "x\u{1b}[2K\r\n\u{202e}y\u{9b}")] };
        let shown = text(&listed);
        assert!(shown.contains("x\\u{1b}[2K\\r\\n\\u{202e}y\\u{9b}"), "{shown:?}");
        assert_eq!(shown.lines().count(), 3);
    }

    #[test]
    fn programs_get_all_of_it() {
        let listed = Listed { sessions: vec![entry("a", "u")] };
        let value: serde_json::Value = serde_json::from_str(&json(&listed)).unwrap();
        assert_eq!(
            value["sessions"][0],
            json!({
                "id": "a", "user": "u", "sub": "s-1", "signed_in": "1970-01-01T00:00:00Z",
                "refreshed": "2000-02-29T00:00:00Z", "ends": "2099-12-31T23:59:59Z",
            })
        );
        assert_eq!(utc(u64::MAX), "never");
    }
}
