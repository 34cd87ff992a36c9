//! A Chromium of its own for each test, driven by `chromedriver`.

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Nothing is asked of the network but what a test asks for.
const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// On what a page is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) name: &'static str,
    pub(crate) is_phone: bool,
    pub(crate) is_dark: bool,
}

impl Look {
    pub(crate) const WIDE: Self = Self {
        name: "wide",
        is_phone: false,
        is_dark: false,
    };
}

/// A driver that ends with the test.
pub(crate) struct Chromium {
    driver: Child,
    port: u16,
    profiles: tempfile::TempDir,
}

impl Chromium {
    pub(crate) fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: install Debian's packages chromium and chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                let line = line.unwrap();
                let port = line.split("successfully on port ").nth(1)?;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says on which port it listens");
        Self {
            driver,
            port,
            profiles: tempfile::tempdir().unwrap(),
        }
    }

    /// A window of a browser with a fresh profile.
    pub(crate) async fn open(&self, look: Look) -> Client {
        let profile = self.profiles.path().join(look.name);
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments.push("--window-size=1100,900".to_owned());
        if look.is_dark {
            arguments.push("--force-dark-mode".to_owned());
        }
        let mut options = serde_json::json!({ "args": arguments });
        if look.is_phone {
            let metrics = serde_json::json!({ "width": 390, "height": 844, "pixelRatio": 2 });
            options["mobileEmulation"] = serde_json::json!({ "deviceMetrics": metrics });
        }
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .unwrap()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
