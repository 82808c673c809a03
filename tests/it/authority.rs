//! Certificates made at test time: an authority, and what it signs for brokers and for us. Nothing
//! here outlives its test.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// From which to which year, and for whom.
pub(crate) struct Wanted<'a> {
    pub(crate) years: (i32, i32),
    pub(crate) names: &'a [&'a str],
}

/// Valid now, for a broker on this machine.
pub(crate) const GOOD: Wanted = Wanted {
    years: (2020, 2200),
    names: &["localhost", "127.0.0.1"],
};
/// Valid long ago.
pub(crate) const EXPIRED: Wanted = Wanted {
    years: (2001, 2002),
    ..GOOD
};
/// Not valid for long.
pub(crate) const NOT_YET: Wanted = Wanted {
    years: (2190, 2200),
    ..GOOD
};
/// For another broker.
pub(crate) const ELSEWHERE: Wanted = Wanted {
    names: &["broker.plant.example", "10.9.8.7"],
    ..GOOD
};

impl Authority {
    /// One that signs with its own key.
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate, as PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// Its own certificate and key, as a broker that is its own authority has them.
    #[allow(dead_code, reason = "of the two who include this file one needs it")]
    pub(crate) fn itself(&self) -> Signed {
        Signed {
            certificate: self.pem(),
            key: self.0.key().serialize_pem(),
        }
    }

    /// A certificate for a broker.
    pub(crate) fn server(&self, wanted: &Wanted) -> Signed {
        let names: Vec<String> = wanted.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(wanted.years.0, 1, 1);
        params.not_after = date_time_ymd(wanted.years.1, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, "broker")
    }

    /// A certificate for a client of this name.
    pub(crate) fn client(&self, name: &str) -> Signed {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, name)
    }

    fn sign(&self, mut params: CertificateParams, name: &str) -> Signed {
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Signed {
    /// Writes `<name>.crt` and `<name>.key`, the key for its owner and group alone.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        use std::os::unix::fs::PermissionsExt;
        let certificate = folder.join(format!("{name}.crt"));
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        (certificate, key)
    }
}
