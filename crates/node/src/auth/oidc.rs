//! Single sign-on: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).
//!
//! The browser goes to the provider with a state and a nonce that this node made and comes back
//! with a code; the node exchanges the code for an ID token itself. The protocol and the token's
//! checks (signature, issuer, audience, nonce, dates) are `openidconnect`'s; here is what surrounds
//! them: the sign-ins that are open, the HTTP client, and who a token stands for.
//!
//! INVARIANT: a state is used at most once, within minutes, and only by the browser that began.
//! INVARIANT: only asymmetric signatures count; there is no shared-secret or unsigned ID token.
//! INVARIANT: a provider makes no user. It says which of the users that the operator added this
//! is, and adds duties only where the configuration names the group.

use std::collections::BTreeSet;
use std::fmt;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient,
    CoreClientAuthMethod, CoreGrantType, CoreIdToken, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::url::Url;
use openidconnect::{
    AdditionalProviderMetadata, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata,
    RedirectUrl, Scope, SignatureVerificationError, TokenResponse,
};
use policy::Duty;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Seq;

use super::limits::{CHALLENGE_SECS_MAX, GROUPS_MAX, PROVIDER_SECS_MAX, PROVIDER_SECS_MIN};
use super::pending::Pending;
use super::provider::Http;
use super::{Source, secret};
use crate::clock::Clock;
use crate::config::Oidc;
use crate::error::NodeError;

/// The path under the origin to which the provider sends browsers back.
pub const CALLBACK_PATH: &str = "/console/oidc/callback";

/// The signatures that an ID token may have.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Signing on through the configured provider.
pub struct SingleSignOn {
    config: Oidc,
    secret: ClientSecret,
    issuer: IssuerUrl,
    redirect: RedirectUrl,
    clock: Clock,
    http: Http,
    /// What the provider said about itself, and when.
    provider: tokio::sync::Mutex<Option<(Seq, Metadata)>>,
    open: Pending<Begun>,
}

/// Why somebody was not signed on.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OidcError {
    /// The provider cannot be reached or answers nonsense; the log says more.
    Provider,
    /// The provider said no; its reason is for the log only.
    Declined,
    /// The state is unknown, used already, too old, or of another browser.
    Gone,
    /// The answer names another provider.
    OtherIssuer,
    /// The ID token is not good.
    Token(TokenFault),
    /// The ID token does not say who it is.
    NoName,
    /// The operator has not allowed this person.
    Stranger,
}

/// What is wrong with an ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is missing or cannot be read.
    Malformed,
    /// It is not signed by the provider, or in a way that does not count.
    Signature,
    /// It is of another provider.
    Issuer,
    /// It is for another client.
    Audience,
    /// It answers another request.
    Nonce,
    /// It is too old.
    Expired,
}

/// Where a browser is sent, and what it must bring back.
#[derive(Clone, Debug)]
pub struct Departure {
    /// The provider's page.
    pub url: Url,
}

/// The query with which the provider sends a browser back (RFC 6749 §4.1.2, RFC 9207).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Return {
    /// The code to exchange.
    pub code: Option<String>,
    /// The state that this node made.
    pub state: String,
    /// The provider's name.
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Somebody whom the provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedOn {
    /// The user, by the operator's name. Whether there is one is for the caller to ask.
    pub user: String,
    /// The duties that the person's groups add.
    pub duties: BTreeSet<Duty>,
    /// Where the person wanted to go.
    pub next: String,
}

struct Begun {
    browser: String,
    nonce: Nonce,
    verifier: String,
    next: String,
}

impl SingleSignOn {
    /// Reads the provider's secret and authorities; the provider is not asked yet.
    ///
    /// # Errors
    /// When a file cannot be read or is empty.
    pub fn new(config: &Oidc, origin: &Url, clock: Clock) -> Result<SingleSignOn, NodeError> {
        let wrong = |key: &str, why: String| NodeError::Config {
            place: format!("people.oidc.{key}"),
            why,
        };
        let secret = std::fs::read_to_string(&config.client_secret).map_err(|error| {
            let file = config.client_secret.display();
            wrong(
                "client_secret",
                format!("{file} cannot be read ({error}); write the provider's secret there"),
            )
        })?;
        if secret.trim().is_empty() {
            return Err(wrong("client_secret", "the file is empty".into()));
        }
        let http = Http::new(&config.issuer, &config.authorities)
            .map_err(|why| wrong("authorities", why))?;
        let issuer = IssuerUrl::new(config.issuer.clone())
            .map_err(|error| wrong("issuer", error.to_string()))?;
        let redirect = origin
            .join(CALLBACK_PATH)
            .map_err(|error| wrong("issuer", error.to_string()))?;
        Ok(SingleSignOn {
            secret: ClientSecret::new(secret.trim().to_owned()),
            issuer,
            redirect: RedirectUrl::from_url(redirect),
            clock,
            http,
            provider: tokio::sync::Mutex::new(None),
            open: Pending::new(CHALLENGE_SECS_MAX),
            config: config.clone(),
        })
    }

