//! What is counted while requests are answered.

use crate::support::TestLarder;
use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::stream;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io;

/// The value of one series now.
#[track_caller]
fn value(numbers: &PrometheusHandle, series: &str) -> f64 {
    let page = numbers.render();
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    let value = line.unwrap_or_else(|| panic!("no {series} in {page}"));
    value.trim().parse().unwrap()
}

#[tokio::test]
async fn uploads_are_counted_while_they_come_and_by_how_they_end() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let numbers = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let larder = TestLarder::with_demo().await;
    let (token, job) = (larder.admin().await, larder.job("master").await);
    let file = format!("/larder/v1/jobs/{}/artifacts/a", job.id);

    let seen = numbers.clone();
    let in_flight = move || value(&seen, "larder_uploads_in_flight");
    let pieces = stream::once(async move {
        assert!((in_flight() - 1.0).abs() < f64::EPSILON, "{}", in_flight());
        Ok::<_, io::Error>(Bytes::from_static(b"bread"))
    });
    larder
        .put(&token, &file, Body::from_stream(pieces))
        .await
        .is(201);
    let broken = stream::iter([Err::<Bytes, _>(io::Error::other("gone"))]);
    larder
        .put(&token, &file, Body::from_stream(broken))
        .await
        .is(400);

    for (series, expected) in [
        ("larder_uploads_in_flight", 0.0),
        ("larder_uploads_total{outcome=\"kept\"}", 1.0),
        ("larder_uploads_total{outcome=\"broken\"}", 1.0),
    ] {
        let got = value(&numbers, series);
        assert!((got - expected).abs() < f64::EPSILON, "{series}: {got}");
    }
    assert!(value(&numbers, "larder_database_write_seconds_count") > 3.0);
}

#[tokio::test]
async fn refused_tokens_failed_sign_ins_and_faults_of_a_store_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let numbers = recorder.handle();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let larder = TestLarder::start().await;
    larder.get("x", "/larder/v1/projects").await.is(401);
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    let answer = larder.ask(Method::POST, "/sign-in", &form, "token=x").await;
    assert!(answer.status.is_client_error(), "{answer:?}");
    let Some((_, blobs)) = larder.beside.embedded() else {
        return;
    };
    std::fs::rename(blobs, blobs.with_extension("aside")).unwrap();
    larder.get("", "/readyz").await.is(503);
    for series in [
        "larder_invalid_tokens_total{fault=\"malformed\"}",
        "larder_sign_in_failures_total{route=\"/sign-in\"}",
        "larder_store_errors_total{kind=\"internal\"}",
    ] {
        assert!(value(&numbers, series) >= 1.0, "{series}");
    }
}
