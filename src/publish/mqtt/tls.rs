//! What TLS needs, made once from the files that the configuration names: whom to trust, and who we
//! are.
//!
//! Each fault is found here, before the first connection, under the key of the file at fault. The
//! broker's certificate is always checked, against the trusted authorities, the time and a name;
//! nothing here can turn that off. No key and no certificate is ever shown.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, InconsistentKeys, RootCertStore, SignatureScheme,
};
use rustls_native_certs::{CertificateResult, load_native_certs};

use crate::config::{ClientCertificate, Issues, Tls};

/// The bundle of a whole system has about 200 kB. More is a mistake, and would cost memory.
const LARGEST_FILE: u64 = 1 << 20;

/// Reads what `tls` names; `host` is who is called. `None` where something is at fault: then
/// `issues` holds every fault.
pub(super) fn configure(host: &str, tls: &Tls, issues: &mut Issues) -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let roots = match &tls.ca_file {
        Some(path) => authorities(path),
        None => system(load_native_certs()),
    };
    let roots = under("mqtt.tls.ca_file", roots, issues);
    let (name, is_host_fit) = (server_name(tls, issues), fits(host, issues));
    let identity = tls.client.as_ref();
    let identity = identity.map(|client| identify(client, &provider, issues));
    let (roots, name) = (roots?, name.filter(|_| is_host_fit)?);
    let identity = match identity {
        None => None,
        Some(read) => Some(read?),
    };
    match build(roots, name, identity, provider) {
        Ok(config) => Some(Arc::new(config)),
        Err(fault) => {
            issues.add("mqtt.tls", format!("can't be used: {fault}"));
            None
        }
    }
}

fn build(
    roots: RootCertStore,
    name: Option<ServerName<'static>>,
    identity: Option<CertifiedKey>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, String> {
    let webpki =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|fault| fault.to_string())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| fault.to_string())?;
    let builder = match name {
        None => builder.with_webpki_verifier(webpki),
        Some(name) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(UnderName { webpki, name })),
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    // Connections are rare: each checks the broker's certificate and shows ours anew.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes what was read, or notes its fault.
fn under<T>(key: &str, read: Result<T, String>, issues: &mut Issues) -> Option<T> {
    read.map_err(|fault| issues.add(key, fault)).ok()
}

/// The authorities in a file.
fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|fault| format!("{}: can't be trusted: {fault}", path.display()))?;
    }
    Ok(roots)
}

/// The authorities that this system trusts; those that can't be read are left out.
fn system(found: CertificateResult) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let faults = found.errors.iter().map(|fault| format!(" ({fault})"));
    Err(format!(
        "is missing, and this system trusts no authority{}: name the broker's, or install the \
         package ca-certificates",
        faults.collect::<String>()
    ))
}

/// The certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!(
            "{shown} holds no certificate; it has to be PEM, with -----BEGIN CERTIFICATE-----"
        )),
        Err(fault) => Err(format!("{shown} is damaged: {fault}")),
    }
}

/// The private key in a file.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let shown = path.display();
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|fault| match fault {
        pem::Error::NoItemsFound => format!(
            "{shown} holds no private key without a passphrase; it has to be PEM (PKCS#8, SEC1 or \
             PKCS#1)"
        ),
        fault => format!("{shown} is damaged: {fault}"),
    })
}

/// Our certificate with its key.
fn identify(
    client: &ClientCertificate,
    provider: &CryptoProvider,
    issues: &mut Issues,
) -> Option<CertifiedKey> {
    let shown = client.key_file.display();
    let chain = under(
        "mqtt.tls.cert_file",
        certificates(&client.cert_file),
        issues,
    );
    let key = key(&client.key_file).and_then(|key| {
        let key = provider.key_provider.load_private_key(key);
        key.map_err(|fault| format!("{shown} can't be used: {fault}"))
    });
    let key = under("mqtt.tls.key_file", key, issues);
    let identity = CertifiedKey::new(chain?, key?);
    match identity.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Some(identity),
        Err(Error::InconsistentKeys(_)) => {
            let cert_file = client.cert_file.display();
            issues.add(
                "mqtt.tls.key_file",
                format!("{shown} does not belong to the first certificate in {cert_file}"),
            );
            None
        }
        Err(fault) => {
            let cert_file = client.cert_file.display();
            issues.add(
                "mqtt.tls.cert_file",
                format!("{cert_file} can't be used: {fault}"),
            );
            None
        }
    }
}

/// The name to look for in the broker's certificate, where it is not the host's; the outer `None`
/// is a fault.
fn server_name(tls: &Tls, issues: &mut Issues) -> Option<Option<ServerName<'static>>> {
    let Some(name) = &tls.server_name else {
        return Some(None);
    };
    match ServerName::try_from(name.clone()) {
        Ok(name) => Some(Some(name)),
        Err(_) => {
            issues.add(
                "mqtt.tls.server_name",
                "is neither a host's name nor an address",
            );
            None
        }
    }
}

/// Whether the host can be called with TLS: the client sends it to the broker as it stands.
fn fits(host: &str, issues: &mut Issues) -> bool {
    let is_fit = ServerName::try_from(host).is_ok();
    if !is_fit {
        issues.add("mqtt.host", "is neither a host's name nor an address");
    }
    is_fit
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path);
    let file = file.and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes));
    let file = file.and_then(|_| match bytes.len() as u64 > LARGEST_FILE {
        true => Err(io::Error::other(format!(
            "it has more than {LARGEST_FILE} bytes"
        ))),
        false => Ok(()),
    });
    file.map_err(|fault| format!("{} can't be read: {fault}", path.display()))?;
    Ok(bytes)
}

/// Checks as ever, but for another name than that of the host who is called: rumqttc can't be told
/// of one.
#[derive(Debug)]
struct UnderName {
    webpki: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for UnderName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.webpki
            .verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
