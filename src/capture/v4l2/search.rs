//! The nodes of this machine, and which of them may be the camera that is meant when none is named.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::negotiate::{check, offers};
use super::sys::{Capability, Node};
use crate::capture::CaptureError;

/// Where udev keeps names that follow a camera from port to port.
const BY_ID: &str = "/dev/v4l/by-id";
/// Where udev keeps names that follow a port.
const BY_PATH: &str = "/dev/v4l/by-path";

/// The cameras to try where none is named: those that give pictures which can be decoded, in the order
/// of the nodes' numbers, by their lasting names where they have one. Nodes that programs put pictures
/// into (loopbacks) come last.
///
/// # Errors
/// Where there is none.
pub(super) fn cameras() -> Result<Vec<PathBuf>, CaptureError> {
    let nodes = nodes(Path::new("/dev"));
    let usable = nodes.iter().filter_map(|node| Some((node, usable(node)?)));
    let mut usable: Vec<(&PathBuf, Capability)> = usable.collect();
    usable.sort_by_key(|(_, capability)| capability.takes);
    if usable.is_empty() {
        return Err(CaptureError::Broken(format!(
            "no camera was found among {} nodes /dev/video*; is it plugged in, and is this user in \
             the group video? `inspectd cameras` tells more",
            nodes.len()
        )));
    }
    let lasting = |node: &PathBuf| links(node, Path::new(BY_ID)).into_iter().next();
    Ok(usable
        .into_iter()
        .map(|(node, _)| lasting(node).unwrap_or_else(|| node.clone()))
        .collect())
}

/// The first of these cameras that no other program has.
///
/// # Errors
/// The first fault of another kind; where all are in use, that of the last one.
pub(super) fn first_free<T>(
    cameras: Vec<PathBuf>,
    open: impl Fn(PathBuf) -> Result<T, CaptureError>,
) -> Result<T, CaptureError> {
    let mut busy = CaptureError::Broken("there is no camera".to_owned());
    for path in cameras {
        match open(path) {
            Err(fault) if is_busy(&fault) => busy = fault,
            opened => return opened,
        }
    }
    Err(busy)
}

fn is_busy(fault: &CaptureError) -> bool {
    let CaptureError::Io { source, .. } = fault else {
        return false;
    };
    source.raw_os_error() == Some(Errno::BUSY.raw_os_error())
}

/// All names of a node that survive a replug, best first.
pub(super) fn lasting_names(node: &Path) -> Vec<PathBuf> {
    let mut names = links(node, Path::new(BY_ID));
    names.extend(links(node, Path::new(BY_PATH)));
    names
}

/// The nodes `video0`, `video1`, ... of a folder by their numbers.
pub(super) fn nodes(folder: &Path) -> Vec<PathBuf> {
    let number = |path: &Path| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("video")?.parse().ok()
    };
    let mut nodes: Vec<(u32, PathBuf)> = entries(folder)
        .into_iter()
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    nodes.sort();
    nodes.into_iter().map(|(_, path)| path).collect()
}

/// The links of a folder that lead to a node, by name.
fn links(node: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut links = entries(folder);
    links.retain(|link| std::fs::canonicalize(link).is_ok_and(|target| target == node));
    links.sort();
    links
}

/// What lies in a folder; nothing where there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

/// What a node can do; none where it gives no pictures that can be decoded.
fn usable(path: &Path) -> Option<Capability> {
    let node = Node::open(path).ok()?;
    let capability = node.capability().ok()?;
    let is_usable = check(path, &capability).is_ok() && !offers(&node).is_empty();
    is_usable.then_some(capability)
}

#[cfg(test)]
mod tests {
    use super::super::refused;
    use super::*;

    #[test]
    fn nodes_come_by_number_and_links_by_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let folder = std::fs::canonicalize(folder.path()).unwrap();
        for name in ["video10", "video2", "video", "video2x", "audio0"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let names = nodes(&folder);
        assert_eq!(names, [folder.join("video2"), folder.join("video10")]);

        let by_id = folder.join("by-id");
        std::fs::create_dir(&by_id).unwrap();
        for (name, target) in [("b", "../video2"), ("a", "../video2"), ("c", "../video10")] {
            std::os::unix::fs::symlink(target, by_id.join(name)).unwrap();
        }
        let found = links(&folder.join("video2"), &by_id);
        assert_eq!(found, [by_id.join("a"), by_id.join("b")]);
        assert!(links(&folder.join("video2"), &folder.join("none")).is_empty());
    }

    #[test]
    fn a_camera_that_another_program_has_is_passed_over_where_any_will_do() {
        let in_order = || vec!["/dev/video0".into(), "/dev/video2".into()];
        let fault = |error: Errno, path: &Path| {
            let system = std::io::Error::from_raw_os_error(error.raw_os_error());
            refused("set the format of", path, system)
        };
        let opened = |busy: &[&str], faulty: Errno| {
            let opened = first_free(in_order(), |path: PathBuf| match path.to_str() {
                Some(name) if busy.contains(&name) => Err(fault(faulty, &path)),
                _ => Ok(path),
            });
            opened.map_err(|fault| fault.to_string())
        };
        assert_eq!(opened(&[], Errno::BUSY), Ok("/dev/video0".into()));
        assert_eq!(
            opened(&["/dev/video0"], Errno::BUSY),
            Ok("/dev/video2".into())
        );
        let all = opened(&["/dev/video0", "/dev/video2"], Errno::BUSY).unwrap_err();
        assert!(all.contains("/dev/video2 is in use"), "{all}");
        // Another fault is that of the camera that is meant.
        let broken = opened(&["/dev/video0"], Errno::IO).unwrap_err();
        assert!(broken.contains("/dev/video0"), "{broken}");
    }
}
