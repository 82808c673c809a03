//! The page: one HTML file with all that it shows inside, which no one has to be online for.
//!
//! It runs no script and fetches nothing, and its own policy forbids both. It follows the reader's
//! light or dark mode, a phone's width and a printer.

use std::fmt::Write as _;

use super::text::{Escaped, label, shortened, span};
use super::{Pictures, Report, Trace, chart, gallery};
use crate::score::{Basis, Scoring};

const STYLE: &str = include_str!("report.css");
/// Frames like no other that are named.
const MOST_ALONE: usize = 12;

/// `report.html`.
pub fn page(report: &Report, pictures: &Pictures) -> String {
    let name = Escaped(&report.name);
    let sections = [
        header(report),
        verdict(report),
        tiles(report),
        advice(report),
        scores(report),
        worst(report, pictures),
        variety(report, pictures),
        light(report),
        left_out(report),
        origin(report),
    ];
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{name}: calibration report</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
{}</main>
</body>
</html>
"#,
        sections.concat()
    )
}

fn header(report: &Report) -> String {
    let made = report.calibrated_at.map_or_else(String::new, |at| {
        format!("{} UTC · ", at.strftime("%-d %B %Y, %H:%M"))
    });
    format!(
        "<header><p class=\"eyebrow\">inspectd · calibration report</p><h1>{}</h1><p \
         class=\"soft\">{made}{}</p></header>\n",
        Escaped(&report.name),
        Escaped(&report.footage.source)
    )
}

fn verdict(report: &Report) -> String {
    let promise = &report.promise;
    let (class, mark, what) = if promise.is_supported {
        ("good", "✓", "The footage supports the budget")
    } else {
        ("poor", "!", "The footage does not support the budget")
    };
    format!(
        "<section class=\"verdict {class}\"><span class=\"mark\" \
         aria-hidden=\"true\">{mark}</span><div><h2>{what}</h2><p>Asked for: {}. Likely: {}, \
         and with 90 % certainty between {} and {}.</p></div></section>\n",
        Escaped(&promise.budget),
        Escaped(&promise.likely),
        Escaped(&promise.interval.0),
        Escaped(&promise.interval.1)
    )
}

fn tiles(report: &Report) -> String {
    let (footage, variety, promise) = (&report.footage, &report.variety, &report.promise);
    let kinds = counted(variety.kinds.len(), "kind of picture", "kinds of picture");
    let length = footage
        .seconds
        .map_or_else(String::new, |seconds| format!(", {}", span(seconds)));
    let is_above = |frame: &usize| report.scores.iter().any(|trace| trace.is_above(*frame));
    let above = (0..footage.used).filter(is_above).count();
    let tiles = [
        (
            "Learnt from",
            counted(footage.used, "frame", "frames"),
            format!("of {} in the footage{length}", footage.frames),
        ),
        (
            "Different frames",
            variety.different.to_string(),
            format!("of {} compared; {kinds}", variety.compared),
        ),
        (
            "Above a threshold",
            counted(above, "frame", "frames"),
            format!("of the {} held out", footage.used),
        ),
        (
            "Shortest footage for it",
            promise.shortest_footage.clone(),
            "to support the budget".to_owned(),
        ),
    ];
    let tile = |(name, value, more): &(&str, String, String)| {
        format!(
            "<div class=\"tile\"><dt>{name}</dt><dd><b>{}</b><span>{}</span></dd></div>",
            Escaped(value),
            Escaped(more)
        )
    };
    let tiles: String = tiles.iter().map(tile).collect();
    format!("<dl class=\"tiles\">{tiles}</dl>\n")
}

fn advice(report: &Report) -> String {
    let mut list = String::new();
    for sentence in &report.advice {
        let _ = write!(list, "<li>{}</li>", Escaped(sentence_case(sentence)));
    }
    let content = if list.is_empty() {
        "<p>Nothing speaks against this footage.</p>".to_owned()
    } else {
        format!("<ul class=\"advice\">{list}</ul>")
    };
    format!("<section><h2>What would make it better</h2>{content}</section>\n")
}

fn scores(report: &Report) -> String {
    let figures: String = report
        .scores
        .iter()
        .map(|trace| figure(report, trace))
        .collect();
    format!(
        "<section><h2>Scores of normal frames</h2><p>Each frame was scored by statistics that did not \
         see its quarter of the footage, as new frames will be. Higher is more anomalous; the histogram \
         at the right shares the scale. Point at a dot for its name.</p><ul class=\"keys\"><li><i \
         class=\"key dot\"></i>a frame</li><li><i class=\"key over\"></i>above the threshold</li><li><i \
         class=\"key worst\"></i>one of those below</li><li><i class=\"key \
         threshold\"></i>threshold</li><li><i class=\"key alarm\"></i>alarm line</li></ul>{figures}</section>\n"
    )
}

