//! Which hosts are answered, and what each is for.
//!
//! Links, cookies and the separation of users' pages from ours all hang on the host, so a name that nobody
//! configured gets 421 and reaches no route.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::uri::Authority;
use http::{StatusCode, header};

use crate::config::{BaseUrl, Config, ContentUrl};

/// What the host of a request is for; an extension of every request that reaches a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestHost {
    /// The pages and the APIs.
    Main,
    /// Users' files, all on one host.
    Content,
    /// One job's files.
    ContentWildcard {
        /// The job's number.
        n: u64,
        /// The project's number.
        project: u64,
        /// The short word of the project's vcs, like `gh`.
        vcs: String,
    },
}

/// The hosts that are answered.
#[derive(Debug, Clone)]
pub struct Hosts {
    public_url: Option<BaseUrl>,
    content_url: Option<ContentUrl>,
    local: SocketAddr,
    is_tls: bool,
}

/// These say only whether the server is alive, and those who ask often know nothing but an address.
const ANSWERED_ON_ANY_HOST: [&str; 2] = ["/healthz", "/readyz"];

/// Whether this path answers on every host, those of users' files and those that are not ours among them.
pub fn is_for_every_host(path: &str) -> bool {
    ANSWERED_ON_ANY_HOST.contains(&path)
}

impl Hosts {
    /// The configured hosts of a server that listens on `local`.
    pub fn new(config: &Config, local: SocketAddr) -> Self {
        Self {
            public_url: config.public_url.clone(),
            content_url: config.content_url.clone(),
            local,
            is_tls: config.tls.cert.is_some(),
        }
    }

    /// What `authority`, the value of a `Host` field, is for; nothing when it is not one of ours.
    pub fn purpose_of(&self, authority: &str) -> Option<RequestHost> {
        let authority: Authority = authority.parse().ok()?;
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16();
        // What is neither host nor port would be a user, or a port that is no number.
        let port_length = port.map_or(0, |_| {
            authority.port().map_or(0, |port| port.as_str().len() + 1)
        });
        if authority.as_str().len() != host.len() + port_length {
            return None;
        }
        match &self.content_url {
            Some(ContentUrl::Host(url)) if is_of(url, &host, port) => {
                return Some(RequestHost::Content);
            }
            Some(ContentUrl::PerJob(pattern)) if is_port_of(pattern.sample(), port) => {
                if let Some(job) = pattern.job_of(&host) {
                    return Some(RequestHost::ContentWildcard {
                        n: job.n,
                        project: job.project,
                        vcs: job.vcs,
                    });
                }
            }
            _ => {}
        }
        let is_public = self
            .public_url
            .as_ref()
            .is_some_and(|url| is_of(url, &host, port));
        (is_public || self.is_local(&host, port)).then_some(RequestHost::Main)
    }

    /// The listening address itself, as long as no other name was set, and the names of the loopback device.
    fn is_local(&self, host: &str, port: Option<u16>) -> bool {
        if port.unwrap_or(if self.is_tls { 443 } else { 80 }) != self.local.port() {
            return false;
        }
        let address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .ok();
        if self.local.ip().to_canonical().is_loopback() {
            return host == "localhost"
                || address.is_some_and(|address| {
                    is_first_loopback(address) || address == self.local.ip()
                });
        }
        self.public_url.is_none() && address == Some(self.local.ip())
    }
}

/// Lets requests for our hosts through, with a [`RequestHost`]; others get 421. For `from_fn_with_state`.
pub async fn accept_host(
    State(hosts): State<Arc<Hosts>>,
    mut request: Request,
    next: Next,
) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let purpose = hosts.purpose_of(host);
    let is_for_all = is_for_every_host(request.uri().path());
    let Some(purpose) = purpose.or(is_for_all.then_some(RequestHost::Main)) else {
        let text = format!(
            "this server does not answer for the host `{}`: set public_url (or LARDER__PUBLIC_URL) to the address \
             that you use\n",
            host.escape_default()
        );
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    };
    if purpose != RequestHost::Main {
        // Who is signed in is nobody's business where users' files are shown.
        request.headers_mut().remove(header::COOKIE);
    }
    request.extensions_mut().insert(purpose);
    next.run(request).await
}

