//! `inspectd check`: loads the configuration and all that it names, looks at the places around it, opens nothing
//! else, and says what is wrong, all of it.

mod surroundings;

use serde::Serialize;

use self::surroundings::Surroundings;
use super::inspection::Inspection;
use super::output::say;
use crate::cli::CheckArgs;
use crate::config::{Issue, Issues};

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    faults: &'a Issues,
    /// What is not as it should be now, and may come.
    warnings: &'a [Issue],
    /// What this user can't judge.
    notes: &'a [Issue],
    /// Whether a process has the state folder now.
    in_use: bool,
}

/// Prints a summary or every fault.
pub(super) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let (around, checked) = match crate::config::load(&args.config) {
        Ok(config) => {
            let around = Surroundings::of(&config);
            let faults = around.faults.clone();
            (around, faults.or(Inspection::load(config)))
        }
        Err(faults) => (Surroundings::default(), Err(faults)),
    };
    if !args.json {
        return summarise(&around, checked);
    }
    let none = Issues::default();
    let said = say!(
        "{}",
        serde_json::to_string(&Report {
            ok: checked.is_ok(),
            faults: checked.as_ref().err().unwrap_or(&none),
            warnings: &around.warnings,
            notes: &around.notes,
            in_use: around.is_in_use,
        })?
    );
    // A reader that went away makes no configuration good.
    checked?;
    said
}

fn summarise(around: &Surroundings, checked: Result<Inspection, Issues>) -> anyhow::Result<()> {
    let inspection = match checked {
        Ok(inspection) => inspection,
        Err(faults) => {
            // A reader that went away changes nothing of the verdict.
            let _ = tell(around);
            return Err(faults.into());
        }
    };
    let config = &inspection.config;
    say!("node     {}", config.node.name)?;
    let in_use = match around.is_in_use {
        true => ", which a process has now",
        false => "",
    };
    say!("state    {}{in_use}", config.node.state_dir.display())?;
    match config.mqtt.enabled {
        true => say!("broker   {}:{}", config.mqtt.host, config.mqtt.port)?,
        false => say!("broker   none: MQTT is turned off")?,
    }
    if let Some(sink) = &config.sink {
        say!("sink     {sink}")?;
    }
    let teacher = config
        .teacher
        .as_ref()
        .map(|path| path.display().to_string());
    say!(
        "teacher  {}",
        teacher.unwrap_or_else(|| "bundled".to_owned())
    )?;
    for (camera, profile) in config.cameras.iter().zip(inspection.profiles()) {
        let tested = match profile.manifest().golden.len() {
            0 => "no golden frames to test it by: a new calibration keeps some".to_owned(),
            n => format!("its {n} golden frames score as calibrated"),
        };
        let dir = camera.profile.display();
        say!("camera   {}, Profile {dir}: {tested}", camera.name)?;
    }
    tell(around)?;
    say!("The configuration has no fault.")?;
    Ok(())
}

/// What is no fault.
fn tell(around: &Surroundings) -> anyhow::Result<()> {
    for Issue { key, message } in &around.warnings {
        say!("warning  {key}: {message}")?;
    }
    for Issue { key, message } in &around.notes {
        say!("note     {key}: {message}")?;
    }
    Ok(())
}
