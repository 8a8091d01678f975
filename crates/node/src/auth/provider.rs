//! The HTTP client that talks to the single sign-on provider, and to nothing else.
//!
//! Answers are bounded and timed, redirects are not followed, and everything is encrypted unless
//! the provider runs on this machine. The authorities that may vouch for the provider are a file of
//! the operator's choice.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

use super::limits::{PROVIDER_BYTES_MAX, PROVIDER_WAIT_SECS};
use crate::outbound;

/// A client for one provider.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Whether the provider is on this machine, where plain HTTP crosses no network.
    local: bool,
}

/// Why the provider gave no answer.
#[derive(Debug)]
pub(super) struct HttpError(String);

impl Http {
    /// A client that trusts the authorities in a PEM file.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn new(issuer: &str, authorities: &Path) -> Result<Http, String> {
        let local = issuer.starts_with("http://");
        let tls = outbound::tls((!local).then_some(authorities))?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Http {
            client: Client::builder(TokioExecutor::new()).build(connector),
            local,
        })
    }

    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri().clone();
        let host = uri.host().unwrap_or_default();
        let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if uri.scheme_str() != Some("https") && !(self.local && here) {
            return Err(HttpError(format!("{uri} is not encrypted")));
        }
        let exchange = async {
            let request = request.map(|body| Full::new(Bytes::from(body)));
            let response = self.client.request(request).await;
            let response = response.map_err(|error| HttpError(format!("{host}: {error:?}")))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, PROVIDER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| HttpError(format!("{host}: {error}")))?;
            Ok(HttpResponse::from_parts(parts, body.to_bytes().to_vec()))
        };
        tokio::time::timeout(Duration::from_secs(PROVIDER_WAIT_SECS), exchange)
            .await
            .map_err(|_| HttpError(format!("{host} did not answer in {PROVIDER_WAIT_SECS} s")))?
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HttpError {}
