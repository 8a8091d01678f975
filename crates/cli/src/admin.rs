//! The one way to a node: its admin API.
//!
//! When the node runs, requests go over `<data>/admin.sock`. When it does not, the node is opened
//! in this process and the same router answers. No command knows which of the two it was, so what
//! an operator can do is the same at any time, and refusals read the same.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use node::admin::types::{Me, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use crate::exit::Failure;
use crate::http::Http;
use crate::sign_in;

/// The name of the socket in the data folder.
pub(crate) const SOCKET: &str = "admin.sock";

/// In whose name this process acts; `None`: the operator's.
static ACTS_AS: OnceLock<Option<String>> = OnceLock::new();

/// Says once, before any command, in whose name this process acts.
pub(crate) fn act_as(user: Option<String>) {
    drop(ACTS_AS.set(user));
}

/// The user in whose name this process acts, where it is not the operator.
pub(crate) fn acting() -> Option<&'static str> {
    ACTS_AS.get()?.as_deref()
}

/// A node's admin API.
pub(crate) struct Admin {
    way: Way,
    /// What proves the user of `--as`.
    authorization: Option<String>,
}

enum Way {
    Socket(Box<Http>),
    Here(axum::Router),
}

impl Admin {
    /// The admin API of the node whose data is in `folder`, running or not.
    ///
    /// In the name of the user of `--as`, where one is given.
    pub(crate) async fn open(folder: &Path) -> Result<Admin, Failure> {
        let mut admin = Admin::operator(folder).await?;
        if let Some(user) = acting() {
            admin.authorization = Some(sign_in::prove(&mut admin, user).await?);
        }
        Ok(admin)
    }

    /// The same without a header: over the socket that is the operator; `/auth` asks for no more.
    pub(crate) async fn operator(folder: &Path) -> Result<Admin, Failure> {
        if !folder.join(node::CONFIG_FILE).is_file() {
            return Err(Failure::usage(format!(
                "{} is no data folder of a node; name one with --data, or make one with `kurultai init`",
                folder.display()
            )));
        }
        if let Ok(admin) = Admin::running(folder).await {
            return Ok(admin);
        }
        let node = open_node(folder)?;
        Ok(Admin {
            way: Way::Here(node::admin::router(node)),
            authorization: None,
        })
    }

    /// The admin API of a node that runs.
    pub(crate) async fn running(folder: &Path) -> Result<Admin, Failure> {
        let http = Http::unix(&folder.join(SOCKET)).await?;
        Ok(Admin {
            way: Way::Socket(Box::new(http)),
            authorization: None,
        })
    }

    /// The same in the name of whoever this Authorization header proves.
    pub(crate) fn with_proof(mut self, header: String) -> Admin {
        self.authorization = Some(header);
        self
    }

    /// Whether a server answers, rather than this process.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.way, Way::Socket(_))
    }

    /// GET, with a JSON answer.
    pub(crate) async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        decode(
            path,
            &self
                .ask(Method::GET, path, "application/json", Bytes::new())
                .await?,
        )
    }

    /// GET, with a text answer.
    pub(crate) async fn text(&mut self, path: &str) -> Result<String, Failure> {
        let body = self
            .ask(Method::GET, path, "text/plain", Bytes::new())
            .await?;
        String::from_utf8(body.to_vec()).map_err(|_| garbled(path, "it is not text"))
    }

    /// POST of JSON, with a JSON answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| garbled(path, &error.to_string()))?;
        decode(
            path,
            &self
                .ask(Method::POST, path, "application/json", Bytes::from(body))
                .await?,
        )
    }

    /// POST of bytes, with a JSON answer.
    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &mut self,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        decode(path, &self.ask(Method::POST, path, kind, body).await?)
    }

    /// DELETE.
    pub(crate) async fn delete(&mut self, path: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, path, "application/json", Bytes::new())
            .await
            .map(|_| ())
    }

    /// POST of JSON, with no answer.
    pub(crate) async fn tell(&mut self, path: &str, body: &impl Serialize) -> Result<(), Failure> {
        let body = serde_json::to_vec(body).map_err(|error| garbled(path, &error.to_string()))?;
        self.ask(Method::POST, path, "application/json", Bytes::from(body))
            .await
            .map(|_| ())
    }

    /// Whether this header proves somebody: their name, or why not.
    pub(crate) async fn try_proof(
        &mut self,
        authorization: &str,
    ) -> Result<Result<Me, Problem>, Failure> {
        let held = self.authorization.replace(authorization.to_owned());
        let answer = self
            .exchange(Method::GET, "/auth/me", "application/json", Bytes::new())
            .await;
        self.authorization = held;
        let (status, body) = answer?;
        if status.is_success() {
            return decode("/auth/me", &body).map(Ok);
        }
        match decode("/auth/me", &body) {
            Ok(problem) => Ok(Err(problem)),
            Err(_) => Err(failure("/auth/me", status, &body)),
        }
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Bytes, Failure> {
        let (status, body) = self.exchange(method, path, kind, body).await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(failure(path, status, &body))
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let mut headers = vec![("content-type", kind)];
        if let Some(value) = &self.authorization {
            headers.push(("authorization", value));
        }
        match &mut self.way {
            Way::Socket(http) => {
                let answer = http.send(method, path, &headers, body).await?;
                Ok((answer.status, answer.body))
            }
            Way::Here(router) => {
                let mut request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header("host", "localhost");
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                let request = request.body(Full::new(body)).map_err(|error| {
                    Failure::usage(format!("{path:?} cannot be asked for: {error}; correct it"))
                })?;
                let Ok(response) = router.clone().oneshot(request).await;
                let (head, body) = response.into_parts();
                let body = body
                    .collect()
                    .await
                    .map_err(|error| garbled(path, &error.to_string()))?;
                Ok((head.status, body.to_bytes()))
            }
        }
    }
}

