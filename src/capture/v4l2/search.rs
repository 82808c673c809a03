//! The nodes of this machine, and which of them is the camera that is meant when none is named.

use std::path::{Path, PathBuf};

use super::negotiate::{check, offers};
use super::sys::Node;
use crate::capture::CaptureError;

/// Where udev keeps names that follow a camera from port to port.
const BY_ID: &str = "/dev/v4l/by-id";
/// Where udev keeps names that follow a port.
const BY_PATH: &str = "/dev/v4l/by-path";

/// The camera to take where none is named: the first in the order of the nodes' numbers that gives
/// pictures which can be decoded, by its lasting name where it has one.
///
/// # Errors
/// Where there is none.
pub(super) fn first_camera() -> Result<PathBuf, CaptureError> {
    let nodes = nodes(Path::new("/dev"));
    let usable = nodes.iter().find(|node| is_usable(node));
    let Some(node) = usable else {
        return Err(CaptureError::Broken(format!(
            "no camera was found among {} nodes /dev/video*; is it plugged in, and is this user in \
             the group video? `inspectd cameras` tells more",
            nodes.len()
        )));
    };
    let lasting = links(node, Path::new(BY_ID)).into_iter().next();
    Ok(lasting.unwrap_or_else(|| node.clone()))
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

fn is_usable(path: &Path) -> bool {
    let Ok(node) = Node::open(path) else {
        return false;
    };
    let checked = node.capability().map(|capability| check(path, &capability));
    matches!(checked, Ok(Ok(()))) && !offers(&node).is_empty()
}

#[cfg(test)]
mod tests {
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
}
