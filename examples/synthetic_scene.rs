//! Writes pictures of the synthetic scene, for `inspectd calibrate` and `inspectd evaluate`:
//! `cargo run --release --example synthetic_scene -- FOLDER` makes `FOLDER/fit` (300 normal pictures),
//! `FOLDER/normal` (200 later ones) and `FOLDER/bad` (200 that show a defect, at least by half).

use std::path::Path;

use anyhow::{Context as _, bail};
use image::RgbImage;
use inspectd::capture::synthetic::{HEIGHT, Product, Synthetic, WIDTH, truth};

/// Everything random follows from it.
const SEED: u64 = 11;
/// From one frame that is kept to the next: prime to the 10 frames from part to part, so that every position occurs.
const STRIDE: u64 = 7;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("name a folder")?;
    let folder = Path::new(&folder);
    if folder.exists() {
        bail!(
            "{} exists: pictures of a former run would mix in",
            folder.display()
        );
    }
    write(
        &folder.join("fit"),
        false,
        (0..).step_by(STRIDE as usize),
        300,
    )?;
    let later = (100_000..).step_by(STRIDE as usize);
    write(&folder.join("normal"), false, later, 200)?;
    let defective = (200_000..).step_by(STRIDE as usize);
    let defective = defective.filter(|&i| truth(SEED, Product::default(), i).is_some());
    write(&folder.join("bad"), true, defective, 200)
}

fn write(
    folder: &Path,
    defects: bool,
    numbers: impl Iterator<Item = u64>,
    count: usize,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let scene = Synthetic {
        seed: SEED,
        defects,
        ..Synthetic::default()
    };
    for number in numbers.take(count) {
        let picture = RgbImage::from_raw(WIDTH, HEIGHT, scene.picture(number))
            .context("the scene's picture has another size")?;
        let path = folder.join(format!("{number:06}.png"));
        picture
            .save(&path)
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
