//! The broker in the configuration: `[mqtt]` as resolved, and how it is read.
//!
//! Passwords are read here, because nothing past the configuration knows of files that hold them;
//! certificates and keys are read where the line is made. A secret that everybody on the machine
//! may read is refused. No secret appears in `Debug` output.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::files::Files;
use super::resolve::seconds;
use super::section::Section;
use super::{Issues, Name, Prefix};

/// The broker and how to speak to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// Whether there is one.
    pub enabled: bool,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// First levels of every topic.
    pub prefix: Prefix,
    /// Client identifier, 1 to 128 bytes; unique at the broker, and so is it with `-live` after it.
    pub client_id: String,
    /// The version of MQTT.
    pub protocol: ProtocolChoice,
    /// How the line is protected; `None` is plain TCP.
    pub tls: Option<Tls>,
    /// User and password, where the broker wants them.
    pub credentials: Option<Credentials>,
    /// Silence after which either side pings; a dead broker is noticed within twice of it.
    pub keep_alive: Duration,
    /// Shortest and longest pause before the next attempt to connect.
    pub retry: Retry,
    /// How long a stopping daemon tries to deliver what waits.
    pub drain: Duration,
}

/// Which version of MQTT is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
pub enum ProtocolChoice {
    /// 5 where the broker speaks it, else 3.1.1.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// 5 only.
    #[serde(rename = "5")]
    V5,
    /// 3.1.1 only.
    #[serde(rename = "3.1.1")]
    V3,
}

/// What the broker's certificate is checked against, and who we are. Checking can't be turned off.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tls {
    /// The authorities to trust, as PEM; `None` is the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, where the broker wants one.
    pub client: Option<ClientCertificate>,
    /// The name in the broker's certificate; `None` is the host.
    pub server_name: Option<String>,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and the authority.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// Bounds of an exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// First pause, above 0.
    pub min: Duration,
    /// Longest pause, not below `min`.
    pub max: Duration,
}

impl Retry {
    /// The pause after so many failures in a row; `draw` in 0..1 spreads the callers evenly between
    /// the shortest pause and the ceiling, which doubles from failure to failure.
    pub fn pause(&self, failures: u32, draw: f64) -> Duration {
        let doubled = self
            .min
            .saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
        let ceiling = doubled.min(self.max).max(self.min);
        self.min + (ceiling - self.min).mul_f64(draw.clamp(0.0, 1.0))
    }
}

/// A user name and its password. The password never appears in `Debug` output.
#[derive(Clone, PartialEq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password; empty where no file was named.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Ports that brokers listen on, without and with TLS.
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

/// Reads `[mqtt]`; `node` is for the client identifier.
pub(super) fn resolve(
    mut section: Section,
    node: Option<&Name>,
    files: &Files,
    issues: &mut Issues,
) -> Option<Mqtt> {
    let enabled = section.get("enabled", issues).unwrap_or(true);
    let host = host(&mut section, issues);
    let has_tls = section.given("tls");
    let inner = section.section("tls", issues);
    let tls = has_tls.then(|| tls(inner, files, issues));
    let port = if tls.is_some() { TLS_PORT } else { PORT };
    let port = section.number("port", port, &(1..=u16::MAX), issues);
    let protocol = section.get("protocol", issues).unwrap_or_default();
    let prefix = section.get("prefix", issues).unwrap_or_default();
    let default_id = node.map_or_else(|| "inspectd".to_owned(), |node| format!("inspectd-{node}"));
    let client_id = section.text("client_id", issues).unwrap_or(default_id);
    if client_id.len() > 128 {
        issues.add(section.path("client_id"), "has more than 128 bytes");
    }
    let credentials = credentials(&mut section, files, issues);
    let keep_alive = seconds(&mut section, "keep_alive_s", 30.0, (5.0, 3600.0), issues);
    let min = seconds(&mut section, "retry_min_s", 1.0, (0.05, 60.0), issues);
    let max = seconds(&mut section, "retry_max_s", 60.0, (0.05, 3600.0), issues);
    if max < min {
        issues.add(section.path("retry_max_s"), "is below retry_min_s");
    }
    let drain = seconds(&mut section, "drain_s", 5.0, (0.0, 15.0), issues);
    section.finish(issues);
    let retry = Retry { min, max };
    Some(Mqtt {
        enabled,
        host,
        port,
        prefix,
        client_id,
        protocol,
        tls,
        credentials,
        keep_alive,
        retry,
        drain,
    })
}

