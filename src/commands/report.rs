//! The report of a calibration with its pictures, which are drawn from the footage once more: nothing
//! but the numbers of the frames is kept until it is known which are shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use image::{RgbImage, imageops};

use super::darkroom::{fitted, image_of};
use super::judge::heat_scale_to;
use super::progress::Bars;
use crate::capture::{CaptureError, Frame, Opener, replay};
use crate::evaluate::heatmap::{Scale, overlay};
use crate::infer::Grid;
use crate::preprocess::{Picture, View, decode, paint_masked};
use crate::score::profile::Profile;
use crate::train::calibrate::Calibration;
use crate::train::report::{MOST_KINDS, Pictures, Print, Report, page};
use crate::train::{CalibrationError, Step};

/// The longer side of a picture of the worst frames, and of an example of a kind.
const WORST_SIDE: u32 = 480;
const KIND_SIDE: u32 = 240;
/// Bytes of each at most: twenty and six of them, in base64, are 1.3 MB.
const WORST_BYTES: usize = 44_000;
const KIND_BYTES: usize = 16_000;

/// A report and its pictures, to be kept until the Profile is made.
pub(super) struct Draft {
    report: Report,
    pictures: Pictures,
}

/// Draws the report of what was learnt from `footage`, of which `view` is looked at. Once `stop` is
/// raised it ends.
pub(super) fn draft(
    learnt: &Calibration,
    footage: &dyn Opener,
    (out, view): (&Path, &View),
    bars: &Bars,
    stop: &AtomicBool,
) -> Result<Draft, CalibrationError> {
    let name = out.file_name().unwrap_or(out.as_os_str()).to_string_lossy();
    let report = Report::of(learnt, &without_folders(&footage.describe()), &name);
    let easel = Easel {
        report: &report,
        view,
        grid: learnt.statistics.fit().patches().grid(),
        scale: heat_scale_to(learnt.statistics.local().raw()),
    };
    let pictures = easel.draw(footage, bars, stop)?;
    Ok(Draft { report, pictures })
}

impl Draft {
    /// The files of `score::profile::REPORTS`.
    pub(super) fn finish(self, profile: &Profile) -> [Vec<u8>; 2] {
        let report = self.report.issued(profile);
        let html = page(&report, &self.pictures).into_bytes();
        [html, report.to_json()]
    }
}

/// Where the pictures of a report go.
#[derive(Clone, Copy)]
enum Spot {
    Worst(usize),
    Kind(usize),
}

struct Easel<'a> {
    report: &'a Report,
    view: &'a View,
    grid: Grid,
    scale: Scale,
}

