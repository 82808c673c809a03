//! What an inspector may be told beside the frames. Whoever gives an order does not wait for it.

use std::sync::Weak;

use crossbeam_channel::Sender;

use super::gallery::Latest;
use crate::capture::Moment;
use crate::decide::Mute;
use crate::publish::Control;
use crate::score::threshold::Level;

/// An order.
pub(super) enum Order {
    /// Keep reports back, or no longer.
    Mute(Mute),
    /// End a mute whose time is over now: the camera may give no frame that does.
    EndMute(Moment),
    /// Where frames become anomalous from now on.
    Threshold(Level),
    /// Say anew how a control stands.
    Tell(Control),
    /// Hand the latest picture over.
    Snapshot(Asker),
}

/// Who asks for a picture.
pub(super) struct Asker {
    pub(super) to: Sender<Result<Latest, String>>,
    /// Gone once nobody waits any more: a picture takes a second to make.
    pub(super) waits: Weak<()>,
}
