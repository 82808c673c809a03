//! Requests about the buffers of a node, and the memory that it shares with them.
//!
//! Buffers are of one kind: memory of the driver, mapped here, a picture in one plane. Who keeps
//! which buffer when is the queue's concern.

use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::time::Duration;

use v4l::v4l_sys as c;
use v4l::v4l2::vidioc;

use super::format::CAPTURE;
use super::{Node, Request, zeroed};

const MMAP: u32 = c::v4l2_memory_V4L2_MEMORY_MMAP;

const REQBUFS: Request<c::v4l2_requestbuffers> = Request::new(vidioc::VIDIOC_REQBUFS);
const QUERYBUF: Request<c::v4l2_buffer> = Request::new(vidioc::VIDIOC_QUERYBUF);
const QBUF: Request<c::v4l2_buffer> = Request::new(vidioc::VIDIOC_QBUF);
const DQBUF: Request<c::v4l2_buffer> = Request::new(vidioc::VIDIOC_DQBUF);
const STREAMON: Request<std::ffi::c_int> = Request::new(vidioc::VIDIOC_STREAMON);
const STREAMOFF: Request<std::ffi::c_int> = Request::new(vidioc::VIDIOC_STREAMOFF);

/// `PROT_READ` and `MAP_SHARED`, the same on every architecture of Linux.
const READ: std::ffi::c_int = 1;
const SHARED: std::ffi::c_int = 1;

/// A buffer that the driver has filled and given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Filled {
    pub(in super::super) index: usize,
    /// Bytes that the driver wrote.
    pub(in super::super) used: usize,
    /// The driver says that the picture is damaged.
    pub(in super::super) is_damaged: bool,
    /// The driver's count of frames; starts over after its greatest value.
    pub(in super::super) sequence: u32,
    /// When it was taken, by `CLOCK_MONOTONIC`; none where the driver has another clock.
    pub(in super::super) monotonic: Option<Duration>,
}

/// The memory of a buffer. Dropping it takes it out of this process.
pub(in super::super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone and is only read, through `&self`; nothing of it
// is tied to the thread that made it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// The first `used` bytes, at most as many as there are. To be asked only while the buffer is
    /// ours: the driver writes into one that is queued.
    pub(in super::super) fn copy(&self, used: usize) -> Vec<u8> {
        let used = used.min(self.length);
        let mut bytes = Vec::with_capacity(used);
        // SAFETY: `start` is mapped for reading for `length` bytes as long as `self` lives, and the
        // vector's memory is its own and has room for `used`. No reference into the mapping is
        // made: a driver that wrote into it now would give a mixed picture and nothing worse.
        unsafe {
            std::ptr::copy_nonoverlapping(self.start.as_ptr(), bytes.as_mut_ptr(), used);
            bytes.set_len(used);
        }
        bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one that `mmap` gave, and nothing points into it any more:
        // `copy` gives no reference out.
        let answer = unsafe { v4l::v4l2::munmap(self.start.as_ptr().cast(), self.length) };
        if let Err(reason) = answer {
            tracing::debug!(%reason, "a buffer can't be unmapped");
        }
    }
}

impl Node {
    /// Asks for buffers; how many there are. None are left after asking for 0.
    pub(in super::super) fn request_buffers(&self, count: u32) -> io::Result<u32> {
        let mut request = c::v4l2_requestbuffers {
            count,
            type_: CAPTURE,
            memory: MMAP,
            ..zeroed()
        };
        self.call(REQBUFS, &mut request)?;
        Ok(request.count)
    }

    /// Maps the memory of a buffer.
    pub(in super::super) fn map(&self, index: u32) -> io::Result<Mapping> {
        let mut buffer = question(index);
        self.call(QUERYBUF, &mut buffer)?;
        let length = usize::try_from(buffer.length).unwrap_or(usize::MAX);
        // SAFETY: the arm of mapped memory, an integer; the structure began as zeros.
        let offset = unsafe { buffer.m.offset };
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            let anywhere = std::ptr::null_mut();
            let fd = self.file.as_raw_fd();
            // The type of an offset has 32 or 64 bits by the architecture.
            v4l::v4l2::mmap(anywhere, length, READ, SHARED, fd, offset as _)?
        };
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped a buffer at address 0"))?;
        Ok(Mapping { start, length })
    }

    /// Gives a buffer to the driver.
    pub(in super::super) fn queue(&self, index: usize) -> io::Result<()> {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.call(QBUF, &mut question(index))
    }

    /// Takes a filled buffer from the driver; `WouldBlock` where there is none.
    pub(in super::super) fn dequeue(&self) -> io::Result<Filled> {
        let mut buffer = question(0);
        self.call(DQBUF, &mut buffer)?;
        let clock = buffer.flags & c::V4L2_BUF_FLAG_TIMESTAMP_MASK;
        let taken = Duration::new(
            u64::try_from(buffer.timestamp.tv_sec).unwrap_or(0),
            u32::try_from(buffer.timestamp.tv_usec)
                .unwrap_or(0)
                .min(999_999)
                * 1000,
        );
        Ok(Filled {
            index: usize::try_from(buffer.index).unwrap_or(usize::MAX),
            used: usize::try_from(buffer.bytesused).unwrap_or(usize::MAX),
            is_damaged: buffer.flags & c::V4L2_BUF_FLAG_ERROR != 0,
            sequence: buffer.sequence,
            monotonic: (clock == c::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC).then_some(taken),
        })
    }

    /// Starts the stream.
    pub(in super::super) fn stream_on(&self) -> io::Result<()> {
        self.call(STREAMON, &mut CAPTURE.cast_signed())
    }

    /// Ends the stream; all buffers are ours again.
    pub(in super::super) fn stream_off(&self) -> io::Result<()> {
        self.call(STREAMOFF, &mut CAPTURE.cast_signed())
    }
}

fn question(index: u32) -> c::v4l2_buffer {
    c::v4l2_buffer {
        index,
        type_: CAPTURE,
        memory: MMAP,
        ..zeroed()
    }
}
