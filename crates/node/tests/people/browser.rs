//! A browser without scripts: keeps cookies and the last page, and looks at every cookie it gets.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Method;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openidconnect::url::form_urlencoded::Serializer;
use serde_json::Value;

use super::world::{PERSON_PASSWORD, Running, prepare, within};

pub(super) const ORIGIN: &str = "[people]\norigin = \"https://node.kz.example\"\n";

/// A browser without scripts: keeps cookies and the last page.
pub(super) struct Browser {
    client: Client<HttpConnector, Full<Bytes>>,
    address: std::net::SocketAddr,
    pub(super) jar: BTreeMap<String, String>,
    pub(super) page: Answer,
}

#[derive(Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: hyper::HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.head
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The token of the page's forms.
    pub(super) fn token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"token\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub(super) fn new(running: &Running) -> Browser {
        Browser {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address: running.national,
            jar: BTreeMap::new(),
            page: Answer::default(),
        }
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> &Answer {
        let cookies: Vec<String> = self
            .jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("cookie", cookies.join("; "));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let response = within(self.client.request(request)).await.unwrap();
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            assert!(
                text.contains("; HttpOnly; SameSite=Lax") && text.contains("; Path=/"),
                "{text}"
            );
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if name.starts_with("__Host-") {
                assert!(text.ends_with("; Secure"), "{text}");
            }
            match value {
                "" => self.jar.remove(name),
                value => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
        let body = body.collect().await.unwrap().to_bytes();
        self.page = Answer {
            status: head.status.as_u16(),
            head: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        &self.page
    }

    /// Loads a page and goes where it sends the browser.
    pub(super) async fn open(&mut self, path: &str) -> &Answer {
        self.send(Method::GET, path, &[], String::new()).await;
        self.follow().await
    }

    pub(super) async fn follow(&mut self) -> &Answer {
        for _ in 0..4 {
            if !(300..400).contains(&self.page.status) {
                break;
            }
            let to = self.page.header("location").to_owned();
            assert!(to.starts_with('/') && !to.starts_with("//"), "{to}");
            self.send(Method::GET, &to, &[], String::new()).await;
        }
        &self.page
    }

    /// Sends a form as the last page would, without going further.
    pub(super) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> &Answer {
        let token = self.page.token();
        let mut fields = fields.to_vec();
        fields.push(("token", &token));
        self.post(path, &fields, &[]).await
    }

    pub(super) async fn post(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> &Answer {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, body).await
    }

    pub(super) async fn sign_in(&mut self, name: &str) -> &Answer {
        self.open("/console/sign-in").await;
        let fields = [("name", name), ("password", PERSON_PASSWORD), ("next", "")];
        self.submit("/console/sign-in", &fields).await
    }

    /// What the page's script does: JSON with the form's token in a header.
    pub(super) async fn script(&mut self, path: &str, token: &str, value: &Value) -> &Answer {
        let headers = [
            ("content-type", "application/json"),
            ("x-form-token", token),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(Method::POST, path, &headers, value.to_string())
            .await
    }

    pub(super) fn session(&self) -> Option<&String> {
        self.jar
            .iter()
            .find(|(name, _)| name.ends_with("kurultai-session"))
            .map(|(_, value)| value)
    }
}

pub(super) async fn node(extra: &str) -> Running {
    prepare("KZ", extra).await.start(None).await
}
