//! A router that knows its own table, so that a test can ask whether every route is looked after, and every API can
//! refuse a method in its own form with the `Allow` that is due.

use crate::http::state::App;
use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any};
use std::collections::BTreeMap;

/// How an API refuses a method, to which `Allow` is added, or a stray address.
pub type MethodRefusal = fn() -> Response;

/// Routes of one API or of all.
#[must_use]
pub struct Routes {
    entries: BTreeMap<&'static str, Entry>,
    refusal: MethodRefusal,
    strays: Vec<(&'static str, MethodRefusal)>,
}

struct Entry {
    methods: Vec<Method>,
    router: MethodRouter<App>,
    refusal: MethodRefusal,
}

impl Routes {
    /// No routes yet, of an API that refuses methods in this way.
    pub fn new(refusal: MethodRefusal) -> Self {
        Self {
            entries: BTreeMap::new(),
            refusal,
            strays: Vec::new(),
        }
    }

    /// How an API refuses an address that has this form and is none of its routes. It is no route and not in the table.
    pub fn stray(mut self, pattern: &'static str, refusal: MethodRefusal) -> Self {
        self.strays.push((pattern, refusal));
        self
    }

    /// `GET`, and `HEAD` with it: the handler of a download looks at the method, others need not.
    pub fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on(path, Method::GET, MethodFilter::GET, handler)
    }

    /// `PUT`
    pub fn put<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on(path, Method::PUT, MethodFilter::PUT, handler)
    }

    /// `POST`
    pub fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on(path, Method::POST, MethodFilter::POST, handler)
    }

    /// `PATCH`
    pub fn patch<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on(path, Method::PATCH, MethodFilter::PATCH, handler)
    }

    /// `DELETE`
    pub fn delete<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on(path, Method::DELETE, MethodFilter::DELETE, handler)
    }

    /// These and those of another API.
    pub fn merge(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self.strays.extend(other.strays);
        self
    }

    /// Every route: its method and its template. `HEAD` goes with each `GET` and is not named.
    pub fn table(&self) -> Vec<(Method, &'static str)> {
        self.entries
            .iter()
            .flat_map(|(path, entry)| entry.methods.iter().map(|method| (method.clone(), *path)))
            .collect()
    }

    /// The router of these routes.
    pub fn into_router(self) -> Router<App> {
        let mut router = Router::new();
        for (pattern, refusal) in self.strays {
            router = router.route(pattern, any(move || std::future::ready(refusal())));
        }
        for (path, entry) in self.entries {
            let allow = entry.allow();
            let refusal = entry.refusal;
            let refuse = move || {
                let mut response = refusal();
                response.headers_mut().insert(header::ALLOW, allow.clone());
                std::future::ready(response)
            };
            router = router.route(path, entry.router.fallback(refuse));
        }
        router
    }

    fn on<H: Handler<T, App>, T: 'static>(
        mut self,
        path: &'static str,
        method: Method,
        filter: MethodFilter,
        handler: H,
    ) -> Self {
        let refusal = self.refusal;
        let entry = self.entries.entry(path).or_insert_with(|| Entry {
            methods: Vec::new(),
            router: MethodRouter::new(),
            refusal,
        });
        entry.methods.push(method);
        entry.router = std::mem::take(&mut entry.router).on(filter, handler);
        self
    }
}

impl Entry {
    fn allow(&self) -> HeaderValue {
        let mut words: Vec<&str> = Vec::new();
        for method in &self.methods {
            words.push(method.as_str());
            if *method == Method::GET {
                words.push("HEAD");
            }
        }
        HeaderValue::from_str(&words.join(", ")).unwrap_or(HeaderValue::from_static("GET"))
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.table()).finish()
    }
}
