//! The pictures of the page: the frames of the highest scores with their heat maps, and the kinds.

use std::fmt::Write as _;

use super::chart::word;
use super::text::{Escaped, label, number, shortened};
use super::{FrameNote, Pictures, Print, Report, Worst};

/// Kinds that are shown, the most frequent.
pub const MOST_KINDS: usize = 6;

/// A card for each of the worst frames.
pub(super) fn worst(report: &Report, pictures: &Pictures) -> String {
    let mut cards = String::new();
    for (rank, shown) in report.worst.iter().enumerate() {
        let prints = pictures.worst.get(rank).and_then(Option::as_ref);
        cards += &card(rank + 1, shown, &report.frames[shown.frame], prints);
    }
    format!(r#"<ol class="cards">{cards}</ol>"#)
}

fn card(rank: usize, shown: &Worst, frame: &FrameNote, prints: Option<&[Print; 2]>) -> String {
    let name = label(frame);
    let whole = frame.name.as_deref().unwrap_or(&name);
    let pictures = match prints {
        Some([picture, heat]) => {
            let seen = image(picture, &format!("Frame {name}"));
            let heated = image(heat, &format!("Heat map of frame {name}"));
            format!(r#"<div class="pair">{seen}{heated}</div>"#)
        }
        None => r#"<p class="soft">This picture could not be drawn.</p>"#.to_owned(),
    };
    let is_over = shown.raw > shown.threshold;
    let class = if is_over { "over" } else { "under" };
    let above = if is_over { ", above it" } else { "" };
    let share = 100.0 * shown.value.clamp(0.0, 1.0);
    format!(
        r#"<li class="card">{pictures}<h3 title="{}"><span class="place">{rank}</span> {}</h3><div class="meter {class}" role="img" aria-label="{:.2} of 1, the threshold is 0.5"><span style="width:{share:.1}%"></span></div><p><b>{:.2}</b> by the {}: {}, the threshold is {}{above}.</p></li>"#,
        Escaped(whole),
        Escaped(&name),
        shown.value,
        shown.value,
        word(shown.basis),
        number(shown.raw),
        number(shown.threshold),
    )
}

/// An example of each of the largest kinds, with its share.
pub(super) fn kinds(report: &Report, pictures: &Pictures) -> String {
    let variety = &report.variety;
    let mut figures = String::new();
    for (i, kind) in variety.kinds.iter().take(MOST_KINDS).enumerate() {
        let Some(print) = pictures.kinds.get(i).and_then(Option::as_ref) else {
            continue;
        };
        let name = label(&report.frames[kind.example]);
        let share = 100.0 * kind.frames as f64 / variety.compared.max(1) as f64;
        let picture = image(print, &format!("Example of kind {}: {name}", i + 1));
        let _ = write!(
            figures,
            r#"<figure class="kind">{picture}<figcaption><b>{share:.0} %</b> like {}</figcaption></figure>"#,
            Escaped(shortened(&name))
        );
    }
    format!(r#"<div class="kinds">{figures}</div>"#)
}

fn image(print: &Print, alt: &str) -> String {
    format!(
        r#"<img src="data:image/jpeg;base64,{}" width="{}" height="{}" alt="{}">"#,
        base64(&print.jpeg),
        print.width,
        print.height,
        Escaped(alt)
    )
}

/// RFC 4648, padded.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| {
            bits << 8 | u32::from(three.get(i).copied().unwrap_or(0))
        });
        for digit in 0..4 {
            text.push(match digit <= three.len() {
                true => char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in pairs {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }
}