fn figure(report: &Report, trace: &Trace) -> String {
    let (title, what) = match (trace.basis, report.scoring) {
        (Basis::Image, Scoring::Default) => ("Picture as a whole", "the sum of its parts"),
        (Basis::Image, Scoring::Paper) => ("Picture as a whole", "the paper's score"),
        (Basis::Local, _) => (
            "Worst spot",
            "the local score, in deviations of what is normal there",
        ),
    };
    let chart = chart::scores(trace, &report.frames, &report.worst);
    format!(
        "<figure class=\"chart\"><figcaption><b>{title}</b> <span \
         class=\"soft\">{what}</span></figcaption><div class=\"frame tall\">{chart}</div></figure>"
    )
}

fn worst(report: &Report, pictures: &Pictures) -> String {
    let count = report.worst.len();
    if count == 0 {
        return String::new();
    }
    format!(
        "<section><h2>The {count} highest normal frames</h2><p>Were they normal? What is not belongs out \
         of the footage; what is shows where false alarms would come from. In the heat map grey is as \
         ever at that place, colour stands out, and dark is not looked at.</p><p class=\"ramp\"><span>as \
         ever</span><i aria-hidden=\"true\"></i><span>stands out</span></p>{}</section>\n",
        gallery::worst(report, pictures)
    )
}

fn variety(report: &Report, pictures: &Pictures) -> String {
    let variety = &report.variety;
    let duplicates = match variety.compared - variety.different {
        0 => "No frame is a near-duplicate of another".to_owned(),
        some => format!(
            "{some} of {} frames are near-duplicates of another",
            variety.compared
        ),
    };
    let kinds = counted(variety.kinds.len(), "kind", "kinds");
    let mut text = format!(
        "<p>{duplicates}, as the teacher sees them. The {} different ones make {kinds}: frames that are \
         linked by others in between.",
        variety.different
    );
    if !variety.alone.is_empty() {
        let names = variety.alone.iter().take(MOST_ALONE);
        let names: Vec<String> = names.map(|&frame| label(&report.frames[frame])).collect();
        let more = variety.alone.len().saturating_sub(MOST_ALONE);
        let more = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = write!(text, " Like no other: {}{more}.", Escaped(names.join(", ")));
    }
    format!(
        "<section><h2>Variety</h2>{text}</p>{}</section>\n",
        gallery::kinds(report, pictures)
    )
}

fn light(report: &Report) -> String {
    let light = &report.light;
    let change = light.change.map_or_else(String::new, |change| {
        format!(
            " It changed at {} (dashed): {:.2} before, {:.2} from there on.",
            label(&report.frames[change.from]),
            change.before,
            change.after
        )
    });
    let each = light.kinds.iter().map(|kind| {
        let (frames, mean, above) = (kind.frames, kind.mean, kind.above);
        format!("{frames} frames at {mean:.2} ({above} above a threshold)")
    });
    let kinds = match light.kinds.len() {
        0 => String::new(),
        count => format!(
            " {count} kinds of light are told apart, each with statistics of its own: {}.",
            each.collect::<Vec<_>>().join(", ")
        ),
    };
    format!(
        "<section><h2>Light</h2><p>Brightness from {:.2} to {:.2} of 1, {:.2} in the mean.{}{}</p><figure \
         class=\"chart\"><div class=\"frame low\">{}</div></figure></section>\n",
        light.least,
        light.most,
        light.mean,
        Escaped(change),
        Escaped(kinds),
        chart::light(light, &report.frames)
    )
}

fn left_out(report: &Report) -> String {
    let footage = &report.footage;
    if footage.left_out == 0 {
        return String::new();
    }
    let mut rows = String::new();
    for (name, reason) in &footage.left_out_first {
        let (name, reason) = (shortened(name), sentence_case(reason));
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td></tr>",
            Escaped(name),
            Escaped(reason)
        );
    }
    let more = footage.left_out - footage.left_out_first.len();
    let more = match more {
        0 => String::new(),
        more => format!("<p class=\"soft\">And {more} more.</p>"),
    };
    format!(
        "<section><h2>Left out</h2><table><thead><tr><th scope=\"col\">Frame</th><th \
         scope=\"col\">Why</th></tr></thead><tbody>{rows}</tbody></table>{more}</section>\n"
    )
}

fn origin(report: &Report) -> String {
    let footage = &report.footage;
    let size = footage.size.map_or_else(
        || "of different sizes".to_owned(),
        |(width, height)| format!("{width} × {height}"),
    );
    let rows = [
        ("Profile", report.profile.clone()),
        ("Footage", footage.source.clone()),
        ("Frames", size),
        ("Made by", format!("inspectd {}", report.version)),
    ];
    let row = |(name, value): &(&str, String)| {
        format!("<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(value))
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<footer><dl class=\"origin\">{rows}</dl><p class=\"soft\">All of it in numbers: report.json in \
         the Profile's directory.</p></footer>\n"
    )
}

/// `1 frame`, `20 frames`.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// With a capital and a full stop.
fn sentence_case(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(char::to_uppercase);
    let stop = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    first.into_iter().flatten().chain(rest).collect::<String>() + stop
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
