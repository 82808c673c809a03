//! From a frame to the teacher's input: resize, normalise, and a look at the scene as a whole.
//!
//! The resize works on 8-bit RGB and is Pillow's, within one grey level (0.03 on average):
//! antialiased, in the values as they are stored (no gamma), the aspect not kept. Rows are resized
//! first and columns then, as Pillow does: between the two the values are rounded and clipped, so
//! the order shows. Only the crop of a [`View`] is read, and what its mask hides is painted with the
//! teacher's mean colour before the resize: nothing of it reaches a pixel beside it. Everything else
//! is computed on the resized picture. The steps are a pure function of the frame; a [`Preprocessor`]
//! holds buffers only.

use std::borrow::Cow;

use fast_image_resize as fir;

use super::decode::decode_into;
use super::hide::Cover;
use super::scene::Look;
use super::{Interpolation, Picture, Prepared, Preprocessing, Rejection, View};
use crate::capture::Frame;

/// Turns frames into a teacher's input, one after another.
#[derive(Debug)]
pub struct Preprocessor {
    preprocessing: Preprocessing,
    view: View,
    cover: Cover,
    resizer: fir::Resizer,
    options: fir::ResizeOptions,
    /// Of the last picture that was decoded.
    memory: Vec<u8>,
    /// `[height of the crop, width, 3]`: rows resized, columns not yet.
    rows: fir::images::Image<'static>,
    /// `[height, width, 3]`.
    resized: fir::images::Image<'static>,
    /// Normalised value of each grey level, per channel.
    normalised: Box<[[f32; 256]; 3]>,
    /// What the last picture looked like as a whole.
    look: Look,
}

impl Preprocessor {
    /// For one teacher's constants, looking at the whole frame. The buffers take `4 * width * height`
    /// bytes and those of the largest frame, decoded and in resize.
    pub fn new(preprocessing: &Preprocessing) -> Self {
        let filter = match preprocessing.interpolation {
            Interpolation::Bilinear => fir::FilterType::Bilinear,
            Interpolation::Bicubic => fir::FilterType::CatmullRom,
        };
        let (width, height) = (preprocessing.width, preprocessing.height);
        Self {
            preprocessing: preprocessing.clone(),
            view: View::default(),
            cover: Cover::new(preprocessing.mean),
            resizer: fir::Resizer::new(),
            options: fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter)),
            memory: Vec::new(),
            rows: fir::images::Image::new(width, 1, fir::PixelType::U8x3),
            resized: fir::images::Image::new(width, height, fir::PixelType::U8x3),
            normalised: normalised(preprocessing),
            look: Look::new(width, height, &View::default()),
        }
    }

    /// The same for a camera of which only `view` is looked at.
    pub fn looking_at(self, view: View) -> Self {
        let Preprocessing { width, height, .. } = self.preprocessing;
        let look = Look::new(width, height, &view);
        Self { view, look, ..self }
    }

    /// The picture that the last [`Preprocessor::prepare`] made, `[height, width, 3]`; what it holds
    /// after an error means nothing.
    pub fn resized(&self) -> &[u8] {
        self.resized.buffer()
    }

    /// The same as a picture.
    pub fn picture(&self) -> Picture<'_> {
        Picture {
            width: self.preprocessing.width,
            height: self.preprocessing.height,
            data: self.resized().into(),
        }
    }

    /// The frame as the teacher wants it (METHOD.md, section 2, input).
    ///
    /// # Errors
    /// A [`Rejection`] where the frame holds no sound picture.
    pub fn prepare(&mut self, frame: &Frame) -> Result<Prepared, Rejection> {
        self.prepare_from(frame, |_| ())
    }

    /// The same in other light: every level of the frame is `factor` times as high, up to white. Levels
    /// are multiplied as they are stored; what a lamp, a cloud or an exposure does is next to a factor there too.
    ///
    /// # Errors
    /// As [`Preprocessor::prepare`].
    pub fn prepare_relit(&mut self, frame: &Frame, factor: f32) -> Result<Prepared, Rejection> {
        let levels: [u8; 256] =
            std::array::from_fn(|level| (level as f32 * factor).round().clamp(0.0, 255.0) as u8);
        self.prepare_from(frame, |picture| {
            for value in picture.data.to_mut() {
                *value = levels[usize::from(*value)];
            }
        })
    }

    /// With what `change` makes of the picture, before masks are laid on it.
    fn prepare_from(
        &mut self,
        frame: &Frame,
        change: impl FnOnce(&mut Picture<'_>),
    ) -> Result<Prepared, Rejection> {
        let mut picture = decode_into(std::mem::take(&mut self.memory), &frame.pixels)?;
        change(&mut picture);
        let (width, height) = (picture.width, picture.height);
        self.cover.lay(&self.view, &mut picture);
        self.resize(width, height, &picture.data)?;
        if let Cow::Owned(memory) = picture.data {
            self.memory = memory;
        }
        let looked = self.look.take(&self.resized, (width, height));
        looked.map_err(|error| Rejection::Undecodable(format!("the resize failed: {error}")))?;
        Ok(Prepared {
            input: self.input(),
            width,
            height,
            scene: self.look.statistics(),
        })
    }

    /// What the last prepared picture looked like as a whole.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Fills `resized`. Fails only on what `decode` and `new` rule out: a size of zero, or a buffer
    /// that does not fit its size.
    fn resize(&mut self, width: u32, height: u32, data: &[u8]) -> Result<(), Rejection> {
        let failed = |error: &dyn std::fmt::Display| {
            Rejection::Undecodable(format!("the resize failed: {error}"))
        };
        let source = fir::images::ImageRef::new(width, height, data, fir::PixelType::U8x3)
            .map_err(|error| failed(&error))?;
        // Not by the resize's own crop box: its filter reaches beyond the box's sides.
        let crop = self.view.crop().pixels(width, height);
        let source =
            fir::images::CroppedImage::new(&source, crop.x, crop.y, crop.width, crop.height)
                .map_err(|error| failed(&error))?;
        if self.rows.height() != crop.height {
            let width = self.preprocessing.width;
            self.rows = fir::images::Image::new(width, crop.height, fir::PixelType::U8x3);
        }
        self.resizer
            .resize(&source, &mut self.rows, &self.options)
            .and_then(|()| {
                self.resizer
                    .resize(&self.rows, &mut self.resized, &self.options)
            })
            .map_err(|error| failed(&error))
    }

    /// `[3, height, width]` of the resized picture.
    fn input(&self) -> Vec<f32> {
        let (pixels, _) = self.resized.buffer().as_chunks::<3>();
        let mut input = Vec::with_capacity(3 * pixels.len());
        for (channel, table) in self.normalised.iter().enumerate() {
            let values = pixels.iter().map(|pixel| pixel[channel]);
            input.extend(values.map(|value| table[usize::from(value)]));
        }
        input
    }
}

/// `(v / 255 - mean) / std` for every grey level.
fn normalised(preprocessing: &Preprocessing) -> Box<[[f32; 256]; 3]> {
    let mut tables = Box::new([[0.0; 256]; 3]);
    for (channel, table) in tables.iter_mut().enumerate() {
        let (mean, std) = (preprocessing.mean[channel], preprocessing.std[channel]);
        for (level, value) in table.iter_mut().enumerate() {
            *value = (level as f32 / 255.0 - mean) / std;
        }
    }
    tables
}

#[cfg(test)]
#[path = "resize_tests.rs"]
mod tests;
