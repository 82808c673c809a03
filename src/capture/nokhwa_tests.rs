//! The choice of a format, what nokhwa's buffers become, and the life of the thread with cameras that
//! give frames, fail, block and panic.

use ::nokhwa::utils::Resolution;

use super::*;

const PATIENT: Duration = Duration::from_secs(30);

fn format(format: FrameFormat, width: u32, height: u32, fps: u32) -> CameraFormat {
    CameraFormat::new(Resolution::new(width, height), format, fps)
}

fn wish(size: Option<[u32; 2]>, format: Option<Layout>) -> Nokhwa {
    Nokhwa {
        size,
        format,
        ..Nokhwa::new("0".to_owned())
    }
}

#[test]
fn the_smallest_size_that_is_enough_is_chosen_and_wishes_are_kept() {
    use FrameFormat::{GRAY, MJPEG, RAWBGR, YUYV};
    let offered = [
        format(YUYV, 320, 240, 30),
        format(YUYV, 640, 480, 30),
        format(MJPEG, 640, 480, 15),
        format(MJPEG, 640, 480, 30),
        format(MJPEG, 1920, 1080, 30),
        format(RAWBGR, 800, 600, 60),
    ];
    let of = |size, layout| chosen(&offered, &wish(size, layout));
    assert_eq!(of(None, None), Some(offered[3]));
    assert_eq!(of(None, Some(Layout::Yuyv)), Some(offered[1]));
    assert_eq!(of(Some([1920, 1080]), None), Some(offered[4]));
    assert_eq!(of(Some([800, 600]), None), None);
    assert_eq!(of(Some([320, 240]), Some(Layout::Mjpeg)), None);
    let small = [format(GRAY, 160, 120, 9), format(GRAY, 320, 240, 9)];
    assert_eq!(chosen(&small, &wish(None, None)), Some(small[1]));
}

#[test]
fn formats_are_listed_by_size_with_their_rates() {
    use FrameFormat::{MJPEG, RAWBGR};
    let list = listed(&[
        format(MJPEG, 640, 480, 15),
        format(RAWBGR, 64, 48, 5),
        format(MJPEG, 640, 480, 30),
        format(MJPEG, 320, 240, 30),
    ]);
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].fourcc.as_str(), list[0].usable), ("MJPEG", true));
    assert_eq!(list[0].sizes.len(), 2);
    assert_eq!(list[0].sizes[0].fps, [30.0, 15.0]);
    assert!(!list[1].usable);
}

#[test]
fn buffers_become_raw_pictures_and_padded_rows_are_refused() {
    for (format, layout, length, rows) in [
        (FrameFormat::YUYV, Layout::Yuyv, 32 * 16 * 2, 16),
        (FrameFormat::NV12, Layout::Nv12, 32 * 24, 24),
        (FrameFormat::GRAY, Layout::Grey, 32 * 16, 16),
        (FrameFormat::RAWRGB, Layout::Rgb24, 32 * 16 * 3, 16),
    ] {
        for excess in [0, rows - 1] {
            let bytes = vec![7; length + excess];
            let Ok(Pixels::Raw(raw)) = pixels(format, [32, 16], &bytes) else {
                panic!("{format} is decoded");
            };
            assert_eq!((raw.layout, raw.data.len()), (layout, length + excess));
            assert_eq!(raw.stride as usize * rows, length);
        }
        let why = pixels(format, [32, 16], &vec![7; length + rows]).unwrap_err();
        assert!(why.contains("padded"), "{why}");
    }
    assert!(pixels(FrameFormat::MJPEG, [32, 16], &[0; 9000]).is_ok());
    assert!(pixels(FrameFormat::RAWBGR, [32, 16], &[0; 1536]).is_err());
    assert!(pixels(FrameFormat::YUYV, [u32::MAX, u32::MAX], &[]).is_ok());
}

/// A camera that does what it is told.
struct Played<F>(F);

impl<F: FnMut() -> Result<Pixels, String>> Camcorder for Played<F> {
    fn picture(&mut self) -> Result<Pixels, String> {
        (self.0)()
    }
}

