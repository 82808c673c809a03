//! Frame to the teacher's input: decode, resize, normalise; and the statistics of the scene.
//!
//! Resizing is Pillow's antialiased bilinear (METHOD.md: the aspect is not kept). A frame that can't be
//! decoded is a [`Rejection`], never a guess.

mod decode;
mod file;
mod gate;
mod hide;
mod huffman;
mod jpeg;
mod raw;
mod resize;
mod scan;
pub mod scene;
mod view;

pub(crate) use decode::{MAX_PIXELS, MAX_SIDE, MIN_SIDE, accept_size};
pub use decode::{Picture, decode};
pub use file::{extension, picture_file, png};
pub use gate::Gate;
pub use hide::paint_masked;
pub use jpeg::motion_file;
pub use resize::Preprocessor;
pub use scene::{Lighting, SceneReference, SceneRules, SceneWatch, SceneZ};
pub(crate) use view::LEAST_KEPT;
pub use view::{Crop, Mask, Polygon, Rect, View, ViewError};

/// How a teacher wants its input; read from the sidecar of its file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Preprocessing {
    /// Input columns and rows.
    pub width: u32,
    /// Input rows.
    pub height: u32,
    /// Subtracted from each channel scaled to 0..1.
    pub mean: [f32; 3],
    /// Divides each channel after that.
    pub std: [f32; 3],
    /// How the picture is resized.
    pub interpolation: Interpolation,
}

/// The filter of a resize; always antialiased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Triangle filter.
    Bilinear,
    /// Catmull-Rom filter.
    Bicubic,
}

/// A frame ready for the teacher.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// `[3, height, width]`, normalised.
    pub input: Vec<f32>,
    /// Columns of the picture before the resize.
    pub width: u32,
    /// Rows of the picture before the resize.
    pub height: u32,
    /// What the scene looks like as a whole.
    pub scene: SceneStatistics,
}

/// Global appearance of a picture, cheap to compute; on luma scaled to 0..1.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SceneStatistics {
    /// Mean.
    pub brightness: f32,
    /// Standard deviation.
    pub contrast: f32,
    /// Mean absolute difference of neighbouring pixels of the resized picture.
    pub sharpness: f32,
}

/// What keeps a camera from seeing the scene that it was calibrated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SceneFaultKind {
    /// There is next to nothing to see.
    Blocked,
    /// It looks at another place.
    Moved,
    /// It repeats one picture.
    Frozen,
    /// The light is another.
    Changed,
}

impl SceneFaultKind {
    /// One word for programs: the cause of the incident that follows.
    pub fn word(self) -> &'static str {
        match self {
            SceneFaultKind::Blocked => "camera_blocked",
            SceneFaultKind::Moved => "camera_moved",
            SceneFaultKind::Frozen => "camera_frozen",
            SceneFaultKind::Changed => "scene_changed",
        }
    }
}

/// The camera does not see the scene that it was calibrated for.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneFault {
    /// What is wrong.
    pub kind: SceneFaultKind,
    /// How the picture looks.
    pub scene: SceneStatistics,
    /// Columns of the picture.
    pub width: u32,
    /// Rows of the picture.
    pub height: u32,
    /// How far beyond its limit the worst measure lies: 1 is the limit, more is worse.
    pub severity: f32,
    /// What was measured, against which limit, in words.
    pub detail: String,
}

impl std::fmt::Display for SceneFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Why a frame can't be judged. Such a frame is reported as such and never counts as normal.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// Not a picture, or a damaged one.
    #[error("the picture can't be decoded: {0}")]
    Undecodable(String),
    /// A picture larger or smaller than is sensible.
    #[error("the picture is {width}x{height}; 16 to 16384 pixels a side are accepted")]
    Size {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Of another size than the normal footage.
    #[error(
        "the picture is {width}x{height}, the normal footage was {expected_width}x{expected_height}"
    )]
    Format {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Columns of the normal footage.
        expected_width: u32,
        /// Rows of the normal footage.
        expected_height: u32,
    },
    /// The models failed on it.
    #[error("inference failed: {0}")]
    Inference(String),
    /// The features or scores are not finite.
    #[error("the score is not a finite number")]
    NotFinite,
    /// The driver or the decoder says that the picture is damaged.
    #[error("the camera's driver or decoder gave a damaged picture: {0}")]
    Damaged(String),
    /// The camera does not see the scene that it was calibrated for.
    #[error("{0}")]
    Scene(SceneFault),
    /// The source was opened a moment ago: its exposure settles, or it has given one picture only.
    #[error("exposure and picture settle after the start")]
    Settling,
    /// There is no picture at all: the source is down.
    #[error("no frames: {0}")]
    NoFrames(String),
}

impl Rejection {
    /// So many bad frames in a row are no accident: the format has changed, or the line is broken.
    pub const BAD_RUN: u32 = 5;

    /// One word for programs and counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Rejection::Undecodable(_) => "undecodable",
            Rejection::Size { .. } => "size",
            Rejection::Format { .. } => "format",
            Rejection::Inference(_) => "inference",
            Rejection::NotFinite => "not_finite",
            Rejection::Damaged(_) => "damaged",
            Rejection::Scene(fault) => fault.kind.word(),
            Rejection::Settling => "settling",
            Rejection::NoFrames(_) => "no_frames",
        }
    }

    /// Whether its source gave something that is no picture of the calibrated format. Many of them in a
    /// row are a fault of the source.
    pub fn is_bad_frame(&self) -> bool {
        matches!(
            self,
            Rejection::Undecodable(_)
                | Rejection::Size { .. }
                | Rejection::Format { .. }
                | Rejection::Damaged(_)
        )
    }

    /// Whether its source repeats one picture.
    pub fn is_frozen(&self) -> bool {
        matches!(self, Rejection::Scene(fault) if fault.kind == SceneFaultKind::Frozen)
    }
}
