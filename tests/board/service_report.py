"""What was found of the package on the board, held against what is promised, as a table and as JSON. It reads
the facts of each boot, and the alerts that were accepted before and delivered after a power cut."""

import json

# What each fact must be: a word, or a number at most. Facts that are not here are told, not judged.
WORDS = {
    ("install", "enabled_by_itself"): "disabled",
    ("install", "active_by_itself"): "inactive",
    ("install", "mode:/etc/inspectd/config.toml"): "640:root:inspectd",
    ("install", "mode:/etc/inspectd/credentials"): "700:root:root",
    ("install", "mode:/var/lib/inspectd"): "750:inspectd:inspectd",
    ("install", "without_credentials"): "0",
    ("install", "calibrate"): "success",
    ("install", "started_by_calibration"): "active",
    ("install", "who"): "inspectd:inspectd",
    ("install", "verify"): "0:0",
    ("install", "shipped_configuration"): "1",
    ("faults", "disk_full.told"): "yes",
    ("faults", "bad_reload.goes_on"): "yes",
    ("after_spool", "spools_set_aside"): "0",
    ("cut_switch", "calibrate_again"): "success",
    ("after_switch", "profile"): "0",
    ("after_switch", "previous"): "0",
    ("after_footage", "footage_cut_off"): "yes",
    ("after_footage", "calibrate_on_the_one_before"): "success",
    ("after_footage", "calibrate_on_what_is_left"): "success",
    ("read_only", "root"): "ro",
    ("read_only", "without_the_folder"): "told",
    ("read_only", "read_only.keeps_frames"): "yes",
    ("remove", "upgrade.configuration"): "kept",
    ("remove", "upgrade.profile"): "kept",
    ("remove", "upgrade.enabled"): "enabled",
    ("remove", "upgrade.mode"): "640:root:inspectd",
    ("remove", "remove.active"): "inactive",
    ("remove", "remove.state"): "kept",
    ("remove", "again.configuration"): "kept",
    ("remove", "again.mode"): "640:root:inspectd",
    ("remove", "purge.mounted"): "0",
    # What `systemctl edit` wrote, here by the script, stays.
    ("remove", "purge.left"): "/etc/systemd/system/inspectd-calibrate@.service.d,/etc/systemd/system/inspectd.service.d,",
}
# RestartSec=10 is part of coming back, WatchdogSec=30 of noticing; the rest is the emulator's.
MOST = {
    ("install", "security"): 1.5,
    ("install", "security_calibrate"): 1.5,
    ("install", "alert_s"): 20,
    ("install", "second_alert_s"): 20,
    ("install", "written_at_rest_per_minute"): 0,
    ("faults", "kill.back_s"): 40,
    ("faults", "kill.alert_s"): 20,
    ("faults", "hang.noticed_s"): 60,
    ("faults", "hang.back_s"): 40,
    ("faults", "unplug.offline_s"): 10,
    ("faults", "unplug.back_s"): 30,
    ("faults", "clock_forward.alert_s"): 20,
    ("faults", "clock_back.alert_s"): 20,
    ("faults", "disk_full.left"): 0,
    ("faults", "disk_full.alert_s"): 20,
    ("faults", "disk_full.healthy_s"): 60,
    ("faults", "broker.late_alert_s"): 20,
    ("faults", "bad_reload.told_s"): 20,
    ("faults", "good_reload.told_s"): 20,
    ("faults", "good_reload.alert_s"): 20,
    ("faults", "restarts_without_reason"): 0,
    ("after_switch", "alert_s"): 20,
    ("read_only", "read_only.back_s"): 40,
    ("read_only", "read_only.alert_s"): 20,
    ("remove", "upgrade.back_s"): 60,
}


def facts(folder):
    """The lines "name value" of one boot."""
    lines = (folder / "facts").read_text().splitlines() if (folder / "facts").exists() else []
    return dict(line.split(" ", 1) if " " in line else (line, "") for line in lines)


def is_kept(value, boot, name):
    """Whether a fact is as promised; None where nothing is promised of it."""
    if value == "never" or name == "failed":
        return False
    if (boot, name) in WORDS:
        return value.strip() == WORDS[boot, name]
    if (boot, name) in MOST:
        try:
            return float(value) <= MOST[boot, name]
        except ValueError:
            return False
    return None


def lost(work):
    """How many alerts had been accepted before the power cut, and which of them never came."""
    def events(path):
        lines = path.read_text().splitlines() if path.exists() else []
        whole = [line for line in lines if line.endswith("}")]  # the last line may be cut off
        return [(event["source"], event["id"]) for event in map(json.loads, whole)]

    accepted = events(work / "cut_spool/accepted.jsonl")
    delivered = set(events(work / "after_spool/delivered.jsonl"))
    return len(accepted), [event for event in accepted if event not in delivered]


def write(work, arch, host):
    """Writes service.md and service.json; the exit status."""
    rows, broken = [], []
    boots = ["install", "faults", "cut_spool", "after_spool", "cut_switch", "after_switch", "cut_footage", "after_footage", "read_only", "remove"]
    for boot in boots:
        found = facts(work / boot)
        promised = {name for where, name in [*WORDS, *MOST] if where == boot}
        for name in sorted(promised - set(found)):
            found[name] = "missing"
        for name, value in found.items():
            kept = is_kept(value, boot, name)
            rows.append({"boot": boot, "fact": name, "value": value, "kept": kept})
    accepted, gone = lost(work)
    switches = (work / "cut_switch/switches").read_text().count(" is in ") if (work / "cut_switch/switches").exists() else 0
    rows.append({"boot": "cut_switch", "fact": "switches before the power cut", "value": str(switches), "kept": switches > 0})
    rows.append({"boot": "cut_spool", "fact": "alerts accepted before the power cut", "value": str(accepted), "kept": accepted > 0})
    rows.append({"boot": "after_spool", "fact": "of these never delivered", "value": str(len(gone)), "kept": not gone})
    version = facts(work / "remove").get("upgrade.version", "missing")
    rows.append({"boot": "remove", "fact": "version after the upgrade", "value": version, "kept": version.endswith("+later")})
    broken = [row for row in rows if row["kept"] is False]
    mark = {True: "ok", False: "broken", None: ""}
    text = [f"The package for {arch}, {host['package_bytes'] / 1e6:.1f} MB", "", "| boot | fact | value | |", "| --- | --- | --- | --- |"]
    text += [f"| {row['boot']} | {row['fact']} | {row['value']} | {mark[row['kept']]} |" for row in rows]
    (work / "service.md").write_text("\n".join(text) + "\n")
    (work / "service.json").write_text(json.dumps({"arch": arch, **host, "rows": rows}, indent=1) + "\n")
    print("\n".join(text))
    return 1 if broken else 0
