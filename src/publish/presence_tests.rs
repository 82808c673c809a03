//! The rule against stories, and against a model that looks at the whole story anew at each frame.

use proptest::prelude::*;

use super::*;
use crate::decide::stories;

/// Whether a camera is there after each frame: `.` judged, `s` settling, `b`, `m` and `c` blocked, moved
/// and another light, `f` frozen, `x` undecodable, `d` damaged, `z` of another size, `-` none. Between two frames
/// half a second passes.
fn tell(presence: &mut Presence, story: &str) -> Vec<Option<Turn>> {
    let judged = stories::judged(-1.0);
    let frames = (0u64..).zip(story.chars());
    let turns = frames.map(|(n, frame)| {
        let judgement = match frame {
            '.' => Ok(&judged),
            frame => Err(&rejection(frame)),
        };
        presence.observe(stories::moment(n), judgement)
    });
    turns.collect()
}

fn rejection(frame: char) -> Rejection {
    match frame {
        'x' => Rejection::Undecodable("half a picture".into()),
        'd' => Rejection::Damaged("error flag".into()),
        'i' => Rejection::Inference("no".into()),
        'n' => Rejection::NotFinite,
        'z' => Rejection::Size {
            width: 1,
            height: 1,
        },
        'w' => Rejection::Format {
            width: 640,
            height: 480,
            expected_width: 1280,
            expected_height: 720,
        },
        's' => Rejection::Settling,
        '-' => Rejection::NoFrames("unplugged".into()),
        kind => stories::fault(kind, 2.0),
    }
}

/// What is said at each frame: `+`, `-`, `!` for frames that can't be used, or nothing.
fn said(story: &str) -> String {
    let mut presence = Presence::default();
    presence.leave();
    let turns = tell(&mut presence, story).into_iter();
    let said = turns.map(|turn| match turn {
        Some(Turn::Online(_)) => '+',
        Some(Turn::Offline) => '-',
        Some(Turn::Unusable) => '!',
        None => ' ',
    });
    said.collect()
}

#[test]
fn three_good_frames_in_a_row_bring_a_camera_back_judged_or_not() {
    assert_eq!(said(".....-..x.."), "  +  -     ");
    assert_eq!(said("bmc"), "  +");
    assert_eq!(said("..f.c."), "     +");
}

#[test]
fn no_frames_and_frozen_ones_take_it_offline_at_once() {
    assert_eq!(said("...-"), "  +-");
    assert_eq!(said("...fff"), "  +-  ");
    assert_eq!(
        said("...bmc"),
        "  +   ",
        "a camera that is covered is there"
    );
}

#[test]
fn frames_after_a_start_say_nothing_yet() {
    assert_eq!(said("ssss..s."), "       +");
    assert_eq!(said("...xxsxxsx"), "  +      -");
}

#[test]
fn five_bad_frames_in_a_row_take_it_offline_and_four_do_not() {
    assert_eq!(said("...xdzin"), "  +    -");
    assert_eq!(said("...xxxx.wwwww"), "  +         -");
}

#[test]
fn five_bad_frames_in_a_row_are_told_once_of_a_camera_that_was_never_there() {
    assert_eq!(said("xxxxxxxx"), "    !   ");
    assert_eq!(said("xxxx.zzzzz.zzzzz"), "         !      ");
    assert_eq!(said("--wwwww"), "      !");
    assert_eq!(said("xxxxx...xxxxxx"), "    !  +    - ");
}

#[test]
fn how_long_it_was_away_is_known() {
    let mut presence = Presence::default();
    presence.leave();
    let turns = tell(&mut presence, "...-......-x...");
    let turns: Vec<Turn> = turns.into_iter().flatten().collect();
    let away = |millis| Turn::Online(Some(Duration::from_millis(millis)));
    let expected = [
        Turn::Online(None),
        Turn::Offline,
        away(1500),
        Turn::Offline,
        away(2000),
    ];
    assert_eq!(turns, expected);
}

#[test]
fn over_a_reload_nothing_is_said_until_it_is_sure() {
    assert_eq!(tell(&mut Presence::default(), "x..x"), [None; 4]);
    let gone = tell(&mut Presence::default(), "-").pop().unwrap();
    assert_eq!(gone, Some(Turn::Offline));
    let bad = tell(&mut Presence::default(), "xxxxx").pop().unwrap();
    assert_eq!(bad, Some(Turn::Offline));
}

/// The rule as the contract has it, from all frames up to now.
fn is_there(story: &[char]) -> bool {
    let story: Vec<char> = story
        .iter()
        .copied()
        .filter(|frame| *frame != 's')
        .collect();
    let is_good = |c: &char| ".bmc".contains(*c);
    let is_bad = |c: &char| "xdinzw".contains(*c);
    for end in (1..=story.len()).rev() {
        let until = &story[..end];
        let ends_with =
            |count, is: &dyn Fn(&char) -> bool| end >= count && until[end - count..].iter().all(is);
        if ends_with(3, &is_good) {
            return true;
        }
        if ends_with(5, &is_bad) || !is_good(&until[end - 1]) && !is_bad(&until[end - 1]) {
            return false;
        }
    }
    false
}

proptest! {
    #[test]
    fn any_story_is_told_as_the_contract_has_it(story in "([.sbmc]{0,4}[xdinzw]{0,6}[-f]{0,1}){0,12}") {
        let mut presence = Presence::default();
        presence.leave();
        let frames: Vec<char> = story.chars().collect();
        let mut is_online = false;
        for (n, turn) in tell(&mut presence, &story).into_iter().enumerate() {
            match turn {
                Some(Turn::Online(_)) => prop_assert!(!std::mem::replace(&mut is_online, true)),
                Some(Turn::Offline) => prop_assert!(std::mem::replace(&mut is_online, false)),
                Some(Turn::Unusable) => prop_assert!(!is_online),
                None => {}
            }
            prop_assert_eq!(is_online, is_there(&frames[..=n]), "frame {}", n);
        }
    }
}
