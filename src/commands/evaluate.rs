//! `inspectd evaluate`: what each score of a Profile is worth on labelled images.

use std::path::Path;

use serde::Serialize;

use super::exit::DataError;
use super::judge::{Judge, Judged};
use super::output::{make_writable, say};
use super::progress;
use crate::capture::{footage, replay};
use crate::cli::EvaluateArgs;
use crate::evaluate::dump::Dump;
use crate::evaluate::enlarge::enlarge_in_view;
use crate::evaluate::masks::{SIDE, mask_of};
use crate::evaluate::metrics::ImageMetrics;
use crate::evaluate::pixels::{PixelMetrics, PixelPool};
use crate::evaluate::whole::WholeFile;
use crate::preprocess::View;
use crate::score::{Score, Scoring};

/// How one number is taken from a score.
type Take = fn(&Score) -> f64;

/// The scores in the order of the table, with how to take each from a [`Score`].
const SCORES: [(&str, Take); 9] = [
    ("pretrained", |score| score.pretrained),
    ("discrepancy", |score| score.discrepancy),
    ("paper", |score| score.paper),
    ("default", |score| score.default),
    ("local", |score| score.local),
    ("part z", |score| score.parts.z),
    ("part pooled_mid", |score| score.parts.pooled_mid),
    ("part pooled_late", |score| score.parts.pooled_late),
    ("part residual", |score| score.parts.residual),
];

/// The same for the part that only some Profiles have.
const BANK: (&str, Take) = ("part bank", |score| score.parts.bank.unwrap_or(f64::NAN));

/// The result, as written to `--json`.
#[derive(Debug, Serialize)]
struct Table {
    profile: String,
    teacher: String,
    scoring: Scoring,
    student_blocks: Vec<usize>,
    normal: usize,
    anomalous: usize,
    unjudged: Vec<String>,
    /// Share of the normal and of the anomalous images that `run` would call anomalous, ...
    false_alarms: f64,
    detected: f64,
    /// ... and of those that it would put down to the scene as a whole.
    normal_at_fault: f64,
    anomalous_at_fault: f64,
    scores: Vec<Row>,
    pixels: Option<PixelMetrics>,
    milliseconds_per_image: f64,
}

#[derive(Debug, Serialize)]
struct Row {
    score: &'static str,
    #[serde(flatten)]
    metrics: ImageMetrics,
}

/// What was gathered over the images.
#[derive(Default)]
struct Gathered {
    normal: Vec<Score>,
    anomalous: Vec<Score>,
    /// Those that the daemon would call anomalous, and those whose scene it would find at fault.
    told: [Told; 2],
    unjudged: Vec<String>,
    pixels: PixelPool,
    has_masks: bool,
    dump: Dump,
    seconds: f64,
}

/// What the daemon would say of images of one label.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    anomalous: usize,
    at_fault: usize,
}

/// Measures and prints the table.
pub(super) fn evaluate(args: &EvaluateArgs) -> anyhow::Result<()> {
    if let Some(folder) = &args.dump {
        make_writable(folder)?;
    }
    // Opened before the work, so that a bad path is told at once.
    let json = args.json.as_deref().map(WholeFile::create).transpose()?;
    let mut judge = Judge::open(&args.profile, args.teacher.as_deref())?;
    let mut gathered = Gathered::default();
    gathered.folder(&mut judge, &args.normal, Label::Normal, args)?;
    gathered.folder(&mut judge, &args.anomalous, Label::Anomalous, args)?;
    let table = gathered.table(&judge)?;
    let said = print(&table);
    // What was asked for by name does not depend on who reads the table.
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&table)? + "\n";
        file.finish(text.as_bytes())?;
    }
    if let Some(folder) = &args.dump {
        gathered.dump.write(folder)?;
    }
    said
}

#[derive(Clone, Copy, PartialEq)]
enum Label {
    Normal,
    Anomalous,
}