fn host(section: &mut Section, issues: &mut Issues) -> String {
    let host = section
        .text("host", issues)
        .unwrap_or_else(|| "localhost".to_owned());
    // `fe80::1%eth0` names the link as well.
    let address = host.split('%').next().unwrap_or_default();
    // Not repeated: a URL may hold a password, and this text is published.
    if host.contains(['/', ' ']) {
        let fault = "is no host's name; give the name or address alone, no URL";
        issues.add(section.path("host"), fault);
    } else if host.contains(':') && address.parse::<Ipv6Addr>().is_err() {
        let fault = "is no host's name and no IPv6 address; put the port into mqtt.port";
        issues.add(section.path("host"), fault);
    }
    host
}

fn credentials(section: &mut Section, files: &Files, issues: &mut Issues) -> Option<Credentials> {
    let username = section.text("username", issues);
    let file = section.text("password_file", issues);
    let Some(username) = username else {
        if file.is_some() {
            issues.add(
                section.path("username"),
                "is missing: password_file is given",
            );
        }
        return None;
    };
    match file.map(|file| password(&file, files)) {
        None => Some(Credentials {
            username,
            password: String::new(),
        }),
        Some(Ok(password)) => Some(Credentials { username, password }),
        Some(Err(fault)) => {
            issues.add(section.path("password_file"), fault);
            None
        }
    }
}

/// The password in a file; the end of its line does not count.
fn password(file: &str, files: &Files) -> Result<String, String> {
    let text = files.secret_text(file)?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(format!("{file} is empty: write the password into it"));
    }
    // MQTT's own limit (3.1.1, 1.5.3). Not the text, never the text.
    if password.len() > usize::from(u16::MAX) {
        return Err(format!(
            "{file} is no password: it has more than 65535 bytes"
        ));
    }
    Ok(password.to_owned())
}

fn tls(mut section: Section, files: &Files, issues: &mut Issues) -> Tls {
    let mut path = |key, is_secret, section: &mut Section| {
        let text = section.text(key, issues)?;
        let path = if is_secret {
            files.secret(&text)
        } else {
            files.path(&text)
        };
        path.map_err(|fault| issues.add(section.path(key), fault))
            .ok()
    };
    let (has_cert, has_key) = (section.given("cert_file"), section.given("key_file"));
    let ca_file = path("ca_file", false, &mut section);
    let cert_file = path("cert_file", false, &mut section);
    let key_file = path("key_file", true, &mut section);
    for (is_alone, missing, given) in [
        (has_cert && !has_key, "key_file", "cert_file"),
        (has_key && !has_cert, "cert_file", "key_file"),
    ] {
        if is_alone {
            issues.add(
                section.path(missing),
                format!("is missing: {given} is given"),
            );
        }
    }
    let server_name = section.text("server_name", issues);
    section.finish(issues);
    let client = cert_file
        .zip(key_file)
        .map(|(cert_file, key_file)| ClientCertificate {
            cert_file,
            key_file,
        });
    Tls {
        ca_file,
        client,
        server_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key and fault of what `[mqtt]` with this host is refused for.
    fn faults(host: &str) -> Vec<(String, String)> {
        let text = format!(
            "[node]\nname = \"n\"\n[mqtt]\nhost = \"{host}\"\n[[camera]]\nname = \"cam0\"\n\
             profile = \"p\"\nsource = {{ kind = \"images\", path = \"footage\" }}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inspectd.toml");
        std::fs::write(&path, text).unwrap();
        let issues = crate::config::load(&path).err();
        let issues = issues.iter().flat_map(Issues::iter);
        issues
            .map(|issue| (issue.key.clone(), issue.message.clone()))
            .collect()
    }

    #[test]
    fn a_host_with_its_port_is_refused_and_an_ipv6_address_is_not() {
        for host in ["broker:1883", "127.0.0.1:1883", "[::1]:1883", ":"] {
            let faults = faults(host);
            assert_eq!(faults.len(), 1, "{host}: {faults:?}");
            assert_eq!(faults[0].0, "mqtt.host");
            assert!(faults[0].1.contains("put the port into mqtt.port"));
        }
        for host in ["broker.local", "127.0.0.1", "::1", "fe80::1%eth0"] {
            assert!(faults(host).is_empty(), "{host}");
        }
    }
}
