//! A picture of every page on a screen and on a phone, light and dark, for people to look at.

use crate::chromium::{Chromium, Look};
use crate::serving::Serving;
use crate::{click, wait_for};
use fantoccini::Client;
use std::path::{Path, PathBuf};

const LOOKS: [Look; 4] = [
    Look::WIDE,
    Look {
        name: "wide-dark",
        is_phone: false,
        is_dark: true,
    },
    Look {
        name: "phone",
        is_phone: true,
        is_dark: false,
    },
    Look {
        name: "phone-dark",
        is_phone: true,
        is_dark: true,
    },
];

/// None is wider than the screen.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_page_fits_its_screen() {
    let serving = Serving::start().await;
    let chromium = Chromium::start();
    for look in LOOKS {
        let page = chromium.open(look).await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join("browser")
            .join(look.name);
        std::fs::create_dir_all(&folder).unwrap();
        page.goto(&format!("{}/sign-in", serving.url))
            .await
            .unwrap();
        picture(&page, &folder, "sign-in").await;
        page.goto(&serving.link("ada", "/").await).await.unwrap();
        picture(&page, &folder, "link").await;
        click(&page, "//button[.='Sign in']").await;
        wait_for(&page, "//h1[.='Projects']").await;
        picture(&page, &folder, "home").await;
        page.goto(&format!("{}/github/acme/demo/builds/1/tests", serving.url))
            .await
            .unwrap();
        click(&page, "(//summary)[1]").await;
        picture(&page, &folder, "test-failure").await;
        click(&page, "//a[contains(., 'passed')]").await;
        wait_for(&page, "//a[@aria-current='page'][contains(., 'passed')]").await;
        picture(&page, &folder, "tests-passed").await;
        page.goto(&format!("{}/github/acme/demo/builds/1/steps", serving.url))
            .await
            .unwrap();
        click(&page, "//details[@open]//a[.='On a page of its own']").await;
        wait_for(&page, "//pre[@class='output whole']").await;
        picture(&page, &folder, "step").await;
        for (name, path) in [
            ("project", "/github/acme/demo"),
            ("artifacts", "/github/acme/demo/builds/1"),
            ("steps", "/github/acme/demo/builds/1/steps"),
            ("tests", "/github/acme/demo/builds/1/tests"),
            ("nothing", "/github/acme/demo/builds/9"),
            ("token-new", "/settings/tokens/new"),
        ] {
            page.goto(&format!("{}{path}", serving.url)).await.unwrap();
            picture(&page, &folder, name).await;
        }
        let name = wait_for(&page, "//input[@name='name']").await;
        name.send_keys("laptop").await.unwrap();
        click(&page, "//button[.='Add API Token']").await;
        wait_for(&page, "//code[@class='secret']").await;
        picture(&page, &folder, "tokens").await;
        page.close().await.unwrap();
    }
}

async fn picture(page: &Client, folder: &Path, name: &str) {
    let script = "return document.documentElement.scrollWidth - window.innerWidth";
    let wider = page.execute(script, Vec::new()).await.unwrap();
    let picture = page.screenshot().await.unwrap();
    std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    assert!(
        wider.as_f64().unwrap() <= 0.0,
        "{name} in {} is wider than the screen by {wider}",
        folder.display()
    );
}
