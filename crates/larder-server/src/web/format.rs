//! Sizes, times and output as people read them.

use larder_core::clock::Timestamp;

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// A time for people and for machines.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// RFC 3339.
    pub(super) machine: String,
    /// `2026-11-21 03:40 UTC`
    pub(super) people: String,
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        let machine = time.rfc3339();
        let day = machine.get(..10).unwrap_or_default();
        let minute = machine.get(11..16).unwrap_or_default();
        let people = format!("{day} {minute} UTC");
        Self { machine, people }
    }
}

/// `812 B`, `1.4 MiB`
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, rounded, so that no floating point is needed.
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "B";
    for next in UNITS {
        if tenths < 10_235 {
            break;
        }
        tenths = (tenths + 512) / 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`
pub(super) fn duration(from: Timestamp, to: Timestamp) -> String {
    let millis = to.0.saturating_sub(from.0).max(0);
    let seconds = millis / 1000;
    match seconds {
        0..10 => format!("{seconds}.{} s", millis % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `1 file`, `2 files`
pub(super) fn counted(count: i64, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

/// What a terminal would have shown of some output: colours and other commands to a terminal are left out.
pub(super) fn terminal_text(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => skip_command(&mut letters),
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' => plain.push('\n'),
            '\n' | '\t' => plain.push(letter),
            letter if letter.is_control() => {}
            letter => plain.push(letter),
        }
    }
    plain
}

/// Skips what follows an escape: `[…m` and its like, `]…` up to a bell, or one letter.
fn skip_command(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match letters.next() {
        Some('[') => {
            let _ = letters.find(|letter| ('@'..='~').contains(letter) || *letter == '\n');
        }
        Some(']') => {
            let _ = letters.find(|letter| matches!(letter, '\u{7}' | '\u{1b}' | '\n'));
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit_behind_the_point() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_048_576, "1.0 MiB"),
            (10 * 1_073_741_824, "10.0 GiB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
        assert!(size(u64::MAX).ends_with(" PiB"));
    }

    #[test]
    fn times_are_as_long_as_they_need_to_be() {
        let took = |millis: i64| duration(Timestamp(1_000), Timestamp(1_000 + millis));
        assert_eq!(
            [took(-5), took(450), took(12_000), took(185_000)],
            ["0.0 s", "0.4 s", "12 s", "3 min 5 s"]
        );
        assert_eq!(took(7_800_000), "2 h 10 min");
        assert_eq!(Moment::from(Timestamp(0)).people, "1970-01-01 00:00 UTC");
    }

    #[test]
    fn commands_to_a_terminal_are_not_shown() {
        let shown = terminal_text(b"\x1b[1;32mok\x1b[0m\r\n50%\r100%\x07\x1b]0;title\x07\tend\xff");
        assert_eq!(shown, "ok\n50%\n100%\tend\u{fffd}");
        assert_eq!(terminal_text(b"\x1b["), "");
    }
}
