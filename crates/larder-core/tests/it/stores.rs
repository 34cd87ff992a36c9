//! Where the stores of a test are: embedded, or, as the environment says, on the servers that `cargo xtask test` starts.
//! The tests of the server include this file too.

use futures_util::TryStreamExt as _;
use larder_core::{BlobsAddress, DatabaseAddress, PostgresAddress, S3Address, Settings, Signing};
use object_store::ObjectStore as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// `postgres://…` of a server on which each store gets a schema of its own.
const DATABASE: &str = "LARDER_TEST_DATABASE";
/// `s3://BUCKET` in which each store gets a prefix of its own.
const BLOBS: &str = "LARDER_TEST_BLOBS";

/// What a test sees of a store beside the larder's back.
#[derive(Clone)]
pub(crate) struct Beside {
    rows: Rows,
    blobs: Blobs,
}

#[derive(Clone)]
enum Rows {
    Sqlite(PathBuf),
    /// An address whose every connection is in the schema of the store, and one of them.
    Postgres {
        url: String,
        client: Arc<OnceCell<Client>>,
    },
}

#[derive(Clone)]
enum Blobs {
    Folder(PathBuf),
    Bucket { bucket: AmazonS3, prefix: String },
}

impl Beside {
    /// Puts a new store where the tests of this run have theirs.
    pub(crate) async fn place(settings: &mut Settings) -> Self {
        let rows = match variable(DATABASE) {
            Some(url) => schema_of_its_own(settings, &url).await,
            None => rows_of(settings),
        };
        let blobs = match variable(BLOBS) {
            Some(bucket) => prefix_of_its_own(settings, &bucket),
            None => blobs_of(settings),
        };
        Self { rows, blobs }
    }

    /// All rows of an answer, each value as text.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<Vec<String>> {
        self.ask_all(&[sql.to_owned()]).await.remove(0)
    }

    /// The same of several queries.
    pub(crate) async fn ask_all(&self, queries: &[String]) -> Vec<Vec<Vec<String>>> {
        match &self.rows {
            Rows::Sqlite(path) => {
                let database = Connection::open(path).unwrap();
                queries
                    .iter()
                    .map(|sql| ask_sqlite(&database, sql))
                    .collect()
            }
            Rows::Postgres { .. } => {
                let client = self.rows.client().await;
                let messages = client.simple_query(&queries.join(";")).await.unwrap();
                let is_end = |message: &SimpleQueryMessage| {
                    matches!(message, SimpleQueryMessage::CommandComplete(_))
                };
                let answers = messages.split_inclusive(is_end);
                answers
                    .map(|rows| rows.iter().filter_map(texts).collect())
                    .collect()
            }
        }
    }

    /// The only number of an answer.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.ask(sql).await[0][0].parse().unwrap()
    }

    /// Runs statements that both engines have.
    pub(crate) async fn run(&self, sql: &str) {
        match &self.rows {
            Rows::Sqlite(path) => Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Rows::Postgres { .. } => {
                self.rows.client().await.batch_execute(sql).await.unwrap();
            }
        }
    }

    /// Names of all tables.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let sql = match &self.rows {
            Rows::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
            Rows::Postgres { .. } => {
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
            }
        };
        self.ask(sql).await.into_iter().flatten().collect()
    }

    /// Gives a new store, whose rows `settings` will name, all rows of this one, and the same bytes.
    pub(crate) async fn copy_to(&self, settings: &mut Settings) -> Self {
        let rows = match &self.rows {
            Rows::Sqlite(path) => {
                let rows = rows_of(settings);
                if let Rows::Sqlite(copy) = &rows {
                    Connection::open(path)
                        .unwrap()
                        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
                        .unwrap();
                }
                rows
            }
            Rows::Postgres { url, .. } => {
                let tables = self.tables().await;
                let from = schema_of(url);
                let rows = schema_of_its_own(settings, &variable(DATABASE).unwrap()).await;
                let mut sql = String::new();
                for table in tables {
                    let copy = format!(
                        "CREATE TABLE {table} (LIKE {from}.{table} INCLUDING ALL);
                         INSERT INTO {table} SELECT * FROM {from}.{table};"
                    );
                    sql.push_str(&copy);
                }
                rows.client().await.batch_execute(&sql).await.unwrap();
                rows
            }
        };
        let blobs = self.blobs.clone();
        Self { rows, blobs }
    }

    /// The file of the rows and the folder of the bytes, of an embedded store.
    pub(crate) fn embedded(&self) -> Option<(&Path, &Path)> {
        match (&self.rows, &self.blobs) {
            (Rows::Sqlite(file), Blobs::Folder(folder)) => Some((file, folder)),
            _ => None,
        }
    }

    /// Files of blobs, where the bytes are files.
    pub(crate) fn blob_files(&self) -> Option<Vec<PathBuf>> {
        let Blobs::Folder(folder) = &self.blobs else {
            return None;
        };
        let folders = std::fs::read_dir(folder).unwrap();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        Some(files)
    }

    /// Names of all files or objects that hold bytes.
    pub(crate) async fn blobs(&self) -> Vec<String> {
        let mut names: Vec<_> = match &self.blobs {
            Blobs::Folder(_) => {
                let files = self.blob_files().unwrap_or_default();
                files
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect()
            }
            Blobs::Bucket { bucket, prefix } => {
                let objects = bucket.list(Some(&prefix.as_str().into()));
                let objects: Vec<_> = objects.try_collect().await.unwrap();
                objects
                    .iter()
                    .map(|object| object.location.to_string())
                    .collect()
            }
        };
        names.sort();
        names
    }
}