    /// Begins a sign-on for one browser, told apart by a secret of its own (`browser`), at a place.
    ///
    /// # Errors
    /// [`OidcError::Provider`] when the provider does not say where its page is.
    pub async fn begin(
        &self,
        browser: &str,
        next: &str,
        source: &Source,
    ) -> Result<Departure, OidcError> {
        let metadata = self.metadata(false).await?;
        let client = self.client(metadata);
        let verifier = secret::encode(&secret::random::<32>());
        let state = secret::encode(&secret::random::<32>());
        let nonce = Nonce::new(secret::encode(&secret::random::<32>()));
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let (sent_state, sent_nonce) = (CsrfToken::new(state.clone()), nonce.clone());
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || sent_state,
                || sent_nonce,
            )
            .set_pkce_challenge(challenge);
        for scope in &self.config.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, ..) = request.url();
        let begun = Begun {
            browser: browser.to_owned(),
            nonce,
            verifier,
            next: next.to_owned(),
        };
        let now = self.clock.micros();
        self.open.put(state, &source.to_string(), now, begun);
        Ok(Departure { url })
    }

    /// Who came back from the provider in `browser`.
    ///
    /// # Errors
    /// See [`OidcError`]; the state is used up whatever happens.
    pub async fn finish(&self, browser: &str, back: Return) -> Result<SignedOn, OidcError> {
        let begun = self.open.take(&back.state, self.clock.micros());
        let begun = begun.ok_or(OidcError::Gone)?;
        if !secret::same(begun.browser.as_bytes(), browser.as_bytes()) {
            return Err(OidcError::Gone);
        }
        let metadata = self.metadata(false).await?;
        // RFC 9207: an answer names its issuer where the provider says that it does, lest the
        // answer of one provider be passed off as another's.
        let named = match back.iss.as_deref() {
            Some(iss) => iss == self.issuer.as_str(),
            None => {
                !metadata
                    .additional_metadata()
                    .authorization_response_iss_parameter_supported
            }
        };
        if !named {
            return Err(OidcError::OtherIssuer);
        }
        if let Some(error) = back.error {
            tracing::info!(?error, "the single sign-on provider declined");
            return Err(OidcError::Declined);
        }
        let code = back.code.ok_or(OidcError::Declined)?;
        let client = self.client(metadata);
        let exchange = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| provider_fault(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier));
        let reply = exchange
            .request_async(&self.http)
            .await
            .map_err(|error| provider_fault(&error))?;
        let token = reply
            .id_token()
            .ok_or(OidcError::Token(TokenFault::Malformed))?;
        let claims = self.claims(token, &begun.nonce).await?;
        self.person(&claims, begun.next)
    }

    /// The claims of a token that has passed every check.
    async fn claims(&self, token: &CoreIdToken, nonce: &Nonce) -> Result<Value, OidcError> {
        let mut checked = self.check(token, nonce, self.metadata(false).await?);
        if matches!(
            checked,
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey
            ))
        ) {
            // The provider may have changed its keys since it was last asked.
            checked = self.check(token, nonce, self.metadata(true).await?);
        }
        checked.map_err(|error| {
            tracing::warn!(%error, "an ID token was refused");
            OidcError::Token(TokenFault::of(&error))
        })?;
        // Claims under names of the operator's choice are read from the very token that was
        // checked; the library keeps its text as it came.
        let text = token.to_string();
        let payload = text.split('.').nth(1).and_then(secret::decode);
        payload
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or(OidcError::Token(TokenFault::Malformed))
    }

    fn check(
        &self,
        token: &CoreIdToken,
        nonce: &Nonce,
        metadata: Metadata,
    ) -> Result<(), ClaimsVerificationError> {
        let client = self.client(metadata);
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(SIGNATURES.iter().cloned());
        let claims = token.claims(&verifier, nonce)?;
        // The library reads the system's clock; the node's own decides as well.
        if i128::from(claims.expiration().timestamp()) <= i128::from(self.clock.secs()) {
            return Err(ClaimsVerificationError::Expired(
                "by this node's clock".into(),
            ));
        }
        Ok(())
    }

    /// Which user these claims stand for, and what their groups add.
    fn person(&self, claims: &Value, next: String) -> Result<SignedOn, OidcError> {
        let claim = &self.config.user_claim;
        let value = claims.get(claim).and_then(Value::as_str);
        let value = value.ok_or(OidcError::NoName)?;
        if claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
            // Anybody can write anybody's address into a profile.
            return Err(OidcError::NoName);
        }
        let user = if self.config.users.is_empty() {
            value
        } else {
            self.config.users.get(value).ok_or(OidcError::Stranger)?
        };
        let groups = match claims.get(&self.config.group_claim) {
            Some(Value::Array(groups)) => groups.as_slice(),
            _ => &[],
        };
        let duties = groups
            .iter()
            .take(GROUPS_MAX)
            .filter_map(Value::as_str)
            .filter_map(|group| self.config.duties.get(group))
            .flatten()
            .copied()
            .collect();
        Ok(SignedOn {
            user: user.to_owned(),
            duties,
            next,
        })
    }

    /// What the provider says about itself, asked again after a while or when `fresh`.
    async fn metadata(&self, fresh: bool) -> Result<Metadata, OidcError> {
        let mut known = self.provider.lock().await;
        let now = self.clock.micros();
        if let Some((at, metadata)) = known.as_ref() {
            // Even when asked to, not more than once in a while: tokens with made-up keys must not
            // make this node a nuisance to the provider.
            let secs = if fresh {
                PROVIDER_SECS_MIN
            } else {
                PROVIDER_SECS_MAX
            };
            if (*at..at.saturating_add(secs * 1_000_000)).contains(&now) {
                return Ok(metadata.clone());
            }
        }
        let metadata = Metadata::discover_async(self.issuer.clone(), &self.http)
            .await
            .map_err(|error| provider_fault(&error))?;
        *known = Some((now, metadata.clone()));
        Ok(metadata)
    }

    fn client(&self, metadata: Metadata) -> Client {
        CoreClient::from_provider_metadata(
            metadata,
            ClientId::new(self.config.client_id.clone()),
            Some(self.secret.clone()),
        )
        .set_redirect_uri(self.redirect.clone())
    }
}

