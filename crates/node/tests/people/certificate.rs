//! Client certificates on the national listener, over real TLS connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use node::auth::certificate::Shown;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::{Running, prepare, within};

/// A certificate and its private key, in PEM.
struct Paper {
    certificate: String,
    key: String,
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Authority(issuer.unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for somebody, changed as the test wants.
    fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Paper {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "KZ");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Ministry");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2090, 1, 1);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Paper {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A list that revokes one serial number.
    fn revoke(&self, serial: u64) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

/// `sha256:…` of a certificate's public key, as the configuration names it.
fn pin(paper: &Paper) -> String {
    let der = CertificateDer::from_pem_slice(paper.certificate.as_bytes()).unwrap();
    let parsed = rustls::server::ParsedCertificate::try_from(&der).unwrap();
    let key = model::Hash::of(parsed.subject_public_key_info().as_ref());
    format!("sha256:{key}")
}

struct World {
    running: Running,
    server: CertificateDer<'static>,
    _dir: tempfile::TempDir,
}

async fn world(authority: &Authority, revoked: Option<&str>, users: &[(&str, &str)]) -> World {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let line = |key: &str, path: &Path| format!("{key} = {path:?}\n");
    let mut text = String::from("[national_tls]\n");
    text += &line("certificate", &put("server.pem", &own.pem()));
    text += &line("key", &put("server.key", &key.serialize_pem()));
    text += "[people.certificates]\n";
    text += &line("authorities", &put("authorities.pem", &authority.pem()));
    if let Some(list) = revoked {
        text += &line("revoked", &put("revoked.pem", list));
    }
    text += "[people.certificates.users]\n";
    for (name, user) in users {
        text += &format!("{name:?} = {user:?}\n");
    }
    World {
        running: prepare("KZ", &text).await.start(None).await,
        server: own.der().clone(),
        _dir: dir,
    }
}

impl World {
    /// One request with this certificate: the status and answer, or why there was none.
    async fn ask(
        &self,
        paper: Option<&Paper>,
        path: &str,
        extra: &str,
    ) -> Result<(u16, String), std::io::Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.server.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match paper {
            None => builder.with_no_client_auth(),
            Some(paper) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(paper.certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(paper.key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let stream = TcpStream::connect(self.running.national).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = within(connector.connect(name, stream)).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/taxii+json;version=2.1, \
             */*\r\n{extra}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((status.expect("a status line"), answer))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_stands_for_its_user_by_key_or_subject() {
    let authority = Authority::new("National CA");
    let anna = authority.issue("Anna", |_| {});
    let bolat = authority.issue("Bolat", |_| {});
    let world = world(
        &authority,
        None,
        &[(&pin(&anna), "anna"), ("CN=Bolat,O=Ministry,C=KZ", "bolat")],
    )
    .await;
    for name in ["anna", "bolat"] {
        world.running.person(name, &["operator"]).await;
    }
    for (paper, name) in [(&anna, "anna"), (&bolat, "bolat")] {
        let (status, _) = world.ask(Some(paper), "/taxii2/", "").await.unwrap();
        assert_eq!(status, 200, "{name}: TAXII");
        let (status, answer) = world.ask(Some(paper), "/api/users", "").await.unwrap();
        assert_eq!(status, 200, "{name}: API {answer}");
        let (_, answer) = world
            .ask(Some(paper), "/console/sign-in", "")
            .await
            .unwrap();
        assert!(answer.contains(&format!("Continue as {name}")), "{answer}");
    }
    // Without one, everything else goes on; a password beside one does not change who it is from.
    let (status, _) = world.ask(None, "/taxii2/", "").await.unwrap();
    assert_eq!(status, 401);
    let (status, answer) = world.ask(None, "/console/sign-in", "").await.unwrap();
    assert!(status == 200 && !answer.contains("Continue as"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_certificate_of_nobody_opens_nothing() {
    let authority = Authority::new("National CA");
    let stranger = authority.issue("Stranger", |_| {});
    let gone = authority.issue("Gone", |_| {});
    let world = world(&authority, None, &[(&pin(&gone), "gone")]).await;
    let header = world.running.person("anna", &["analyst"]).await;
    let password = format!("Authorization: {header}\r\n");
    let (status, _) = world.ask(None, "/taxii2/", &password).await.unwrap();
    assert_eq!(status, 200);
    for path in ["/taxii2/", "/api/users", "/console/sign-in", "/metrics"] {
        for extra in ["", &password] {
            let (status, answer) = world.ask(Some(&stranger), path, extra).await.unwrap();
            assert_eq!(status, 403, "{path}");
            assert!(answer.contains(&pin(&stranger)), "{answer}");
            let (status, answer) = world.ask(Some(&gone), path, extra).await.unwrap();
            assert_eq!(status, 403, "{path}");
            assert!(answer.contains("no user here"), "{answer}");
        }
    }
    // Once the operator makes the user, and no longer than that.
    world.running.person("gone", &["analyst"]).await;
    let (status, _) = world.ask(Some(&gone), "/taxii2/", "").await.unwrap();
    assert_eq!(status, 200);
    let path = "/users/gone";
    let (status, ..) = world.running.ask(hyper::Method::DELETE, path, "").await;
    assert!(status.is_success(), "{status}");
    let (status, _) = world.ask(Some(&gone), "/taxii2/", "").await.unwrap();
    assert_eq!(status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_are_not_good_do_not_get_through_the_handshake() {
    let authority = Authority::new("National CA");
    let good = authority.issue("Anna", |params| {
        params.serial_number = Some(SerialNumber::from(6));
    });
    let revoked = authority.issue("Anna", |params| {
        params.serial_number = Some(SerialNumber::from(7));
    });
    let expired = authority.issue("Anna", |params| {
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let early = authority.issue("Anna", |params| {
        params.not_before = date_time_ymd(2089, 1, 1);
    });
    let of_a_server = authority.issue("Anna", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    // The same names, by somebody else who calls themselves the same.
    let forged = Authority::new("National CA").issue("Anna", |_| {});
    let subject = ("CN=Anna,O=Ministry,C=KZ", "anna");
    let world = world(&authority, Some(&authority.revoke(7)), &[subject]).await;
    world.running.person("anna", &["analyst"]).await;
    let (status, _) = world.ask(Some(&good), "/taxii2/", "").await.unwrap();
    assert_eq!(status, 200);
    for (what, paper) in [
        ("revoked", &revoked),
        ("expired", &expired),
        ("early", &early),
        ("of a server", &of_a_server),
        ("forged", &forged),
    ] {
        let result = world.ask(Some(paper), "/taxii2/", "").await;
        assert!(result.is_err(), "{what}: {result:?}");
    }
}

#[test]
fn a_stranger_is_named_so_that_the_operator_can_add_them() {
    let stranger = Shown::Stranger {
        subject: "CN=Anna".into(),
        key: model::Hash::of(b"key"),
    };
    let text = stranger.to_string();
    assert!(
        text.contains("[people.certificates.users]") && text.contains("CN=Anna"),
        "{text}"
    );
}