fn rows_of(settings: &Settings) -> Rows {
    match &settings.database {
        DatabaseAddress::Sqlite(path) => Rows::Sqlite(path.clone()),
        DatabaseAddress::Postgres(_) => {
            panic!("a test that sets a server of its own looks there itself")
        }
    }
}

fn blobs_of(settings: &Settings) -> Blobs {
    match &settings.blobs {
        BlobsAddress::Folder(folder) => Blobs::Folder(folder.clone()),
        BlobsAddress::S3(_) => panic!("a test that sets a bucket of its own looks there itself"),
    }
}

async fn schema_of_its_own(settings: &mut Settings, url: &str) -> Rows {
    let schema = format!("t{}", uuid::Uuid::new_v4().simple());
    let made = format!("CREATE SCHEMA {schema}");
    connect(url).await.batch_execute(&made).await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options=-c%20search_path%3D{schema}");
    let mut address = PostgresAddress::parse(&url).unwrap();
    // Many tests run at once.
    address.connections = 4;
    settings.database = DatabaseAddress::Postgres(Box::new(address));
    settings.signing = Signing::Sealed([7; 32]);
    Rows::Postgres {
        url,
        client: Arc::default(),
    }
}

impl Rows {
    async fn client(&self) -> &Client {
        match self {
            Self::Postgres { url, client } => client.get_or_init(|| connect(url)).await,
            Self::Sqlite(_) => panic!("rows in a file need no client"),
        }
    }
}

fn schema_of(url: &str) -> &str {
    url.rsplit("%3D").next().unwrap()
}

fn prefix_of_its_own(settings: &mut Settings, bucket: &str) -> Blobs {
    let of_test = |word: &str| variable(&format!("{BLOBS}_{word}"));
    let bucket = bucket.trim_start_matches("s3://").to_owned();
    let prefix = uuid::Uuid::new_v4().simple().to_string();
    let region = of_test("REGION").unwrap_or_else(|| "garage".to_owned());
    let endpoint = of_test("ENDPOINT").unwrap();
    let (access, secret) = (
        of_test("ACCESS_KEY").unwrap(),
        of_test("SECRET_KEY").unwrap(),
    );
    settings.blobs = BlobsAddress::S3(S3Address {
        bucket: bucket.clone(),
        prefix: prefix.clone(),
        endpoint: Some(endpoint.clone()),
        region: region.clone(),
        access_key: Some(access.clone()),
        secret_key: Some(secret.clone()),
        redirect: false,
    });
    let bucket = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_endpoint(endpoint)
        .with_region(region)
        .with_allow_http(true)
        .with_access_key_id(access)
        .with_secret_access_key(secret)
        .build()
        .unwrap();
    Blobs::Bucket { bucket, prefix }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn texts(message: &SimpleQueryMessage) -> Option<Vec<String>> {
    let SimpleQueryMessage::Row(row) = message else {
        return None;
    };
    let text = |at| row.get(at).unwrap_or("NULL").to_owned();
    Some((0..row.len()).map(text).collect())
}

fn ask_sqlite(database: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = database.prepare(sql).unwrap();
    let width = statement.column_count();
    let text = |row: &rusqlite::Row<'_>, at: usize| {
        Ok(match row.get::<_, rusqlite::types::Value>(at)? {
            rusqlite::types::Value::Null => "NULL".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    };
    let rows = statement.query_map([], |row| (0..width).map(|at| text(row, at)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the servers of tests are is no setting of the larder"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