fn is_of(url: &BaseUrl, host: &str, port: Option<u16>) -> bool {
    url.host() == host && is_port_of(url, port)
}

fn is_port_of(url: &BaseUrl, port: Option<u16>) -> bool {
    port.unwrap_or(if url.is_https() { 443 } else { 80 }) == url.port()
}

fn is_first_loopback(address: IpAddr) -> bool {
    address == IpAddr::from([127, 0, 0, 1]) || address == IpAddr::from(1_u128.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn hosts(variables: &[(&str, &str)], local: &str) -> Hosts {
        let environment = variables
            .iter()
            .map(|&(name, value)| (format!("LARDER__{name}"), value.to_owned()));
        let config = Config::from_layers(None, environment, &Overrides::default()).unwrap();
        Hosts::new(&config, local.parse().unwrap())
    }

    #[track_caller]
    fn check(hosts: &Hosts, host: &str, expected: Option<&RequestHost>) {
        assert_eq!(hosts.purpose_of(host).as_ref(), expected, "{host}");
    }

    #[test]
    fn a_loopback_listener_answers_its_own_names() {
        let hosts = hosts(&[], "127.0.0.1:7878");
        for host in [
            "127.0.0.1:7878",
            "localhost:7878",
            "LOCALHOST:7878",
            "[::1]:7878",
        ] {
            check(&hosts, host, Some(&RequestHost::Main));
        }
        for host in [
            "",
            "localhost",
            "localhost:",
            "localhost:80",
            "127.0.0.2:7878",
            "evil:7878",
            "x@localhost:7878",
        ] {
            check(&hosts, host, None);
        }
    }

    #[test]
    fn the_public_host_is_answered_with_and_without_its_own_port() {
        let hosts = hosts(
            &[("PUBLIC_URL", "https://Builds.example/larder")],
            "127.0.0.1:7878",
        );
        check(&hosts, "builds.example", Some(&RequestHost::Main));
        check(&hosts, "BUILDS.example:443", Some(&RequestHost::Main));
        check(&hosts, "builds.example:80", None);
        check(&hosts, "builds.example.", None);
        check(&hosts, "x.builds.example", None);
        check(&hosts, "localhost:7878", Some(&RequestHost::Main));
    }

    #[test]
    fn a_network_listener_answers_only_what_is_configured() {
        let plain = ("ALLOW_PLAINTEXT", "true");
        let named = hosts(
            &[plain, ("PUBLIC_URL", "http://builds.example:7878")],
            "192.0.2.7:7878",
        );
        check(&named, "builds.example:7878", Some(&RequestHost::Main));
        check(&named, "192.0.2.7:7878", None);
        check(&named, "localhost:7878", None);
        check(
            &hosts(&[plain], "192.0.2.7:7878"),
            "192.0.2.7:7878",
            Some(&RequestHost::Main),
        );
    }

    #[test]
    fn content_hosts_are_told_apart() {
        let public = ("PUBLIC_URL", "https://builds.example");
        let one = hosts(
            &[public, ("CONTENT_URL", "https://files.example")],
            "127.0.0.1:7878",
        );
        check(&one, "files.example", Some(&RequestHost::Content));
        let pattern = (
            "CONTENT_URL",
            "https://{n}-{project}-{vcs}.artifacts.example:8443",
        );
        let many = hosts(&[public, pattern], "127.0.0.1:7878");
        let job = RequestHost::ContentWildcard {
            n: 24,
            project: 7,
            vcs: "gh".to_owned(),
        };
        check(&many, "24-7-gh.artifacts.example:8443", Some(&job));
        check(&many, "24-7-gh.artifacts.example", None);
        check(&many, "artifacts.example:8443", None);
    }
}
