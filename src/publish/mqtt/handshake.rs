//! TLS between our side and a broker's, in memory: what came of it, and which side said so.

use std::io::Cursor;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
};

use super::authority::{Authority, Signed};

/// Calls `localhost`; the broker wants our certificate from `wants`, where that is one. Gives what
/// our side makes of it in the end.
pub(super) fn shake(
    config: Arc<ClientConfig>,
    broker: &Signed,
    wants: Option<&Authority>,
) -> Result<(), Error> {
    let host = ServerName::try_from("localhost").unwrap();
    let mut ours = ClientConnection::new(config, host).unwrap();
    let mut theirs = ServerConnection::new(server(broker, wants)).unwrap();
    // More rounds than any handshake has, and a last word.
    for _ in 0..8 {
        let mut wire = Vec::new();
        while ours.wants_write() {
            ours.write_tls(&mut wire).unwrap();
        }
        let mut wire = Cursor::new(wire);
        while theirs.read_tls(&mut wire).unwrap() > 0 {
            // What it finds wrong it tells by an alert.
            let _ = theirs.process_new_packets();
        }
        let mut wire = Vec::new();
        while theirs.wants_write() {
            theirs.write_tls(&mut wire).unwrap();
        }
        let mut wire = Cursor::new(wire);
        while ours.read_tls(&mut wire).unwrap() > 0 {
            ours.process_new_packets()?;
        }
    }
    assert!(!ours.is_handshaking(), "it ends");
    Ok(())
}

fn server(broker: &Signed, wants: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match wants {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let pem = authority.pem();
            let root = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            roots.add(root).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let certificate = CertificateDer::from_pem_slice(broker.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(broker.key.as_bytes()).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate], key).unwrap())
}
