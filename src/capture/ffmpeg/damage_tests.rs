//! Streams that lose data on their way, read by the installed ffmpeg: what it makes up is never a frame.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use super::super::Pixels;
use super::*;

const PATIENT: Duration = Duration::from_secs(30);

fn ffmpeg(arguments: &str, more: &[&Path]) -> Vec<u8> {
    let words = "-nostdin -loglevel error ".to_owned() + arguments;
    let output = Command::new("ffmpeg")
        .args(words.split_whitespace())
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Serves one connection, and says where.
fn server(
    scheme: &str,
    serve: impl FnOnce(TcpStream) -> std::io::Result<()> + Send + 'static,
) -> Input {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let input = Input::parse(&format!("{scheme}://{}", listener.local_addr().unwrap()));
    std::thread::spawn(move || {
        let (connection, _) = listener.accept().unwrap();
        let _ = serve(connection);
    });
    input
}

/// The pixels of all frames until the server hangs up; `damaged` is called for each that is none.
fn drained(spec: &Ffmpeg, mut damaged: impl FnMut()) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut source = spec.open().unwrap();
    loop {
        match source.next(PATIENT) {
            Ok(Next::Frame(frame)) => match frame.pixels {
                Pixels::Rgb8 { data, .. } => frames.push(data),
                other => panic!("{other:?}"),
            },
            Ok(Next::Damaged(_)) => damaged(),
            Ok(other) => panic!("{other:?}"),
            Err(_) => return frames,
        }
    }
}

/// The pixels of every frame of an undamaged file, as ffmpeg writes them.
fn truth(path: &Path) -> Vec<Vec<u8>> {
    let spec = Ffmpeg::new(Input::File(path.to_owned()), None);
    let mut source = spec.open().unwrap();
    let mut frames = Vec::new();
    while let Ok(Next::Frame(frame)) = source.next(PATIENT) {
        if let Pixels::Rgb8 { data, .. } = frame.pixels {
            frames.push(data);
        }
    }
    frames
}

#[test]
fn motion_jpeg_that_is_cut_off_is_left_out_and_the_others_come() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = "-f lavfi -i testsrc2=size=320x240:rate=10:duration=3 -c:v mjpeg -f image2";
    ffmpeg(pattern, &[&folder.path().join("%03d.jpg")]);
    let mut body =
        b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=x\r\n".to_vec();
    for i in 1..=30 {
        let mut picture = std::fs::read(folder.path().join(format!("{i:03}.jpg"))).unwrap();
        if i % 10 == 5 {
            picture.truncate(picture.len() / 2);
        }
        let head = format!(
            "\r\n--x\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            picture.len()
        );
        body.extend(head.as_bytes());
        body.extend(picture);
    }
    body.extend(b"\r\n--x--\r\n");
    let input = server("http", move |mut connection| {
        let _ = connection.read(&mut [0; 4096])?;
        connection.write_all(&body)?;
        // Hanging up at once could overtake the last pictures.
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    });
    let frames = drained(&Ffmpeg::new(input, None), || ());
    assert!((25..=27).contains(&frames.len()), "{} of 30", frames.len());
}

#[test]
fn after_lost_packets_no_frame_comes_until_the_next_keyframe_is_sure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    let pattern = "-f lavfi -i testsrc2=size=320x240:rate=25:duration=15 -c:v libx264 -g 25 -bf 0";
    ffmpeg(pattern, &[&path]);
    let truth = truth(&path);
    let bytes = std::fs::read(&path).unwrap();
    let packets: Vec<&[u8]> = bytes.chunks(188).collect();
    // ffmpeg passes over the first 5 s, from which it learns the format.
    let (lost, pause) = (packets.len() * 3 / 5, packets.len() * 4 / 5);
    let before = [&packets[..lost], &packets[lost + 3..pause]]
        .concat()
        .concat();
    let after = packets[pause..].concat();
    let (notice, noticed) = crossbeam_channel::unbounded();
    let input = server("tcp", move |mut connection| {
        connection.write_all(&before)?;
        // From when the loss was noticed; the rest of the test takes what time it wants.
        let _ = noticed.recv_timeout(PATIENT);
        std::thread::sleep(Duration::from_millis(2500));
        connection.write_all(&after)
    });
    let mut damaged = 0;
    let frames = drained(&Ffmpeg::new(input, None), || {
        damaged += 1;
        let _ = notice.send(());
    });
    let wrong = frames
        .iter()
        .filter(|frame| !truth.contains(*frame))
        .count();
    assert_eq!(wrong, 0, "of {} frames", frames.len());
    assert!(damaged > 0);
    // Those after the pause come again.
    assert!(frames.contains(&truth[truth.len() - 25]));
}