impl Gathered {
    /// Judges all images of a folder.
    fn folder(
        &mut self,
        judge: &mut Judge,
        folder: &Path,
        label: Label,
        args: &EvaluateArgs,
    ) -> anyhow::Result<()> {
        let images = footage(folder)?.into_opener();
        let bar = progress::counter(&format!("judging {}", folder.display()));
        for frame in replay(images.as_ref())? {
            let frame = frame?;
            let name = frame.name.clone().unwrap_or_default().to_string();
            let started = std::time::Instant::now();
            let judged = judge.judge(&frame);
            self.seconds += started.elapsed().as_secs_f64();
            bar.inc(1);
            match judged {
                Ok(judged) => {
                    let view = &judge.profile().manifest().origin.view;
                    self.judged(&name, judged, view, label, args)?;
                }
                Err(rejection) => {
                    let path = folder.join(&name);
                    tracing::warn!("{} is left out: {rejection}", path.display());
                    self.unjudged.push(path.display().to_string());
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn judged(
        &mut self,
        name: &str,
        judged: Judged,
        view: &View,
        label: Label,
        args: &EvaluateArgs,
    ) -> anyhow::Result<()> {
        let score = judged.score;
        let told = &mut self.told[usize::from(label == Label::Anomalous)];
        told.at_fault += usize::from(judged.fault.is_some());
        told.anomalous += usize::from(judged.fault.is_none() && score.is_anomalous());
        if let Some(masks) = &args.masks {
            let size = (SIDE as u32, SIDE as u32);
            let map = enlarge_in_view(&score.map, score.patches.grid(), view, size);
            if label == Label::Normal {
                self.pixels.add_normal(&map)?;
            } else {
                self.has_masks = true;
                self.pixels.add(&map, &mask_of(masks, name)?, SIDE)?;
            }
        }
        if args.dump.is_some() {
            let row = std::array::from_fn(|column| SCORES[column].1(&score));
            self.dump
                .push(name, label == Label::Anomalous, &judged.features, row);
        }
        match label {
            Label::Normal => self.normal.push(score),
            Label::Anomalous => self.anomalous.push(score),
        }
        Ok(())
    }

    fn table(&mut self, judge: &Judge) -> anyhow::Result<Table> {
        let take = |scores: &[Score], of: fn(&Score) -> f64| -> Vec<f64> {
            scores.iter().map(of).collect()
        };
        let row = |(score, of): (&'static str, Take)| {
            let metrics = ImageMetrics::new(&take(&self.normal, of), &take(&self.anomalous, of));
            let metrics = metrics.ok_or_else(|| {
                let fault = "nothing to compare: both folders must hold at least one image that \
                             can be judged";
                DataError(fault.to_owned())
            })?;
            Ok(Row { score, metrics })
        };
        let has_bank = judge.profile().statistics().fit().bank().is_some();
        let scores = SCORES
            .into_iter()
            .chain(has_bank.then_some(BANK))
            .map(row)
            .collect::<anyhow::Result<Vec<Row>>>()?;
        let [normal, anomalous] = self.told;
        let share = |told: usize, scores: &[Score]| told as f64 / scores.len() as f64;
        let manifest = judge.profile().manifest();
        let count = self.normal.len() + self.anomalous.len();
        Ok(Table {
            profile: judge.profile().id().to_owned(),
            teacher: manifest.origin.teacher.sha256.clone(),
            scoring: manifest.scoring,
            student_blocks: manifest.origin.student.blocks.clone(),
            normal: self.normal.len(),
            anomalous: self.anomalous.len(),
            unjudged: self.unjudged.clone(),
            false_alarms: share(normal.anomalous, &self.normal),
            detected: share(anomalous.anomalous, &self.anomalous),
            normal_at_fault: share(normal.at_fault, &self.normal),
            anomalous_at_fault: share(anomalous.at_fault, &self.anomalous),
            scores,
            pixels: self
                .has_masks
                .then(|| std::mem::take(&mut self.pixels).metrics())
                .flatten(),
            milliseconds_per_image: 1e3 * self.seconds / count as f64,
        })
    }
}

fn print(table: &Table) -> anyhow::Result<()> {
    say!(
        "normal {}  anomalous {}  left out {}",
        table.normal,
        table.anomalous,
        table.unjudged.len()
    )?;
    say!("student blocks {:?}", table.student_blocks)?;
    say!(
        "{:<18} {:>7} {:>7} {:>7} {:>10}",
        "score",
        "AUROC",
        "AP",
        "F1-max",
        "FPR at 95%"
    )?;
    for Row { score, metrics: m } in &table.scores {
        say!(
            "{score:<18} {:>7.3} {:>7.3} {:>7.3} {:>10.3}",
            m.auroc,
            m.average_precision,
            m.f1_max,
            m.fpr_at_95_recall
        )?;
    }
    if let Some(pixels) = &table.pixels {
        say!(
            "pixels             AUROC {:.3}  AUPRO {:.3}",
            pixels.auroc,
            pixels.aupro
        )?;
    }
    say!(
        "at the thresholds  {:.1} % of the normal images alarm, {:.1} % of the anomalous",
        100.0 * table.false_alarms,
        100.0 * table.detected
    )?;
    let at_fault = [table.normal_at_fault, table.anomalous_at_fault];
    if at_fault.iter().any(|share| *share > 0.0) {
        say!(
            "scene at fault     {:.1} % of the normal images and {:.1} % of the anomalous, which alarm as \
             such",
            100.0 * at_fault[0],
            100.0 * at_fault[1]
        )?;
    }
    say!("{:.1} ms per image", table.milliseconds_per_image)?;
    Ok(())
}
