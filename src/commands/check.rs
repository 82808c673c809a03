//! `inspectd check`: loads the configuration and all that it names, opens nothing else, and says
//! what is wrong, all of it.

use serde::Serialize;

use super::inspection::Inspection;
use super::output::say;
use crate::cli::CheckArgs;
use crate::config::Issues;

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    faults: &'a Issues,
}

/// Prints a summary or every fault.
pub(super) fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let checked = crate::config::load(&args.config).and_then(Inspection::load);
    if !args.json {
        return summarise(&checked?);
    }
    let none = Issues::default();
    let faults = checked.as_ref().err().unwrap_or(&none);
    let ok = checked.is_ok();
    let said = say!("{}", serde_json::to_string(&Report { ok, faults })?);
    // A reader that went away makes no configuration good.
    checked?;
    said
}

fn summarise(inspection: &Inspection) -> anyhow::Result<()> {
    let config = &inspection.config;
    say!("node     {}", config.node.name)?;
    match config.mqtt.enabled {
        true => say!("broker   {}:{}", config.mqtt.host, config.mqtt.port)?,
        false => say!("broker   none: MQTT is turned off")?,
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
    say!("The configuration has no fault.")?;
    Ok(())
}
