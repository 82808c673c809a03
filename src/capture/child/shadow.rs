//! The pictures that a complaint throws a shadow on.
//!
//! A decoder of video makes up what it has lost and builds the following pictures upon that, until one
//! comes that stands for itself. It does not say when; so none of those that follow for [`LENGTH`] is
//! given. One word of it is enough for that time: five damaged pictures in a row would mean that the
//! source is to be opened anew, and a lost packet is no reason for that.

use std::time::{Duration, Instant};

/// Cameras send a picture that stands for itself each second or two.
const LENGTH: Duration = Duration::from_secs(2);

/// What a line of complaint says of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Says {
    Nothing,
    /// Something is lost, and is made up in the pictures that follow.
    Lost,
    /// Each picture stands for itself: one that is damaged is left out, and harms no other.
    Alone,
}

/// What is to become of a picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Given,
    /// It is called damaged; the text says why.
    Damaged(String),
    /// It is passed over, like others before it.
    PassedOver,
}

/// Whether pictures can be trusted.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    alone: bool,
    /// When something was lost last, and what was said of it.
    lost: Option<(Instant, String)>,
    /// When a picture was called damaged last.
    told: Option<Instant>,
}

impl Shadow {
    pub(super) fn hear(&mut self, says: Says, line: &str, now: Instant) {
        match says {
            Says::Nothing => {}
            Says::Alone => (self.alone, self.lost) = (true, None),
            Says::Lost if self.alone => {}
            Says::Lost => self.lost = Some((now, line.to_owned())),
        }
    }

    /// What is to become of a picture that was read now.
    pub(super) fn fate(&mut self, now: Instant) -> Fate {
        let is_in = |since: Instant| now.saturating_duration_since(since) < LENGTH;
        match &self.lost {
            Some((since, _)) if !is_in(*since) => {
                self.lost = None;
                Fate::Given
            }
            None => Fate::Given,
            Some(_) if self.told.is_some_and(is_in) => Fate::PassedOver,
            Some((_, line)) => {
                self.told = Some(now);
                Fate::Damaged(line.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_once_and_shadows_all_pictures_for_its_time() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut shadow = Shadow::default();
        assert_eq!(shadow.fate(at(0)), Fate::Given);
        shadow.hear(Says::Nothing, "a remark", at(1));
        assert_eq!(shadow.fate(at(2)), Fate::Given);
        shadow.hear(Says::Lost, "a packet", at(10));
        assert_eq!(shadow.fate(at(11)), Fate::Damaged("a packet".to_owned()));
        assert_eq!(shadow.fate(at(12)), Fate::PassedOver);
        shadow.hear(Says::Lost, "another", at(1000));
        assert_eq!(shadow.fate(at(2005)), Fate::PassedOver);
        assert_eq!(shadow.fate(at(2900)), Fate::Damaged("another".to_owned()));
        assert_eq!(shadow.fate(at(3000)), Fate::Given);
        assert_eq!(shadow.fate(at(3001)), Fate::Given);
    }

    #[test]
    fn pictures_that_stand_for_themselves_have_no_shadow() {
        let now = Instant::now();
        let mut shadow = Shadow::default();
        shadow.hear(Says::Alone, "half a JPEG", now);
        shadow.hear(Says::Lost, "a picture", now);
        assert_eq!(shadow.fate(now), Fate::Given);
    }
}
