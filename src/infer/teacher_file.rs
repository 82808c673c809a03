//! A teacher's file: the ONNX bytes and the sidecar that says how the teacher wants its input.
//!
//! The bundled teacher is compiled in; any other is read from its path. Nothing is understood of the
//! network here, that is [`super::Teacher`]'s part.

use std::borrow::Cow;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::NotAVit;
use crate::preprocess::Interpolation;

/// The teacher that comes with the program.
const BUNDLED: &[u8] = include_bytes!("../../models/teacher.onnx");
const BUNDLED_SIDECAR: &str = include_str!("../../models/teacher.toml");
/// The name that stands for it in messages.
const BUNDLED_NAME: &str = "bundled teacher";

/// Why a teacher can't be used. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum TeacherError {
    /// The file, or its sidecar, can't be read.
    #[error("can't read the teacher {path}: check the path and its permissions")]
    Read {
        /// The file.
        path: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The sidecar is not what it should be.
    #[error("the teacher's sidecar {path} is wrong: {message}; see models/README.md for its keys")]
    Sidecar {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// The engine does not understand the file.
    #[error("{path} is damaged or no ONNX file the engine can load: {message}")]
    Load {
        /// The file.
        path: String,
        /// The engine's words.
        message: String,
    },
    /// It is an ONNX file, but no plain ViT.
    #[error("{path} is not a plain ViT; export one as models/README.md says")]
    NotAVit {
        /// The file.
        path: String,
        /// The reason.
        source: NotAVit,
    },
}

/// What the sidecar `<name>.toml` beside `<name>.onnx` says. All but `mean` and `std` may be left
/// out.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// For people.
    pub name: Option<String>,
    /// Subtracted from the channels scaled to 0..1.
    pub mean: [f32; 3],
    /// Divides them after that.
    pub std: [f32; 3],
    /// How the picture is resized.
    #[serde(default = "bilinear")]
    pub interpolation: Interpolation,
    /// Input columns and rows, where the file leaves them open.
    pub input: Option<[u32; 2]>,
    /// What it is computed in.
    #[serde(default)]
    pub precision: Precision,
    /// The licence of the weights, for people.
    pub licence: Option<String>,
}

/// What a teacher's matrix products are computed in, whatever its weights are stored in. Half precision is
/// meant for processors that have it, ARMv8.2 with fp16 such as Cortex-A76; others emulate it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Half precision; what leaves the teacher is single again.
    F16,
}

impl Precision {
    /// Whether nothing needs to be said of it.
    pub fn is_single(&self) -> bool {
        *self == Precision::F32
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        })
    }
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

/// A teacher's file as read.
#[derive(Debug, Clone)]
pub struct TeacherFile {
    /// Its path, or what stands for it.
    pub name: String,
    pub(super) bytes: Cow<'static, [u8]>,
    pub(super) sidecar: Sidecar,
    /// Whether the sidecar is a guess, none being there.
    pub sidecar_assumed: bool,
}

impl TeacherFile {
    /// The teacher at `path`, or the bundled one.
    pub fn open(path: Option<&Path>) -> Result<TeacherFile, TeacherError> {
        path.map_or_else(TeacherFile::bundled, TeacherFile::read)
    }

    fn bundled() -> Result<TeacherFile, TeacherError> {
        Ok(TeacherFile {
            name: BUNDLED_NAME.to_owned(),
            bytes: BUNDLED.into(),
            sidecar: parse_sidecar(BUNDLED_NAME, BUNDLED_SIDECAR)?,
            sidecar_assumed: false,
        })
    }

    /// Reads an ONNX file and the sidecar of the same stem. Without a sidecar mean and standard
    /// deviation are taken as 0.5, as most of timm's ViTs have it; the caller should warn.
    fn read(path: &Path) -> Result<TeacherFile, TeacherError> {
        let sidecar_path = path.with_extension("toml");
        let (sidecar, sidecar_assumed) = match read(&sidecar_path) {
            Ok(text) => {
                let shown = sidecar_path.display().to_string();
                (
                    parse_sidecar(&shown, &String::from_utf8_lossy(&text))?,
                    false,
                )
            }
            Err(TeacherError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                (Sidecar::assumed(), true)
            }
            Err(error) => return Err(error),
        };
        let name = path.display().to_string();
        Ok(TeacherFile {
            name,
            bytes: read(path)?.into(),
            sidecar,
            sidecar_assumed,
        })
    }

    /// Lower-case hexadecimal SHA-256 of the ONNX file.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Sidecar {
    pub(super) fn assumed() -> Sidecar {
        Sidecar {
            name: None,
            mean: [0.5; 3],
            std: [0.5; 3],
            interpolation: Interpolation::Bilinear,
            input: None,
            precision: Precision::F32,
            licence: None,
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TeacherError> {
    let failed = |source| TeacherError::Read {
        path: path.display().to_string(),
        source,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

fn parse_sidecar(path: &str, text: &str) -> Result<Sidecar, TeacherError> {
    let wrong = |message: String| TeacherError::Sidecar {
        path: path.to_owned(),
        message,
    };
    let sidecar: Sidecar = toml::from_str(text).map_err(|error| {
        // Its own text takes several lines.
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text[..at].matches('\n').count();
        wrong(format!("line {line}: {}", error.message()))
    })?;
    if sidecar.std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
        return Err(wrong("std must be three positive numbers".to_owned()));
    }
    if sidecar.mean.iter().any(|m| !m.is_finite()) {
        return Err(wrong("mean must be three finite numbers".to_owned()));
    }
    Ok(sidecar)
}

/// The sidecar's path for a teacher's.
pub fn sidecar_of(path: &Path) -> PathBuf {
    path.with_extension("toml")
}
