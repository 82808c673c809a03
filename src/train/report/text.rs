//! Words of the report: escaped text, times, and what a frame is called.

use std::fmt::{self, Display, Write as _};

use super::FrameNote;

/// Characters of a file's name that are shown.
const LONGEST_NAME: usize = 40;

/// Text as HTML shows it, in an element or in a quoted attribute. Everything that is not made here,
/// such as a file's name, goes through it.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(f), "{}", self.0)
    }
}

struct Escaper<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '&' => self.0.write_str("&amp;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            // Line ends and marks that turn the direction of writing would change what stands beside.
            c if c.is_control() || is_turning(c) => self.0.write_char('\u{fffd}'),
            c => self.0.write_char(c),
        })
    }
}

fn is_turning(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a frame is called: by its file, its number or its time.
pub(super) fn label(frame: &FrameNote) -> String {
    let name = match &frame.name {
        Some(name) => shortened(name),
        None => format!("frame {}", frame.number),
    };
    match frame.seconds {
        Some(seconds) => format!("{} ({name})", clock(seconds)),
        None => name,
    }
}

/// Where a frame is, in the middle of a sentence.
pub(super) fn place(frame: &FrameNote) -> String {
    match (frame.seconds, &frame.name) {
        (Some(seconds), _) => clock(seconds),
        (None, Some(name)) => shortened(name),
        (None, None) => frame.number.to_string(),
    }
}

/// A long name without its middle.
pub(super) fn shortened(name: &str) -> String {
    let count = name.chars().count();
    if count <= LONGEST_NAME {
        return name.to_owned();
    }
    let half = LONGEST_NAME / 2;
    let head: String = name.chars().take(half).collect();
    let tail: String = name.chars().skip(count - half).collect();
    format!("{head}…{tail}")
}

/// `4:12`, `1:04:12`.
pub(super) fn clock(seconds: f64) -> String {
    let all = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// `40 s`, `3 minutes`, `5 hours`.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}

/// A score with as many decimals as tell something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup_or_turns_the_text_around() {
        let name = "<script>alert('1')</script>&\"\n\u{202e}gpj.exe";
        let shown = Escaped(name).to_string();
        assert_eq!(
            shown,
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}\u{fffd}gpj.exe"
        );
    }

    #[test]
    fn times_read_like_a_players() {
        assert_eq!(
            [0.0, 9.9, 252.0, 3852.0].map(clock),
            ["0:00", "0:09", "4:12", "1:04:12"]
        );
        assert_eq!(
            [40.0, 180.0, 9000.0].map(span),
            ["40 s", "3 minutes", "2.5 hours"]
        );
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        let name = format!("{}ü.jpg", "a".repeat(200));
        let short = shortened(&name);
        assert_eq!(short.chars().count(), LONGEST_NAME + 1);
        assert!(short.starts_with("aaa") && short.ends_with("ü.jpg"));
    }
}