impl Easel<'_> {
    /// The frames that are shown, by their number in the footage.
    fn wanted(&self) -> BTreeMap<usize, Vec<Spot>> {
        let worst = self.report.worst.iter().enumerate();
        let worst = worst.map(|(i, shown)| (shown.frame, Spot::Worst(i)));
        let kinds = self.report.variety.kinds.iter().take(MOST_KINDS);
        let kinds = kinds
            .enumerate()
            .map(|(i, kind)| (kind.example, Spot::Kind(i)));
        let mut wanted: BTreeMap<usize, Vec<Spot>> = BTreeMap::new();
        for (frame, spot) in worst.chain(kinds) {
            let number = self.report.frames[frame].number;
            wanted.entry(number).or_default().push(spot);
        }
        wanted
    }

    /// What can't be drawn is left out of the report: the Profile is worth more than its pictures.
    fn draw(
        &self,
        footage: &dyn Opener,
        bars: &Bars,
        stop: &AtomicBool,
    ) -> Result<Pictures, CalibrationError> {
        let mut pictures = Pictures {
            worst: vec![None; self.report.worst.len()],
            kinds: vec![None; self.report.variety.kinds.len().min(MOST_KINDS)],
        };
        let drawn = self.pass_over(footage, bars, stop, &mut pictures);
        if stop.load(Ordering::Relaxed) {
            return Err(CalibrationError::Stopped);
        }
        if let Err(fault) = drawn {
            tracing::warn!("the report lacks pictures: {fault}");
        }
        Ok(pictures)
    }

    /// Passes over the footage as far as it has to.
    fn pass_over(
        &self,
        footage: &dyn Opener,
        bars: &Bars,
        stop: &AtomicBool,
        pictures: &mut Pictures,
    ) -> Result<(), CaptureError> {
        let mut wanted = self.wanted();
        let total = wanted.keys().next_back().map_or(0, |last| last + 1);
        for (number, frame) in replay(footage)?.take(total).enumerate() {
            let frame = frame?;
            if stop.load(Ordering::Relaxed) {
                break;
            }
            bars.at(Step::Draw, number + 1, total);
            let Some(spots) = wanted.remove(&number) else {
                continue;
            };
            if let Err(fault) = self.hang(&frame, &spots, pictures) {
                tracing::warn!("frame {number} can't be drawn for the report: {fault}");
            }
        }
        Ok(())
    }

    fn hang(&self, frame: &Frame, spots: &[Spot], to: &mut Pictures) -> Result<(), String> {
        let mut picture = decode(&frame.pixels).map_err(|fault| fault.to_string())?;
        // What a mask hides is not to be mailed either.
        paint_masked(self.view, &mut picture);
        let picture = image_of(picture)?;
        for spot in spots {
            match *spot {
                Spot::Worst(i) => {
                    let small = shrunk(&picture, WORST_SIDE);
                    let heated = self.heated(&small, &self.report.worst[i].map)?;
                    to.worst[i] = Some([print(small, WORST_BYTES)?, print(heated, WORST_BYTES)?]);
                }
                Spot::Kind(i) => {
                    to.kinds[i] = Some(print(shrunk(&picture, KIND_SIDE), KIND_BYTES)?);
                }
            }
        }
        Ok(())
    }

    fn heated(&self, image: &RgbImage, map: &[f32]) -> Result<RgbImage, String> {
        let picture = Picture {
            width: image.width(),
            height: image.height(),
            data: image.as_raw().into(),
        };
        let heated = overlay(&picture, map, self.grid, self.scale, self.view);
        heated.ok_or_else(|| "the map does not fit its grid".to_owned())
    }
}

/// The kinds and the last names of sources: a report is mailed, and where the footage lies is nobody's
/// business.
fn without_folders(sources: &str) -> String {
    let told = sources.split(", ").map(|source| {
        let kind = source.split(' ').next().filter(|word| !word.contains('/'));
        match (source.trim_end_matches('/').rsplit_once('/'), kind) {
            (Some((_, last)), Some(kind)) => format!("{kind} {last}"),
            (Some((_, last)), None) => last.to_owned(),
            (None, _) => source.to_owned(),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

/// With `side` as its longer side, where it is larger.
fn shrunk(image: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let longer = width.max(height);
    if longer <= side {
        return image.clone();
    }
    let scaled =
        |length: u32| (u64::from(length) * u64::from(side) / u64::from(longer)).max(1) as u32;
    imageops::thumbnail(image, scaled(width), scaled(height))
}

fn print(image: RgbImage, max_bytes: usize) -> Result<Print, String> {
    let (width, height) = image.dimensions();
    Ok(Print {
        jpeg: fitted(image, max_bytes)?,
        width,
        height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_does_not_tell_where_the_footage_lies() {
        let told = without_folders("images /home/alice/acme/normal/");
        assert_eq!(told, "images normal");
        assert_eq!(without_folders("ffmpeg normal.mp4"), "ffmpeg normal.mp4");
        let told = without_folders("images /home/alice/day, ffmpeg /home/alice/a, b/night.mp4");
        assert_eq!(told, "images day, ffmpeg a, night.mp4");
    }

    #[test]
    fn a_picture_keeps_its_shape_and_a_small_one_its_size() {
        let size = |width, height| shrunk(&RgbImage::new(width, height), 480).dimensions();
        assert_eq!(size(1920, 1080), (480, 270));
        assert_eq!(size(300, 900), (160, 480));
        assert_eq!(size(480, 20), (480, 20));
        assert_eq!(size(60_000, 1), (480, 1));
    }
}
