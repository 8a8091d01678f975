//! Single sign-on against a real, certified provider that runs beside the test.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command as Process, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kurultai_node::auth::oidc::{OidcError, Return, SignedOn, SingleSignOn, TokenFault};
use kurultai_node::config::{Config, Oidc};
use openidconnect::url::Url;
use policy::Duty;

use super::{here, origin};

/// The provider's secret for this node, as `oidc_provider.mjs` has it.
pub(super) const SECRET: &str = "a-secret-that-only-the-test-knows-0123456789";

/// A provider of its own for one test.
pub(super) struct Provider {
    process: Child,
    /// Kept open: the provider ends when it cannot write.
    _lines: BufReader<ChildStdout>,
    pub(super) issuer: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Provider {
    /// Starts one, if this machine has the package.
    pub(super) fn start(callback: &str) -> Option<Provider> {
        let Some(folder) = std::env::var_os("KURULTAI_OIDC_PROVIDER") else {
            let required =
                std::env::var_os("KURULTAI_REQUIRE_ALL").is_some_and(|value| value == "1");
            assert!(
                !required,
                "KURULTAI_OIDC_PROVIDER must name a folder that has node_modules/oidc-provider"
            );
            println!("skipped: KURULTAI_OIDC_PROVIDER names no folder with oidc-provider");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oidc_provider.mjs");
        let mut process = Process::new("node")
            .arg(script)
            .arg(folder)
            .arg(callback)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut issuer = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        while !issuer.starts_with("http://") {
            issuer.clear();
            assert_ne!(
                lines.read_line(&mut issuer).unwrap(),
                0,
                "the provider ended"
            );
        }
        Some(Provider {
            process,
            _lines: lines,
            issuer: issuer.trim().to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        })
    }

    /// The configuration of a node that trusts this provider, with more lines.
    pub(super) fn config(&self, data: &std::path::Path, more: &str) -> Config {
        std::fs::write(data.join("oidc-secret"), format!("{SECRET}\n")).unwrap();
        let text = format!(
            "[member]\ncode = \"KZ\"\nname = \"Kazakhstan\"\ndomain = \"kz.example\"\n\
             [people]\norigin = \"https://node.kz.example\"\n\
             [people.oidc]\nissuer = \"{}\"\nclient_id = \"kurultai\"\n\
             client_secret = \"oidc-secret\"\nscopes = [\"profile\", \"email\"]\n{more}",
            self.issuer
        );
        Config::parse(data, &text).unwrap()
    }

    /// The next ID token is wrong in this way.
    async fn spoil(&self, fault: &str) {
        let (status, ..) = self
            .get(&format!("{}/fault/{fault}", self.issuer), "")
            .await;
        assert_eq!(status, 200);
    }

    async fn get(&self, url: &str, cookies: &str) -> (u16, Vec<String>, Option<String>, String) {
        self.send("GET", url, cookies, "").await
    }

    /// Status, cookies set, where to, and body.
    async fn send(
        &self,
        method: &str,
        url: &str,
        cookies: &str,
        body: &str,
    ) -> (u16, Vec<String>, Option<String>, String) {
        let request = hyper::Request::builder()
            .method(method)
            .uri(url)
            .header("cookie", cookies)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = |name: &str| {
            head.headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status.as_u16(),
            text("set-cookie"),
            text("location").pop(),
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    /// Goes through the provider's pages as a browser would, as `who`, and brings back the address
    /// at this node to which the provider sends the browser.
    pub(super) async fn browse(&self, start: &Url, who: &str) -> Url {
        let mut jar = HashMap::new();
        let mut next = start.to_string();
        let mut form = None;
        for _ in 0..16 {
            let cookies: Vec<String> = jar
                .iter()
                .map(|(name, value): (&String, &String)| format!("{name}={value}"))
                .collect();
            let cookies = cookies.join("; ");
            let (status, set, location, body) = match form.take() {
                Some(form) => self.send("POST", &next, &cookies, form).await,
                None => self.get(&next, &cookies).await,
            };
            for cookie in set {
                let (name, value) = cookie.split_once('=').unwrap();
                let value = value.split(';').next().unwrap();
                jar.insert(name.to_owned(), value.to_owned());
            }
            match (status, location) {
                (302 | 303, Some(location)) => {
                    let to = Url::parse(&self.issuer).unwrap().join(&location).unwrap();
                    if !to.as_str().starts_with(&self.issuer) {
                        return to;
                    }
                    next = to.to_string();
                }
                (200, None) if body.contains("value=\"login\"") => {
                    form = Some(match who {
                        "anna" => "prompt=login&login=anna&password=x",
                        "bolat" => "prompt=login&login=bolat&password=x",
                        _ => "prompt=login&login=nobody&password=x",
                    });
                }
                (200, None) if body.contains("value=\"consent\"") => form = Some("prompt=consent"),
                other => panic!("{next}: {other:?}\n{body}"),
            }
        }
        panic!("the provider sends the browser in circles");
    }
}

/// The query of the address to which the provider sent the browser.
fn back(url: &Url) -> Return {
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    Return {
        code: query.get("code").cloned(),
        state: query.get("state").cloned().unwrap_or_default(),
        iss: query.get("iss").cloned(),
        error: query.get("error").cloned(),
    }
}

struct World {
    provider: Provider,
    hand: super::Hand,
    _dir: tempfile::TempDir,
    config: Oidc,
    sso: SingleSignOn,
}

const CALLBACK: &str = "https://node.kz.example/console/oidc/callback";

fn world(more: &str) -> Option<World> {
    let provider = Provider::start(CALLBACK)?;
    let dir = tempfile::tempdir().unwrap();
    let config = provider.config(dir.path(), more).people.oidc.unwrap();
    // The provider states real times.
    let hand = super::Hand::new();
    hand.set_to_now();
    let sso = SingleSignOn::new(&config, &origin(), hand.clock()).unwrap();
    Some(World {
        provider,
        hand,
        _dir: dir,
        config,
        sso,
    })
}

impl World {
    async fn sign_on(&self, who: &str) -> Result<SignedOn, OidcError> {
        let departure = self
            .sso
            .begin("browser", "/console/approvals", &here())
            .await?;
        let url = self.provider.browse(&departure.url, who).await;
        assert!(url.as_str().starts_with(CALLBACK), "{url}");
        self.sso.finish("browser", back(&url)).await
    }
}

fn token(fault: TokenFault) -> Result<SignedOn, OidcError> {
    Err(OidcError::Token(fault))
}

const DUTIES: &str = "[people.oidc.duties]\nrelease-approvers = [\"approver\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_says_who_it_is_and_adds_only_mapped_duties() {
    let Some(world) = world(DUTIES) else { return };
    let anna = world.sign_on("anna").await.unwrap();
    assert_eq!(
        anna,
        SignedOn {
            user: "anna".into(),
            duties: BTreeSet::new(),
            next: "/console/approvals".into()
        }
    );
    let bolat = world.sign_on("bolat").await.unwrap();
    assert_eq!(bolat.duties, BTreeSet::from([Duty::Approver]));
    // The same groups where the operator mapped none.
    let mut config = world.config.clone();
    config.duties.clear();
    let sso = SingleSignOn::new(&config, &origin(), world.hand.clock()).unwrap();
    let departure = sso.begin("browser", "/", &here()).await.unwrap();
    let url = world.provider.browse(&departure.url, "bolat").await;
    let bolat = sso.finish("browser", back(&url)).await.unwrap();
    assert_eq!(bolat.duties, BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_token_is_refused_for_its_fault() {
    let Some(world) = world("") else { return };
    for (fault, expected) in [
        ("nonce", TokenFault::Nonce),
        ("audience", TokenFault::Audience),
        ("audiences", TokenFault::Audience),
        ("expired", TokenFault::Expired),
        ("issuer", TokenFault::Issuer),
        ("signature", TokenFault::Signature),
        ("kid", TokenFault::Signature),
        ("unsigned", TokenFault::Signature),
        ("shared", TokenFault::Signature),
    ] {
        world.provider.spoil(fault).await;
        let result = world.sign_on("anna").await;
        assert_eq!(result, token(expected), "{fault}");
    }
    world.provider.spoil("nobody").await;
    assert_eq!(world.sign_on("anna").await, Err(OidcError::NoName));
    // The provider is unharmed.
    assert_eq!(world.sign_on("anna").await.unwrap().user, "anna");
    // A token that the provider thinks good, but not this node by its own clock.
    world.hand.pass(2 * 3600);
    let result = world.sign_on("anna").await;
    assert_eq!(result, token(TokenFault::Expired));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_counts_once_soon_and_in_its_own_browser() {
    let Some(world) = world("") else { return };
    let begun = async || {
        let departure = world.sso.begin("browser", "/", &here()).await.unwrap();
        back(&world.provider.browse(&departure.url, "anna").await)
    };
    let first = begun().await;
    world.sso.finish("browser", first.clone()).await.unwrap();
    let again = world.sso.finish("browser", first).await;
    assert_eq!(again, Err(OidcError::Gone), "replayed");
    // An address that an attacker got for an account of their own, opened in another browser.
    let foreign = world.sso.finish("another", begun().await).await;
    assert_eq!(foreign, Err(OidcError::Gone), "another browser");
    let late = begun().await;
    world.hand.pass(301);
    let late = world.sso.finish("browser", late).await;
    assert_eq!(late, Err(OidcError::Gone), "late");
    let made_up = Return {
        code: Some("x".into()),
        state: "made up".into(),
        ..Return::default()
    };
    let made_up = world.sso.finish("browser", made_up).await;
    assert_eq!(made_up, Err(OidcError::Gone), "made up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_of_others_and_refusals_do_not_sign_on() {
    let Some(world) = world("") else { return };
    let begun = async || {
        let departure = world.sso.begin("browser", "/", &here()).await.unwrap();
        back(&world.provider.browse(&departure.url, "anna").await)
    };
    // The provider is named in its answers (RFC 9207).
    let mut mixed = begun().await;
    assert_eq!(mixed.iss.as_deref(), Some(world.provider.issuer.as_str()));
    mixed.iss = Some("https://other.example".into());
    let mixed = world.sso.finish("browser", mixed).await;
    assert_eq!(mixed, Err(OidcError::OtherIssuer));
    let mut nameless = begun().await;
    nameless.iss = None;
    let nameless = world.sso.finish("browser", nameless).await;
    assert_eq!(nameless, Err(OidcError::OtherIssuer), "issuer left out");
    let mut declined = begun().await;
    declined.error = Some("access_denied".into());
    let declined = world.sso.finish("browser", declined).await;
    assert_eq!(declined, Err(OidcError::Declined));
    let mut wrong = begun().await;
    wrong.code = Some("made-up".into());
    let wrong = world.sso.finish("browser", wrong).await;
    assert_eq!(wrong, Err(OidcError::Provider));
    // The code of one sign-in under the state of another: its PKCE verifier does not fit.
    let (one, mut two) = (begun().await, begun().await);
    two.code = one.code;
    let crossed = world.sso.finish("browser", two).await;
    assert_eq!(crossed, Err(OidcError::Provider));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_mapped_people_and_verified_addresses_count() {
    let more = "user_claim = \"email\"\n[people.oidc.users]\n\"anna@kz.example\" = \"anna.k\"\n\
                \"bolat@kz.example\" = \"bolat.s\"\n";
    let Some(world) = world(more) else { return };
    assert_eq!(world.sign_on("anna").await.unwrap().user, "anna.k");
    // Bolat's address is in his profile but nobody has verified it.
    assert_eq!(world.sign_on("bolat").await, Err(OidcError::NoName));
    let mut config = world.config.clone();
    config.user_claim = "preferred_username".into();
    let sso = SingleSignOn::new(&config, &origin(), world.hand.clock()).unwrap();
    let departure = sso.begin("browser", "/", &here()).await.unwrap();
    let url = world.provider.browse(&departure.url, "anna").await;
    let stranger = sso.finish("browser", back(&url)).await;
    assert_eq!(stranger, Err(OidcError::Stranger));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_not_there_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    let config = |issuer: &str| {
        let text = format!(
            "[member]\ncode = \"KZ\"\nname = \"K\"\ndomain = \"kz.example\"\n[people]\n\
             origin = \"https://node.kz.example\"\n[people.oidc]\nissuer = \"{issuer}\"\n\
             client_id = \"x\"\nclient_secret = \"secret\"\n"
        );
        Config::parse(dir.path(), &text).map(|config| config.people.oidc.unwrap())
    };
    let nobody = config("http://127.0.0.1:9").unwrap();
    let sso = SingleSignOn::new(&nobody, &origin(), super::Hand::new().clock()).unwrap();
    assert_eq!(
        sso.begin("b", "/", &here()).await.unwrap_err(),
        OidcError::Provider
    );
    // Beyond this machine nothing goes unencrypted.
    let error = config("http://idp.example").unwrap_err().to_string();
    assert!(error.contains("people.oidc.issuer"), "{error}");
}
