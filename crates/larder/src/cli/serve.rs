//! `larder serve` and `larder demo`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The folder of the embedded store [default: ./larder-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:7878].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where users reach the server, for the links that it gives out [default: where it listens].
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// A settings file; larder.example.toml shows every key.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The certificate chain in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// Its private key in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReadyArguments {
    /// Where the server is, with the path of its public address if it has one.
    #[arg(default_value = "http://127.0.0.1:7878", value_name = "URL")]
    pub(crate) url: String,
    /// A certificate in PEM to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Read everything back through the APIs, compare it with what the samples wrote, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// The folder of the demo's store; kept and used again.
    #[arg(long, value_name = "DIR", default_value = "./larder-demo")]
    pub(crate) data: PathBuf,
    /// How many nodes run each sample side by side.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallelism: u32,
}
