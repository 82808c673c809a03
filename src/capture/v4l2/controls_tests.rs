//! Names, order and refusals of controls, without a camera.

use super::*;

fn control(title: &str, kind: ControlKind) -> DescribedControl {
    DescribedControl {
        id: 1,
        title: title.to_owned(),
        kind,
        min: 0,
        max: 255,
        step: 1,
        default: 128,
        is_disabled: false,
        is_read_only: false,
        is_write_only: false,
        is_inactive: false,
        is_volatile: false,
    }
}

#[test]
fn names_are_those_that_v4l2_ctl_writes() {
    for (title, expected) in [
        ("White Balance, Automatic", "white_balance_automatic"),
        ("Exposure Time, Absolute", "exposure_time_absolute"),
        ("Exposure (Absolute)", "exposure_absolute"),
        ("Focus, Automatic Continuous", "focus_automatic_continuous"),
        ("Gain 2nd", "gain_2nd"),
        (" -- ", ""),
        ("", ""),
    ] {
        assert_eq!(name(title), expected, "{title}");
    }
}

#[test]
fn automatics_are_switched_before_the_values_that_they_hold() {
    let wanted = [
        "brightness",
        "exposure_time_absolute",
        "auto_exposure",
        "gain",
        "white_balance_automatic",
        "white_balance_temperature",
        "power_line_frequency",
        "focus_automatic_continuous",
    ]
    .map(|name| (name.to_owned(), 1));
    let order: Vec<&str> = in_order(&wanted)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        order,
        [
            "auto_exposure",
            "white_balance_automatic",
            "power_line_frequency",
            "focus_automatic_continuous",
            "brightness",
            "exposure_time_absolute",
            "gain",
            "white_balance_temperature",
        ]
    );
}

#[test]
fn an_unknown_control_is_answered_with_those_there_are_the_nearest_first() {
    let offered = [
        control("User Controls", ControlKind::Class),
        control("Brightness", ControlKind::Integer),
        control("Gain", ControlKind::Integer),
        control("Exposure Time, Absolute", ControlKind::Integer),
    ];
    let path = Path::new("/dev/video0");
    let error = find(&offered, "exposure_time", path).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/dev/video0 has no control exposure_time; it has: exposure_time_absolute, brightness, gain"
    );
    assert_eq!(find(&offered, "gain", path).unwrap().title, "Gain");
    assert!(find(&offered, "user_controls", path).is_err());
    let none = find(&[], "gain", path).unwrap_err().to_string();
    assert!(none.contains("none at all"), "{none}");
}

#[test]
fn a_control_is_found_by_the_name_that_another_kernel_gives_it() {
    let path = Path::new("/dev/video0");
    let offered = [
        control("Auto Exposure", ControlKind::Menu),
        control("Exposure (Absolute)", ControlKind::Integer),
    ];
    let title = |wanted| find(&offered, wanted, path).unwrap().title.as_str();
    assert_eq!(title("exposure_auto"), "Auto Exposure");
    assert_eq!(title("exposure_time_absolute"), "Exposure (Absolute)");
    assert!(find(&offered, "focus_auto", path).is_err());
}

#[test]
fn a_value_that_the_control_can_not_have_is_refused_beforehand() {
    let refused = |control: &DescribedControl, value| refusal(control, &[], value);
    let gain = control("Gain", ControlKind::Integer);
    assert_eq!(refused(&gain, 0), None);
    assert_eq!(refused(&gain, 255), None);
    assert_eq!(refused(&gain, 256).unwrap(), "it goes from 0 to 255");
    assert!(refused(&gain, i64::MIN).is_some());
    let read_only = DescribedControl {
        is_read_only: true,
        ..gain.clone()
    };
    assert_eq!(refused(&read_only, 1).unwrap(), "it can only be read");
    // Reading it would be denied, as if this user had no right to the camera.
    let write_only = DescribedControl {
        is_write_only: true,
        ..gain.clone()
    };
    assert!(refused(&write_only, 1).unwrap().contains("read back"));
    for kind in [
        ControlKind::Button,
        ControlKind::Integer64,
        ControlKind::Other,
    ] {
        assert!(refused(&control("X", kind), 1).is_some(), "{kind:?}");
    }
    // The range of a broken driver holds nothing, and nothing panics.
    for (min, max, step) in [(1, 0, 1), (1, 0, 7), (i64::MAX, i64::MIN, u64::MAX)] {
        let empty = DescribedControl {
            min,
            max,
            step,
            ..gain.clone()
        };
        assert!(refused(&empty, 1).is_some());
        assert!(refused(&empty, i64::MIN).is_some());
    }
}

#[test]
fn a_value_between_the_steps_is_refused_with_the_nearest_on_them() {
    let exposure = DescribedControl {
        min: 3,
        max: 2047,
        step: 10,
        ..control("Exposure Time, Absolute", ControlKind::Integer)
    };
    for (value, nearest) in [(157, 153), (158, 163), (4, 3), (2047, 2043), (9000, 2043)] {
        let expected = format!("it goes from 3 to 2047 in steps of 10; the nearest is {nearest}");
        assert_eq!(refusal(&exposure, &[], value).unwrap(), expected, "{value}");
    }
    for value in [3, 153, 2043] {
        assert_eq!(refusal(&exposure, &[], value), None, "{value}");
    }
}

#[test]
fn a_value_that_is_no_entry_of_a_menu_is_refused_with_those_there_are() {
    let mode = DescribedControl {
        max: 3,
        ..control("Auto Exposure", ControlKind::Menu)
    };
    let menu = [(1, "Manual Mode"), (3, "Aperture Priority Mode")];
    let menu = menu.map(|(value, entry)| (value, entry.to_owned()));
    assert_eq!(refusal(&mode, &menu, 3), None);
    assert_eq!(
        refusal(&mode, &menu, 2).unwrap(),
        "its entries are 1 (Manual Mode), 3 (Aperture Priority Mode)"
    );
    // A driver that does not say them.
    assert_eq!(refusal(&mode, &[], 2), None);
    assert!(refusal(&mode, &[], 4).is_some());
}

#[test]
fn settings_are_what_makes_the_picture_and_moves_by_nothing_else() {
    let integer = |title| control(title, ControlKind::Integer);
    for title in [
        "Exposure Time, Absolute",
        "Gain",
        "Power Line Frequency",
        "Hue",
        "ISO Sensitivity",
        "Scene Mode",
        "Color Effects",
        "Compression Quality",
        "Test Pattern",
    ] {
        assert!(is_setting(&integer(title)), "{title}");
    }
    for title in ["Zoom, Absolute", "Pan, Absolute", "Privacy", "LED1 Mode"] {
        assert!(!is_setting(&integer(title)), "{title}");
    }
    assert!(is_setting(&control(
        "Gain, Automatic",
        ControlKind::Boolean
    )));
    let moved = DescribedControl {
        is_volatile: true,
        ..integer("Gain")
    };
    assert!(!is_setting(&moved));
    let at_rest = DescribedControl {
        is_inactive: true,
        ..integer("Gain")
    };
    assert!(!is_setting(&at_rest));
    assert!(!is_setting(&control("Gain", ControlKind::Button)));
}
