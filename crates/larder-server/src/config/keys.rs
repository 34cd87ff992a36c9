//! Every key that exists: its name, what it may be, what it is when not set, and what it means.

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    /// `section.key`, or the key alone at the top level.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The default as TOML, if there is one.
    pub(super) default: Option<&'static str>,
    /// A value as TOML for the example file, where there is no default.
    pub(super) example: &'static str,
    /// Ends the sentence "allowed is …".
    pub(super) allowed: &'static str,
    /// For the people who set it.
    pub(super) meaning: &'static str,
}

/// How a value is written in the environment, and whether it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Never shown.
    Secret,
    /// A whole number from here to there.
    Number {
        least: i64,
        most: i64,
    },
    /// `true` or `false`.
    Flag,
    /// In the environment: with commas between.
    List,
}

impl Key {
    /// The variable that sets the key.
    pub(super) fn variable(&self) -> String {
        format!(
            "{VARIABLE_PREFIX}{}",
            self.name.to_ascii_uppercase().replace('.', "__")
        )
    }

    /// The section, empty at the top level, and the key in it.
    pub(super) fn section_and_key(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}

/// What our variables begin with. `LARDER_URL`, `LARDER_TOKEN` and `LARDER_JOB` are the client's and none of ours.
pub(super) const VARIABLE_PREFIX: &str = "LARDER__";

const SECONDS: &str = "a whole number of seconds, from 1 to a year's 31536000";
const SECONDS_OR_NONE: &str = "a whole number of seconds, from 0 to a year's 31536000";
/// Longer times overflow clocks somewhere, and nobody means them.
const SECONDS_MOST: i64 = 31_536_000;
const ADDRESS: &str = "an IP address and a port, like \"127.0.0.1:7878\"; port 0 picks a free one";

const fn text(
    name: &'static str,
    example: &'static str,
    allowed: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        kind: Kind::Text,
        default: None,
        example,
        allowed,
        meaning,
    }
}

const fn secret(name: &'static str, allowed: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        kind: Kind::Secret,
        default: None,
        example: "\"…\"",
        allowed,
        meaning,
    }
}

const fn number(
    name: &'static str,
    default: &'static str,
    allowed: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        kind: Kind::Number {
            least: 1,
            most: i64::MAX,
        },
        default: Some(default),
        example: default,
        allowed,
        meaning,
    }
}

const fn seconds(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    number(name, default, SECONDS, meaning).within(1, SECONDS_MOST)
}

const fn flag(name: &'static str, meaning: &'static str) -> Key {
    let default = Some("false");
    Key {
        name,
        kind: Kind::Flag,
        default,
        example: "false",
        allowed: "true or false",
        meaning,
    }
}

impl Key {
    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self.example = default;
        self
    }

    const fn within(mut self, least: i64, most: i64) -> Self {
        self.kind = Kind::Number { least, most };
        self
    }

    const fn list(mut self) -> Self {
        self.kind = Kind::List;
        self
    }
}

