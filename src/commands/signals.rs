//! Signals as values on a channel: ask to stop, ask to reload. A second signal to stop ends the
//! process at once: whoever asks twice does not want to wait for a drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// A flag that is raised by the first SIGTERM or SIGINT; the second one exits.
pub(super) fn stop_flag() -> std::io::Result<Arc<AtomicBool>> {
    let was_asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the first signal finds the flag down and raises it, the second one exits.
        let status = i32::from(u8::from(sysexits::ExitCode::TempFail));
        flag::register_conditional_shutdown(signal, status, Arc::clone(&was_asked))?;
        flag::register(signal, Arc::clone(&was_asked))?;
    }
    Ok(was_asked)
}

/// What a command that films and then works on it is asked for.
#[derive(Debug, Clone)]
pub(super) struct Interrupts {
    /// It has filmed enough: raised by the first Ctrl-C, by the end of the session (SIGHUP), or by the
    /// command when filming ends.
    pub(super) enough: Arc<AtomicBool>,
    /// It is to end altogether: raised by the next Ctrl-C, and by SIGTERM at once. One more exits.
    pub(super) stop: Arc<AtomicBool>,
}

/// Starts to listen for them, for the rest of the process.
///
/// A session that is lost sends SIGHUP once or more: it ends filming, and the work on what is there goes
/// on. Whoever started us with `nohup` wants neither.
pub(super) fn interrupts() -> std::io::Result<Interrupts> {
    let interrupts = Interrupts {
        enough: Arc::default(),
        stop: Arc::default(),
    };
    let raised = interrupts.clone();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    if !is_ignored(SIGHUP) {
        signals.handle().add_signal(SIGHUP)?;
    }
    let listener = thread::Builder::new().name("signals".to_owned());
    listener.spawn(move || {
        for signal in &mut signals {
            let was_enough = raised.enough.swap(true, Ordering::Relaxed);
            let ends = signal == SIGTERM || (signal == SIGINT && was_enough);
            if ends && raised.stop.swap(true, Ordering::Relaxed) {
                let status = u8::from(sysexits::ExitCode::TempFail);
                signal_hook::low_level::exit(status.into());
            }
        }
    })?;
    Ok(interrupts)
}

/// Whether the process was started to ignore a signal, as far as the system tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Starts to listen, for the rest of the process.
pub(super) fn listen() -> std::io::Result<Receiver<Asked>> {
    stop_flag()?;
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (tell, asked) = bounded(4);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in &mut signals {
                let asked = if signal == SIGHUP {
                    Asked::Reload
                } else {
                    Asked::Stop
                };
                if tell.send(asked).is_err() {
                    return;
                }
            }
        })?;
    Ok(asked)
}