/// Opens a node in this process.
pub(crate) fn open_node(folder: &Path) -> Result<Arc<node::Node>, Failure> {
    node::Node::open_folder(folder).map_err(|error| failure_of_node(&error))
}

/// A text as one path segment or query value.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What a refusal of the node means for the exit code: what the server cannot do just now is
/// "unavailable", all else is a refusal.
fn failure(path: &str, status: StatusCode, body: &[u8]) -> Failure {
    let text = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if !problem.detail.is_empty() => match problem.pointer {
            Some(pointer) if !pointer.is_empty() => format!("{} (at {pointer})", problem.detail),
            _ => problem.detail,
        },
        Ok(problem) => problem.title,
        Err(_) => format!("the node answered {status} to {path}; look at its log"),
    };
    if status == StatusCode::NOT_FOUND {
        return Failure::Refused(format!("{text}; {} shows what is", listing(path)));
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Failure::Unavailable(text)
    } else {
        Failure::Refused(text)
    }
}

/// The command that lists the things of which one was asked for.
fn listing(path: &str) -> &'static str {
    match path.split(['/', '?']).nth(1) {
        Some("users") => "`kurultai user list`",
        Some("requests") if path.len() > "/requests".len() => "`kurultai request list`",
        Some("request-rules") => "`kurultai request rule list`",
        Some("feeds") => "`kurultai feed list`",
        Some("pull") => "`kurultai peer list`",
        Some("accords") => "`kurultai accord show`",
        _ => "`kurultai status`",
    }
}

/// What the operator wrote is a matter of usage; all else may be put right from outside.
fn failure_of_node(error: &node::NodeError) -> Failure {
    match error {
        node::NodeError::Config { .. } => Failure::usage(error),
        _ => Failure::unavailable(error),
    }
}

fn decode<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| garbled(path, &error.to_string()))
}

fn garbled(path: &str, why: &str) -> Failure {
    Failure::unavailable(format!(
        "the node's answer to {path} was not understood ({why}); check that node and tool have the same version"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Failure, StatusCode, escape, failure};

    #[test]
    fn labels_survive_a_query() {
        assert_eq!(
            escape("TLP:GREEN//REL KZ,KG"),
            "TLP%3AGREEN%2F%2FREL%20KZ%2CKG"
        );
    }

    #[test]
    fn a_full_disk_is_unavailable_and_a_rule_is_a_refusal() {
        let body =
            br#"{"type":"x","title":"t","status":422,"detail":"say why","pointer":"/ids/0"}"#;
        assert_eq!(
            failure("/release", StatusCode::UNPROCESSABLE_ENTITY, body),
            Failure::Refused("say why (at /ids/0)".into())
        );
        let body = br#"{"type":"x","title":"t","status":404,"detail":"there is no user here"}"#;
        assert_eq!(
            failure("/users/anna/token", StatusCode::NOT_FOUND, body),
            Failure::Refused("there is no user here; `kurultai user list` shows what is".into())
        );
        assert_eq!(
            failure("/objects", StatusCode::INSUFFICIENT_STORAGE, b"no json").code(),
            3
        );
    }
}