/// What a provider says about itself beyond OpenID Connect Discovery 1.0.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Extra {
    /// RFC 9207 §3.
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

impl TokenFault {
    fn of(error: &ClaimsVerificationError) -> TokenFault {
        match error {
            ClaimsVerificationError::Expired(_) => TokenFault::Expired,
            ClaimsVerificationError::InvalidAudience(_) => TokenFault::Audience,
            ClaimsVerificationError::InvalidIssuer(_) => TokenFault::Issuer,
            ClaimsVerificationError::InvalidNonce(_) => TokenFault::Nonce,
            ClaimsVerificationError::SignatureVerification(_) => TokenFault::Signature,
            _ => TokenFault::Malformed,
        }
    }
}

fn provider_fault(error: &dyn std::error::Error) -> OidcError {
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        why = format!("{why}: {next}");
        cause = next.source();
    }
    tracing::warn!(
        why,
        "the single sign-on provider did not answer as it should"
    );
    OidcError::Provider
}

impl fmt::Display for OidcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OidcError::Provider => {
                "The single sign-on service cannot be used at present: try again, or sign in \
                 another way."
            }
            OidcError::Declined => "The single sign-on service did not sign you in.",
            OidcError::Gone => "The sign-in was begun too long ago or elsewhere: begin again.",
            OidcError::OtherIssuer | OidcError::Token(_) => {
                "The answer of the single sign-on service was not accepted; the operator finds the \
                 reason in the log."
            }
            OidcError::NoName => {
                "The single sign-on service did not say who you are in the way this node expects: \
                 ask the operator."
            }
            OidcError::Stranger => {
                "The single sign-on service knows you, but this node does not: ask the operator to \
                 add you."
            }
        })
    }
}

impl std::error::Error for OidcError {}
