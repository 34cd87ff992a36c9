//! `…/download` and the links to which it leads.

use super::{BUILD, Sample};
use crate::support::{Answer, URL};
use axum::body::Body;
use http::{Method, Request, StatusCode, header};

impl Sample {
    async fn download(&self, accept: Option<&str>) -> Answer {
        let path = format!(
            "{BUILD}/jobs/{}/artifacts/{}/download",
            self.build_job, self.app.id
        );
        let mut request =
            Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(accept) = accept {
            request = request.header(header::ACCEPT, accept);
        }
        self.larder
            .request(request.body(Body::empty()).unwrap())
            .await
    }

    /// A link without the host.
    async fn link(&self) -> String {
        let answer = self.download(None).await;
        answer
            .header("location")
            .strip_prefix(URL)
            .unwrap()
            .to_owned()
    }
}

#[tokio::test]
async fn a_download_is_a_redirect_whose_body_says_the_same() {
    let sample = Sample::new().await;
    for accept in [
        None,
        Some("application/octet-stream"),
        Some("text/html"),
        Some("nonsense"),
    ] {
        let answer = sample.download(accept).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{accept:?}");
        let location = answer.header("location");
        assert!(location.starts_with("https://larder.test/d/"), "{location}");
        assert!(location.ends_with("/app.tar.gz"), "{location}");
        assert_eq!(answer.json(), serde_json::json!({ "url": location }));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

/// As `pybuildkite` was recorded to ask: with a slash, a query that means nothing here, and its own `Accept`.
#[tokio::test]
async fn a_download_is_asked_for_in_the_form_of_every_client() {
    let sample = Sample::new().await;
    for job in sample.job_addresses() {
        let artifact = format!("{job}/artifacts/{}", sample.app.id);
        for tail in ["/download", "/download/", "/download/?per_page=100"] {
            let answer = sample
                .larder
                .get(&sample.token, &format!("{artifact}{tail}"))
                .await;
            assert_eq!(answer.status, StatusCode::FOUND, "{artifact}{tail}");
            let link = answer.header("location").strip_prefix(URL);
            let bytes = sample.larder.get("", link.unwrap()).await;
            assert_eq!(bytes.text(), "an archive");
        }
        let unknown = format!("{job}/artifacts/zz/?per_page=100");
        let answer = sample.larder.get(&sample.token, &unknown).await;
        assert_eq!(answer.refusal(), (404, "No artifact found".to_owned()));
    }
}

#[tokio::test]
async fn the_link_gives_the_bytes_whatever_else_the_client_brings() {
    let sample = Sample::new().await;
    let link = sample.link().await;
    let (folder, _) = link.rsplit_once('/').unwrap();
    for address in [
        link.clone(),
        format!("{link}?per_page=100&access_token=wrong"),
        format!("{folder}/another/name"),
        folder.to_owned(),
    ] {
        let request =
            Request::get(&address).header(header::AUTHORIZATION, "Bearer of-another-host");
        let answer = sample
            .larder
            .request(request.body(Body::empty()).unwrap())
            .await;
        assert_eq!(
            (answer.status, answer.text()),
            (StatusCode::OK, "an archive"),
            "{address}"
        );
    }
    let head = sample.larder.send("", Method::HEAD, &link, "").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn a_link_is_good_for_a_minute() {
    let sample = Sample::new().await;
    let link = sample.link().await;
    sample.larder.clock.advance_ms(59_000);
    assert_eq!(sample.larder.get("", &link).await.status, StatusCode::OK);
    sample.larder.clock.advance_ms(2_000);
    let answer = sample.larder.get("", &link).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.header("content-type").starts_with("text/plain"));
    assert!(answer.text().contains("does not work"), "{}", answer.text());
}

#[tokio::test]
async fn a_link_dies_with_its_artifact_and_with_the_token_that_asked_for_it() {
    let sample = Sample::new().await;
    let link = sample.link().await;
    let path = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    sample
        .larder
        .send(&sample.token, Method::DELETE, &path, "")
        .await;
    assert_eq!(
        sample.larder.get("", &link).await.status,
        StatusCode::NOT_FOUND
    );

    let sample = Sample::new().await;
    let link = sample.link().await;
    sample
        .larder
        .send(&sample.token, Method::DELETE, "/v2/access-token", "")
        .await;
    assert_eq!(
        sample.larder.get("", &link).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_link_that_was_never_given_out_is_refused_in_plain_text() {
    let sample = Sample::new().await;
    let link = sample.link().await;
    let token = link
        .strip_prefix("/d/")
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let (first, rest) = token.split_at(1);
    let flipped = format!("{}{rest}", if first == "A" { "B" } else { "A" });
    for wrong in [
        "x".to_owned(),
        flipped,
        token[..token.len() - 1].to_owned(),
        "%ff".to_owned(),
    ] {
        let answer = sample
            .larder
            .get(&sample.token, &format!("/d/{wrong}/app.tar.gz"))
            .await;
        assert!(answer.status.is_client_error(), "{wrong}: {answer:?}");
        assert!(
            answer.header("content-type").starts_with("text/plain"),
            "{wrong}"
        );
    }
    let answer = sample.larder.send("", Method::POST, &link, "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), "GET, HEAD");
}
