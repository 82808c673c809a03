//! A picture as a camera's driver gave it: bytes, and how they are laid out.
//!
//! It is only what the driver says: whether the bytes are enough for their size, and whether they
//! decode, is found out by preprocess.

/// A picture as a camera's driver gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPicture {
    /// How the bytes are laid out.
    pub layout: Layout,
    /// Columns, as negotiated with the driver.
    pub width: u32,
    /// Rows, as negotiated with the driver.
    pub height: u32,
    /// Bytes from one row to the next, of the first plane; 0 for [`Layout::Mjpeg`].
    pub stride: u32,
    /// What black and white are, of [`Layout::Yuyv`] and [`Layout::Nv12`].
    pub range: Range,
    /// What the driver filled, and no more (`bytesused`).
    pub data: Vec<u8>,
}

/// Which levels the samples of YUV use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Range {
    /// Black is 16, white 235: what cameras use that say nothing else.
    #[default]
    Limited,
    /// Black is 0, white 255.
    Full,
}

/// How the bytes of a [`RawPicture`] are laid out (V4L2 fourcc in parentheses).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One JPEG a picture, the Huffman tables possibly left out (`MJPG`).
    Mjpeg,
    /// Y0 U Y1 V: two pixels in four bytes (`YUYV`).
    Yuyv,
    /// A plane of Y, then one of U and V in turn, at half the size each way (`NV12`).
    Nv12,
    /// One byte a pixel (`GREY`).
    Grey,
    /// R G B, three bytes a pixel (`RGB3`).
    Rgb24,
}

impl Layout {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Mjpeg => "mjpeg",
            Layout::Yuyv => "yuyv",
            Layout::Nv12 => "nv12",
            Layout::Grey => "grey",
            Layout::Rgb24 => "rgb24",
        }
    }

    /// Whether there are pictures of this size: some layouts have pixels in pairs or in squares of four.
    pub fn allows(self, [width, height]: [u32; 2]) -> bool {
        match self {
            Layout::Yuyv => width % 2 == 0,
            Layout::Nv12 => width % 2 == 0 && height % 2 == 0,
            Layout::Mjpeg | Layout::Grey | Layout::Rgb24 => true,
        }
    }
}
