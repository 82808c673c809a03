//! A V4L2 node as safe calls: the only place of capture with `unsafe`.
//!
//! A [`Node`] is an open `/dev/video*`; every method is one request of `linux/videodev2.h`, or one
//! list of them, and hands out plain values. Nothing here waits but [`Node::wait`], retries or
//! chooses, and nothing panics when a request fails, also not when it is closed.
//!
//! `v4l` gives structures and numbers only. Its own `Device`, `Stream` and list of controls are not
//! used: they panic when closing fails and on steps of 0, and lose `bytesused`.
#![allow(unsafe_code)] // requests pass structures with unions to the kernel; buffers are mapped

mod buffer;
mod control;
mod format;

use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use v4l::v4l_sys as c;
use v4l::v4l2::vidioc;

pub(super) use buffer::{Filled, Mapping};
pub(super) use control::{ControlKind, Described as DescribedControl};
pub(super) use format::{Described as DescribedFormat, Intervals, Picture, Sizes};

/// An open `/dev/video*`. Dropping it closes it.
pub(super) struct Node {
    file: File,
}

/// What a node is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Capability {
    /// The camera's name.
    pub(super) card: String,
    pub(super) driver: String,
    pub(super) bus: String,
    /// Gives pictures in one plane.
    pub(super) captures: bool,
    /// Takes pictures from programs, as loopbacks and steps of a pipeline do.
    pub(super) takes: bool,
    /// Gives pictures in several planes: another interface, not spoken here.
    pub(super) is_multiplanar: bool,
    /// Has a queue of buffers.
    pub(super) streams: bool,
    /// Gives pictures only once a program has linked and set all steps before it, through the media controller.
    pub(super) is_steered: bool,
}

/// What came of waiting for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// A buffer is filled.
    Filled,
    /// The time went by.
    Idle,
    /// The node is in error, or its device is gone; the next request says which.
    Fault,
}

/// A structure that a request fills or reads.
///
/// # Safety
/// All zero bytes are a value of it, and no request of this module makes the kernel follow a
/// pointer in it.
unsafe trait Argument: Copy {}

// SAFETY: C structures of integers, arrays of them, and unions that hold at least one such. Their
// pointers (`v4l2_buffer::m.userptr` and `.planes`, `v4l2_format`'s windows) are followed for other
// types of memory and buffer than the ones that `buffer` and `format` name.
unsafe impl Argument for c::v4l2_capability {}
unsafe impl Argument for c::v4l2_fmtdesc {}
unsafe impl Argument for c::v4l2_frmsizeenum {}
unsafe impl Argument for c::v4l2_frmivalenum {}
unsafe impl Argument for c::v4l2_format {}
unsafe impl Argument for c::v4l2_streamparm {}
unsafe impl Argument for c::v4l2_requestbuffers {}
unsafe impl Argument for c::v4l2_buffer {}
unsafe impl Argument for c::v4l2_query_ext_ctrl {}
unsafe impl Argument for c::v4l2_querymenu {}
unsafe impl Argument for c::v4l2_control {}
unsafe impl Argument for std::ffi::c_int {}

/// All zero, as the interface wants what is not used.
fn zeroed<T: Argument>() -> T {
    // SAFETY: `Argument` promises that zero bytes are a value.
    unsafe { std::mem::zeroed() }
}

/// The number of a request, tied to its structure.
#[derive(Clone, Copy)]
struct Request<T> {
    number: vidioc::_IOC_TYPE,
    argument: PhantomData<T>,
}

impl<T: Argument> Request<T> {
    /// Refuses to compile where the number is not one of a structure of this size.
    const fn new(number: vidioc::_IOC_TYPE) -> Self {
        // Linux keeps the size of the argument in 14 bits from bit 16.
        assert!((number >> 16) as usize & 0x3fff == size_of::<T>());
        Request {
            number,
            argument: PhantomData,
        }
    }
}

const QUERYCAP: Request<c::v4l2_capability> = Request::new(vidioc::VIDIOC_QUERYCAP);

impl Node {
    /// Opens a node without waiting for anything, now or later.
    pub(super) fn open(path: &Path) -> io::Result<Node> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        Ok(Node { file })
    }

    /// What it is and can do.
    pub(super) fn capability(&self) -> io::Result<Capability> {
        let mut answer = zeroed();
        self.call(QUERYCAP, &mut answer)?;
        // A device has several nodes; what this one can do stands apart from the sum.
        let can = if answer.capabilities & c::V4L2_CAP_DEVICE_CAPS != 0 {
            answer.device_caps
        } else {
            answer.capabilities
        };
        Ok(Capability {
            card: text(&answer.card),
            driver: text(&answer.driver),
            bus: text(&answer.bus_info),
            captures: can & c::V4L2_CAP_VIDEO_CAPTURE != 0,
            takes: can & (c::V4L2_CAP_VIDEO_OUTPUT | c::V4L2_CAP_VIDEO_M2M) != 0,
            is_multiplanar: can & c::V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0,
            streams: can & c::V4L2_CAP_STREAMING != 0,
            is_steered: can & c::V4L2_CAP_IO_MC != 0,
        })
    }

    /// Waits until a buffer is filled, at most `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<Woken> {
        let timeout = Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let mut fds = [PollFd::from_borrowed_fd(
            self.file.as_fd(),
            PollFlags::IN | PollFlags::PRI,
        )];
        match poll(&mut fds, Some(&timeout)) {
            // A signal: for the caller, time that went by.
            Err(rustix::io::Errno::INTR) => return Ok(Woken::Idle),
            other => other?,
        };
        let seen = fds[0].revents();
        let fault = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        Ok(if seen.contains(PollFlags::IN) {
            Woken::Filled
        } else if seen.intersects(fault) {
            Woken::Fault
        } else {
            Woken::Idle
        })
    }

    /// One request.
    fn call<T: Argument>(&self, request: Request<T>, argument: &mut T) -> io::Result<()> {
        let argument = std::ptr::from_mut(argument).cast();
        loop {
            // SAFETY: `argument` points to a structure of the size that the number names, for as
            // long as the call lasts; `Argument` promises that no pointer in it is followed.
            let answer =
                unsafe { v4l::v4l2::ioctl(self.file.as_raw_fd(), request.number, argument) };
            match answer {
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
    }

    /// The answers to a request about index 0, 1, 2, ... until the driver has no more.
    fn list<T: Argument>(&self, request: Request<T>, question: impl Fn(u32) -> T) -> Vec<T> {
        // A driver that answers to every index would never end.
        const MOST: u32 = 512;
        (0..MOST)
            .map_while(|index| {
                let mut answer = question(index);
                self.call(request, &mut answer).ok()?;
                Some(answer)
            })
            .collect()
    }
}

/// A text of fixed length, up to its first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let text = String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]);
    text.trim().replace(char::is_control, " ")
}
