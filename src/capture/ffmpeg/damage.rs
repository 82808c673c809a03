//! What ffmpeg's complaints about a stream say of its pictures.
//!
//! ffmpeg is told to leave out what it knows to be damaged, but it goes on with the pictures that were
//! to be built upon that, and makes up the rest. Measured with 5.1 and H.264 in MPEG-TS: of 60 pictures,
//! 7 to 10 were wrong after some lost packets, and it complained of the first only. So after a complaint
//! no picture is trusted for 2 s, in which a new keyframe should come. Motion JPEG has no such
//! pictures: one that is cut off is left out alone.
//!
//! What remains: a camera that sends keyframes more than 2 s apart may give wrong pictures until the
//! next; and a loss that ffmpeg does not notice, or tells in words that are not known here, is not
//! heeded.

use super::super::child::Says;

/// Words for packets and pictures that are lost or damaged, of the versions 5.1 to 7.1.
const LOSSES: [&str; 12] = [
    "packet corrupt",
    "corrupt input packet",
    "corrupt decoded frame",
    "error while decoding",
    "error submitting packet to decoder",
    "decoding error",
    "decode_slice_header error",
    "concealing",
    "missing reference picture",
    "could not find ref",
    // RTSP: `RTP: missed 3 packets`, `max delay reached. need to consume packet`.
    "rtp: missed",
    "need to consume packet",
];

/// What a line says.
pub(super) fn says(line: &str) -> Says {
    // The demuxer and the decoder of motion JPEG have this name.
    if line.starts_with("[mjpeg @") {
        return Says::Alone;
    }
    let line = line.to_lowercase();
    if LOSSES.iter().any(|loss| line.contains(loss)) {
        Says::Lost
    } else {
        Says::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ffmpeg_are_understood() {
        for (line, says_so) in [
            (
                "[mpegts @ 0x55] [warning] Packet corrupt (stream = 0, dts = 306000), dropping it.",
                Says::Lost,
            ),
            (
                "[h264 @ 0x55] [error] error while decoding MB 0 7, bytestream 3013",
                Says::Lost,
            ),
            (
                "[warning] lost.ts: corrupt decoded frame in stream 0",
                Says::Lost,
            ),
            ("[rtsp @ 0x55] [warning] RTP: missed 3 packets", Says::Lost),
            ("[mjpeg @ 0x55] [error] overread 8", Says::Alone),
            (
                "[swscaler @ 0x55] [warning] deprecated pixel format used",
                Says::Nothing,
            ),
        ] {
            assert_eq!(says(line), says_so, "{line}");
        }
    }
}
