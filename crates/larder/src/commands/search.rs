//! `larder search`: where artifacts are, for people and for scripts.

use crate::cli::SearchArguments;
use crate::commands::holder::finished;
use crate::failure::Failure;
use anyhow::anyhow;
use larder_agent::artifacts::Listing;
use larder_protocol::ArtifactBody;
use std::process::ExitCode;

/// What is printed of each without `--format`.
const COLUMNS: &str = r"%p\t%s\t%d\t%j\t%u";

pub(crate) async fn run(arguments: SearchArguments) -> Result<ExitCode, Failure> {
    let format = Format::parse(arguments.format.as_deref().unwrap_or(COLUMNS))?;
    let listing = finished(&arguments.server, arguments.holder, &arguments.queries).await?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&listing.artifacts)?);
        return Ok(ExitCode::SUCCESS);
    }
    for artifact in &listing.artifacts {
        say!("{}", format.text_of(artifact, &listing));
    }
    Ok(ExitCode::SUCCESS)
}

/// What to print of an artifact.
#[derive(Debug)]
struct Format(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(char),
    Field(char),
}

impl Format {
    fn parse(text: &str) -> Result<Self, Failure> {
        let mut pieces = Vec::new();
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            let piece = match next {
                '%' => match rest.next() {
                    Some('%') => Piece::Text('%'),
                    Some(field @ ('p' | 'u' | 's' | 'd' | '1' | 'i' | 'j' | 'T')) => {
                        Piece::Field(field)
                    }
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(Failure::usage(anyhow!(
                            "--format: %{other} is no field; there are %p %u %s %d %1 %i %j %T and %%"
                        )));
                    }
                },
                '\\' => match rest.next() {
                    Some('t') => Piece::Text('\t'),
                    Some('n') => Piece::Text('\n'),
                    Some(plain) => Piece::Text(plain),
                    None => Piece::Text('\\'),
                },
                plain => Piece::Text(plain),
            };
            pieces.push(piece);
        }
        Ok(Self(pieces))
    }

    fn text_of(&self, artifact: &ArtifactBody, listing: &Listing) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push(*plain),
                Piece::Field(field) => text.push_str(&field_of(*field, artifact, listing)),
            }
        }
        text
    }
}

fn field_of(field: char, artifact: &ArtifactBody, listing: &Listing) -> String {
    let time = || {
        artifact
            .finished_at
            .as_ref()
            .unwrap_or(&artifact.created_at)
    };
    match field {
        'p' => artifact.path.clone(),
        'u' => artifact.url.clone(),
        's' => artifact.size.to_string(),
        'd' => artifact.sha256.clone().unwrap_or_default(),
        '1' => artifact.sha1.clone().unwrap_or_default(),
        'i' => artifact.id.clone(),
        'j' => listing.job_label(&artifact.job_id),
        _ => time().clone(),
    }
}