/// Top level first, then section by section.
pub(super) const KEYS: &[Key] = &[
    text(
        "data",
        "",
        "a path",
        "The directory of the embedded store. It is made when it is missing; one server at a time owns it.",
    )
    .or("\"./larder-data\""),
    text("listen", "", ADDRESS, "Where requests are answered.").or("\"127.0.0.1:7878\""),
    text(
        "public_url",
        "\"https://larder.example\"",
        "a URL that begins with http:// or https://, perhaps with a path, without user, query and fragment",
        "Where users reach the server; every link that it gives begins with it, and only its host is answered. \
         Without it, the listening address. Behind a proxy it may have a path.",
    ),
    text(
        "content_url",
        "\"https://{n}-{project}-{vcs}.artifacts.example\"",
        "a URL as for public_url with another host, or one whose host begins with a label that has {n}, {project} \
         and {vcs} in it",
        "A host of its own for the files of users, so that no page that a build made shares an origin with ours; \
         with the wildcard form, not even with the pages of another job. Use a host under another registrable \
         domain than public_url's. Without it, files are shown on the main host in a sandbox.",
    ),
    text(
        "trusted_proxies",
        "",
        "a list of IP addresses and ranges, like [\"10.0.0.0/8\", \"::1\"]",
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, and X-Forwarded-Prefix, which says that the \
         proxy took the path of public_url away; without it, the whole path is expected. X-Forwarded-Host is never read: \
         hand on Host.",
    )
    .or("[]")
    .list(),
    flag(
        "allow_plaintext",
        "Allows listening to the network without TLS and without a proxy: tokens and files are then readable on \
         the way.",
    ),
    text(
        "serve_html",
        "",
        "\"render\" or \"text\"",
        "Whether HTML, scripts, style sheets and XML of users are shown as pages (in a sandbox) or as text.",
    )
    .or("\"render\""),
    flag(
        "auto_create_projects",
        "Whether announcing a build of an unknown project makes it (private). Otherwise only tokens with the scope \
         `admin` can.",
    ),
    text(
        "sign_in.user_header",
        "\"X-Forwarded-User\"",
        "the name of a header that means nothing else, together with trusted_proxies",
        "The header in which a trusted proxy names the user that it has signed in; an unknown user is made. It stands in \
         for a browser's session and for nothing else, and from anybody but a trusted proxy it is ignored. The proxy must \
         set it on every request, or remove it, whatever the client sent.",
    ),
    text(
        "sign_in.groups_header",
        "\"X-Forwarded-Groups\"",
        "the name of a header that means nothing else, together with sign_in.user_header",
        "The header in which that proxy names the user's groups, with commas between. They count for the request that has \
         them and are kept nowhere; API tokens have only those roles that an operator gave their user.",
    ),
    text(
        "sign_in.admin_group",
        "\"larder-admins\"",
        "a group, together with sign_in.groups_header",
        "Whoever is in this group is admin everywhere.",
    ),
    text(
        "sign_in.groups",
        "[\"dev=github/acme:writer\", \"ops=*:admin\"]",
        "a list of GROUP=PLACE:ROLE; PLACE is *, github/acme or github/acme/demo, ROLE is reader, writer or admin; together \
         with sign_in.groups_header",
        "Which roles groups have, and where.",
    )
    .list()
    .or("[]"),
    text(
        "sign_in.sign_out_url",
        "\"/oauth2/sign_out\"",
        "a URL that begins with http:// or https://, or a path that begins with one /",
        "Where signing out leads, so that the proxy signs out too. Without it, who was signed in by the proxy cannot sign \
         out here.",
    ),
    text(
        "tls.cert",
        "\"/etc/larder/fullchain.pem\"",
        "a path of a PEM file, together with tls.key",
        "The certificate chain, the server's own certificate first. With it, TLS 1.2 and 1.3 are spoken.",
    ),
    text(
        "tls.key",
        "\"/etc/larder/privkey.pem\"",
        "a path of a PEM file, together with tls.cert",
        "The private key of the certificate.",
    ),
    text(
        "metrics.listen",
        "\"127.0.0.1:7879\"",
        ADDRESS,
        "Where `GET /metrics` answers in Prometheus' text form, without a token. Nowhere when not set.",
    ),
    text(
        "log.format",
        "",
        "\"text\" or \"json\"",
        "Log lines for people, or one JSON object per line. They go to the standard error output.",
    )
    .or("\"text\""),
    text(
        "log.level",
        "",
        "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        "How much is logged; `info` has a line per request.",
    )
    .or("\"info\""),
    number(
        "limits.max_file_bytes",
        "3_000_000_000",
        "a whole number of bytes, 1 or more",
        "The largest file that is kept. The default is the limit that CircleCI documents.",
    ),
    number(
        "limits.max_project_bytes",
        "0",
        "a whole number of bytes; 0 for no limit",
        "All bytes that a project may keep, where `larder admin project limit` says nothing else for it; what would \
         pass it is refused with 507.",
    )
    .within(0, i64::MAX),
    number(
        "limits.max_connections",
        "4096",
        "a whole number from 1 to 1000000",
        "So many connections are open at once; more wait.",
    )
    .within(1, 1_000_000),
    seconds("limits.header_timeout_s", "10", "From the first byte of a request's head to its last. A head that trickles is answered with 408.",
    ),
    seconds("limits.body_idle_timeout_s", "30", "How long an upload may pause. Waits together may be longer only for clients that send 1 KiB per second \
         on average.",
    ),
    seconds("limits.write_timeout_s", "60", "How long a client may take nothing of its answer."),
    seconds("limits.idle_timeout_s", "60", "How long a connection may stay open between two requests."),
    number(
        "limits.drain_timeout_s",
        "30",
        SECONDS_OR_NONE,
        "What answers on their way get when the server is told to stop.",
    )
    .within(0, SECONDS_MOST),
    number(
        "limits.invalid_tokens_per_minute",
        "60",
        "a whole number, 1 or more",
        "So many unknown tokens may come from one address (IPv6: one /64) in a minute; more are answered with 429. \
         Requests with valid tokens are not counted.",
    ),
    text(
        "database.url",
        "\"sqlite:/var/lib/larder/larder.db\"",
        "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        "Where the rows are. Without it, a file in `data`. With PostgreSQL (15 or newer), `?sslmode=verify-full&\
         sslrootcert=FILE` is for a server that must prove who it is.",
    ),
    number(
        "database.connections",
        "16",
        "a whole number from 2 to 1000",
        "Connections to PostgreSQL at most, of each server.",
    )
    .within(2, 1_000),
    text(
        "blobs.url",
        "\"file:/var/lib/larder/blobs\"",
        "file:DIR or s3://BUCKET/PREFIX",
        "Where the bytes are. Without it, a directory in `data`.",
    ),
    text(
        "blobs.endpoint",
        "\"https://s3.example\"",
        "a URL that begins with http:// or https://",
        "The S3 service. Without it, Amazon's in the region.",
    ),
    text(
        "blobs.region",
        "",
        "the name of a region",
        "The S3 region, as the service calls it: it is part of every signature.",
    )
    .or("\"us-east-1\""),
    secret("blobs.access_key", "a text", "The name of the S3 access key. Without it, that of the machine's role."),
    secret("blobs.secret_key", "a text", "The S3 access key."),
    text(
        "blobs.redirect",
        "",
        "\"never\" or \"auto\"",
        "Whether downloads may be sent to the bucket with an address that is good for a minute: where no credential of \
         the caller can leak with it, and to no browser, which would lose the sandbox.",
    )
    .or("\"never\""),
    secret(
        "keys.seal",
        "32 random bytes in Base64, as `openssl rand -base64 32` makes them",
        "Seals the keys that sign links, which are in the database then, for all servers over it. Without it they are in \
         a file in `data`. PostgreSQL needs it.",
    ),
    number(
        "retention.days",
        "0",
        "a whole number of days, from 0 to 36500",
        "A finished artifact expires so many days after its completion, where `larder admin project retention` says \
         nothing else for its project. 0: never.",
    )
    .within(0, 36_500),
    seconds("retention.job_lease_s", "3600", "A job that is not heard of for so long has timed out. Uploads, output and heartbeats count.",
    ),
    seconds("retention.upload_lease_s", "86400", "An announced upload that has not finished after so long has failed.",
    ),
    number(
        "retention.undo_window_s",
        "600",
        SECONDS_OR_NONE,
        "How long a deletion on the pages can be taken back. Deletions through an API are final.",
    )
    .within(0, SECONDS_MOST),
    seconds("retention.sweep_interval_s", "60", "How often the sweeper looks for what has expired and frees its bytes.",
    ),
];
