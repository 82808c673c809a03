//! The daemon under a service manager that is a socket of this test: when it is ready, when it is alive,
//! and when it is not.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::broker::patience::{patience, wait_until};
use crate::broker::{Broker, Subscriber, free_port};
use crate::workshop::{Daemon, Workshop};

/// What the daemon sends to a service manager.
struct Manager(UnixDatagram);

impl Manager {
    /// Starts the daemon under it, with a watchdog of so many seconds.
    fn start(workshop: &Workshop, watchdog: u64) -> (Manager, Daemon) {
        let path = workshop.folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
        command.args(["run", "--config"]).arg(workshop.path());
        command.env("NOTIFY_SOCKET", &path);
        command.env("WATCHDOG_USEC", (watchdog * 1_000_000).to_string());
        (Manager(socket), workshop.start_by(command))
    }

    /// What comes within this time; `None` where nothing does.
    fn within(&self, time: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(time)).unwrap();
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    /// Takes what comes until this has come so often; all of it.
    fn wait(&self, what: &str, times: usize, daemon: &Daemon) -> Vec<String> {
        let deadline = Instant::now() + patience(60);
        let mut seen: Vec<String> = Vec::new();
        while seen.iter().filter(|said| said.contains(what)).count() < times {
            let left = deadline.saturating_duration_since(Instant::now());
            let said = self.within(left.max(Duration::from_millis(1)));
            seen.push(said.unwrap_or_else(|| panic!("no {what} after {seen:?}\n{}", daemon.log())));
        }
        seen
    }
}

#[test]
fn an_absent_camera_and_an_absent_broker_are_no_reason_to_be_killed() {
    let workshop = Workshop::new(free_port());
    workshop.configure(
        "{ kind = \"ffmpeg\", input = \"rtsp://127.0.0.1:1/none\" }",
        "",
    );
    let (manager, mut daemon) = Manager::start(&workshop, 2);
    let seen = manager.wait("WATCHDOG=1", 8, &daemon);
    assert_eq!(seen[0].trim(), "READY=1", "{seen:?}");
    let status = "STATUS=0 of 1 cameras give frames";
    assert!(seen.iter().any(|said| said.trim() == status), "{seen:?}");
    assert!(daemon.log().contains("no frames"), "{}", daemon.log());
    daemon.signal("TERM");
    manager.wait("STOPPING=1", 1, &daemon);
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}

/// A part of the configuration that can't be read to its end before somebody writes it.
struct Slow(PathBuf);

impl Slow {
    fn part_of(workshop: &Workshop) -> Slow {
        let folder = workshop.path().with_extension("d");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("slow.toml");
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        Slow(path)
    }

    /// Comes back once it is being read.
    fn write(&self) {
        std::fs::write(&self.0, "").unwrap();
    }
}

#[test]
fn a_configuration_that_loads_for_long_holds_up_neither_the_watchdog_nor_a_stop() {
    let workshop = Workshop::new(free_port());
    workshop.configure(&workshop.noise(), "fps = 2");
    let (manager, mut daemon) = Manager::start(&workshop, 2);
    manager.wait("STATUS=1 of 1 cameras give frames", 1, &daemon);
    let slow = Slow::part_of(&workshop);
    daemon.signal("HUP");
    // Three intervals and more.
    let seen = manager.wait("WATCHDOG=1", 14, &daemon);
    assert!(!seen.iter().any(|said| said.contains("READY")), "{seen:?}");
    assert_eq!(begun(&daemon), 1, "it still loads");
    slow.write();
    until("the new configuration is taken", || begun(&daemon) == 2);
    daemon.signal("HUP");
    manager.wait("WATCHDOG=1", 2, &daemon);
    daemon.signal("TERM");
    manager.wait("STOPPING=1", 1, &daemon);
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}

#[test]
fn a_generation_that_ends_slowly_is_no_reason_to_be_killed() {
    let workshop = Workshop::new(free_port());
    // Killed, it leaves its pipe open: the source hangs when it is to be closed.
    workshop.configure(
        "{ kind = \"command\", command = [\"sh\", \"-c\", \"sleep 30; true\"], format = \"mjpeg\", \
         size = \"640x480\" }",
        "",
    );
    let (manager, daemon) = Manager::start(&workshop, 1);
    manager.wait("WATCHDOG=1", 2, &daemon);
    daemon.signal("HUP");
    let mut longest = Duration::ZERO;
    while begun(&daemon) < 2 {
        let start = Instant::now();
        manager.wait("WATCHDOG=1", 1, &daemon);
        longest = longest.max(start.elapsed());
    }
    assert!(longest < Duration::from_millis(1700), "{longest:?}");
}

/// How many generations have begun.
fn begun(daemon: &Daemon) -> usize {
    daemon.log().matches("inspecting").count()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    wait_until(30, || what.to_owned(), is_so);
}

/// A thread of the daemon that strace keeps in a system call.
struct Held(std::process::Child);

impl Held {
    /// Each write to the disk that somebody waits for takes so many seconds.
    fn at_the_disk(daemon: &Daemon, seconds: f64) -> Held {
        let inject = format!("inject=fdatasync,fsync:delay_enter={}", seconds * 1e6);
        let child = Command::new("strace")
            .args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fdatasync,fsync",
            ])
            .args(["-e", &inject])
            .args(["-p", &daemon.id().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .expect("strace is installed");
        Held(child)
    }

    /// Lets go of it, as strace does when it is asked to end.
    fn free(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

/// Lines of the journal that say so of the spool.
fn said_to_hang(daemon: &Daemon) -> usize {
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains("a stage hangs"));
    lines.filter(|line| line.contains("spool")).count()
}

#[test]
fn a_spool_that_hangs_is_named_and_not_vouched_for_until_it_goes_on() {
    let workshop = Workshop::new(free_port());
    let storm = "fps = 5\n[camera.incident]\nupdate_every_s = 0.01";
    workshop.configure(&workshop.noise(), storm);
    let (manager, daemon) = Manager::start(&workshop, 4);
    manager.wait("WATCHDOG=1", 3, &daemon);
    let held = Held::at_the_disk(&daemon, 60.0);
    wait_until(40, || daemon.log(), || said_to_hang(&daemon) > 0);
    // What was sent before, and then nothing: three pings would have come by now.
    while manager.within(Duration::from_millis(1)).is_some() {}
    assert_eq!(manager.within(Duration::from_secs(3)), None);
    held.free();
    manager.wait("WATCHDOG=1", 2, &daemon);
    assert!(daemon.log().contains("goes on"), "{}", daemon.log());
    assert_eq!(said_to_hang(&daemon), 1);
}

#[test]
fn a_stop_does_not_wait_for_all_who_asked_before() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(&workshop.noise(), "fps = 1");
    let mut daemon = workshop.start();
    let threshold = "inspectd/press/cam0/threshold";
    let told = subscriber.wait_for(60, &format!("{threshold}/state"), "0.5");
    told.unwrap();
    // A control that is set waits for the disk twice.
    let held = Held::at_the_disk(&daemon, 0.5);
    std::thread::sleep(Duration::from_secs(1));
    for hundredths in 60..76 {
        subscriber.say(&format!("{threshold}/set"), &format!("0.{hundredths}"));
    }
    std::thread::sleep(Duration::from_secs(1));
    daemon.signal("TERM");
    let start = Instant::now();
    until("it hears", || daemon.log().contains("asked to stop"));
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    assert!(
        daemon.log().contains("the threshold is set"),
        "{}",
        daemon.log()
    );
    held.free();
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
}