fn studio<F>(play: F) -> Result<Studio, CaptureError>
where
    F: FnMut() -> Result<Pixels, String> + Send + 'static,
{
    studio_of(&Living::default(), play)
}

fn studio_of<F>(living: &Living, play: F) -> Result<Studio, CaptureError>
where
    F: FnMut() -> Result<Pixels, String> + Send + 'static,
{
    let alive = living.another("nokhwa 0")?;
    Studio::start("nokhwa 0".to_owned(), None, alive, move || Ok(Played(play)))
}

fn picture() -> Pixels {
    Pixels::Encoded(vec![1, 2, 3])
}

#[test]
fn frames_come_in_order_and_the_thread_ends_with_the_source() {
    let mut studio = studio(|| Ok(picture())).unwrap();
    for seq in 0..50 {
        let Ok(Next::Frame(frame)) = studio.next(PATIENT) else {
            panic!("the camera gives frames");
        };
        assert_eq!((frame.seq, frame.pixels), (seq, picture()));
    }
    let (alive, ended) = bounded::<()>(0);
    let living = Living::default().another("").unwrap();
    let held = Studio::start("nokhwa 0".to_owned(), None, living, move || {
        let _alive = &alive;
        let alive = alive.clone();
        Ok(Played(move || {
            let _alive = &alive;
            Ok(picture())
        }))
    });
    drop(held);
    let end = ended.recv_timeout(PATIENT);
    assert_eq!(end, Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_camera_that_fails_breaks_the_source_with_its_reason() {
    let mut left = 2;
    let mut studio = studio(move || {
        left -= 1;
        if left < 0 {
            Err("EIO".to_owned())
        } else {
            Ok(picture())
        }
    })
    .unwrap();
    for _ in 0..2 {
        assert!(matches!(studio.next(PATIENT), Ok(Next::Frame(_))));
    }
    let error = studio.next(PATIENT).unwrap_err().to_string();
    assert!(
        error.contains("nokhwa 0") && error.contains("EIO"),
        "{error}"
    );
}

#[test]
fn a_camera_that_does_not_open_says_why() {
    type Never = Played<fn() -> Result<Pixels, String>>;
    let closed = || -> Result<Never, String> { Err("it is busy".to_owned()) };
    let alive = Living::default().another("").unwrap();
    let error = Studio::start("nokhwa 0".to_owned(), None, alive, closed).err();
    assert!(error.unwrap().to_string().contains("it is busy"));
}

#[test]
fn a_camera_that_blocks_lets_the_timeout_pass_and_is_left_behind() {
    let (release, blocked) = bounded::<()>(0);
    let mut studio = studio(move || {
        let _ = blocked.recv();
        Err("released".to_owned())
    })
    .unwrap();
    assert!(matches!(
        studio.next(Duration::from_millis(30)),
        Ok(Next::Idle)
    ));
    let start = Instant::now();
    drop(studio);
    assert!(start.elapsed() >= PATIENCE);
    drop(release);
}

#[test]
fn four_threads_may_hang_and_no_fifth_is_started_before_one_ends() {
    let living = Living::default();
    let (release, blocked) = bounded::<()>(0);
    let hanging = (0..4).map(|_| {
        let blocked = blocked.clone();
        studio_of(&living, move || {
            let _ = blocked.recv();
            Err("released".to_owned())
        })
        .unwrap()
    });
    // Dropped at once, since each drop takes its time.
    let drops: Vec<_> = hanging
        .map(|studio| std::thread::spawn(move || drop(studio)))
        .collect();
    drops
        .into_iter()
        .for_each(|dropped| dropped.join().unwrap());
    let error = studio_of(&living, || Ok(picture())).err().unwrap();
    assert!(error.to_string().contains("unplug"), "{error}");
    drop(release);
    let deadline = Instant::now() + PATIENT;
    while studio_of(&living, || Ok(picture())).is_err() {
        assert!(Instant::now() < deadline, "the threads have ended");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_library_that_panics_is_a_fault_and_no_silence() {
    let mut studio = studio(|| panic!("as nokhwa does")).unwrap();
    assert!(matches!(studio.next(PATIENT), Err(CaptureError::Broken(_))));
}
