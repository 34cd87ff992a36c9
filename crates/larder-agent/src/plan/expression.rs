//! Expressions: `pipeline.git.branch == "main" and not pipeline.in_setup`.
//!
//! From the weakest to the strongest: `or`, `and`, one of `== != < <= > >= starts-with =~`, `not`.
//! `and` and `or` give one of their sides, so that `pipeline.in_setup and 10 or 1` is a number.

use super::error::{Mistake, Position, quoted};
use super::node::{Entry, Node, Scalar, Value};
use super::scope::Scope;

/// Longest expression, in bytes.
const EXPRESSION_BYTES_MAX: usize = 10_000;
/// Parentheses and `not`s within each other.
const DEPTH_MAX: u32 = 50;

/// The value of `text`. An expression that is one name keeps the type of its value.
pub(super) fn evaluate(text: &str, place: Position, scope: &Scope<'_>) -> Result<Node, Mistake> {
    let wrong = |message: String| Mistake::at(place, format!("{}: {message}", quoted(text.trim())));
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(wrong(format!(
            "the expression is longer than {EXPRESSION_BYTES_MAX} bytes; that is the limit"
        )));
    }
    let mut reader = Reader {
        tokens: tokens(text).map_err(wrong)?,
        at: 0,
        place,
        scope,
        depth: 0,
    };
    let value = reader.either().map_err(|fault| fault.into_mistake(wrong))?;
    match reader.tokens.get(reader.at) {
        None => Ok(value),
        Some(token) => Err(wrong(format!(
            "expected an operator or the end, found {}",
            token.shown()
        ))),
    }
}

/// Whether a value counts as true: everything does but nothing, `false`, zero and the empty text.
pub(super) fn is_true(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(scalar) if scalar.is_plain => {
            node.as_boolean() != Some(false) && scalar.text.parse().ok() != Some(0.0)
        }
        Value::Scalar(scalar) => !scalar.text.is_empty(),
        Value::List(_) | Value::Map(_) | Value::Steps(_) | Value::Executor(_) => true,
    }
}

/// Whether two values are the same for `equal` and `==`: of the same type, and equal.
pub(super) fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Scalar(mine), Value::Scalar(theirs)) => {
            let booleans = (one.as_boolean(), other.as_boolean());
            let numbers = (number_of(mine), number_of(theirs));
            match (booleans, numbers) {
                ((None, None), (None, None)) => mine.text == theirs.text,
                ((mine, theirs), (None, None)) => mine == theirs,
                (_, (mine, theirs)) => mine == theirs,
            }
        }
        // What is not known may be empty or nothing.
        (Value::Null, Value::Scalar(scalar)) | (Value::Scalar(scalar), Value::Null) => {
            scalar.text.is_empty()
        }
        (Value::Null, Value::Null) => true,
        (Value::List(mine), Value::List(theirs)) => {
            mine.len() == theirs.len() && mine.iter().zip(theirs.iter()).all(|(a, b)| is_same(a, b))
        }
        (Value::Map(mine), Value::Map(theirs)) => {
            let has_same = |entry: &Entry| {
                let known = theirs.node(&entry.key);
                known.is_some_and(|value| is_same(&entry.value, value))
            };
            mine.entries().len() == theirs.entries().len() && mine.entries().iter().all(has_same)
        }
        // As documented: an executor is what its definition says, or its name.
        (Value::Executor(executor), Value::Map(_)) => is_same(executor.definition(), other),
        (Value::Map(_), Value::Executor(executor)) => is_same(one, executor.definition()),
        (Value::Executor(_), Value::Scalar(_) | Value::Executor(_))
        | (Value::Scalar(_), Value::Executor(_)) => one.as_text() == other.as_text(),
        _ => false,
    }
}

fn number_of(scalar: &Scalar) -> Option<f64> {
    scalar.text.parse().ok().filter(|_| scalar.is_plain)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(String),
    Pattern(String),
    Sign(&'static str),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Name(text) | Self::Number(text) => quoted(text),
            Self::Text(text) => quoted(&format!("\"{text}\"")),
            Self::Pattern(text) => quoted(&format!("/{text}/")),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }
}

/// Signs and the words that mean the same, longest first.
const SIGNS: [(&str, &str); 13] = [
    ("==", "=="),
    ("!=", "!="),
    ("=~", "=~"),
    (">=", ">="),
    ("<=", "<="),
    ("&&", "and"),
    ("||", "or"),
    (">", ">"),
    ("<", "<"),
    ("!", "not"),
    ("(", "("),
    (")", ")"),
    ("=", "="),
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, used) = match first {
            '"' | '\'' | '/' => quoted_token(rest, first)?,
            c if c.is_ascii_digit() || c == '-' => {
                let used = length_while(&rest[1..], |c| c.is_ascii_digit() || c == '.') + 1;
                (Token::Number(rest[..used].to_owned()), used)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let used = length_while(rest, |c| {
                    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/')
                });
                (name_token(&rest[..used]), used)
            }
            _ => {
                let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
                let Some(&(sign, meaning)) = sign else {
                    return Err(format!("the character `{first}` cannot stand here"));
                };
                (Token::Sign(meaning), sign.len())
            }
        };
        tokens.push(token);
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

fn name_token(word: &str) -> Token {
    match word {
        "and" => Token::Sign("and"),
        "or" => Token::Sign("or"),
        "not" => Token::Sign("not"),
        "starts-with" => Token::Sign("starts-with"),
        _ => Token::Name(word.to_owned()),
    }
}

fn quoted_token(rest: &str, quote: char) -> Result<(Token, usize), String> {
    let mut content = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let token = match quote {
                '/' => Token::Pattern(content),
                _ => Token::Text(content),
            };
            return Ok((token, at + c.len_utf8()));
        }
        if c != '\\' {
            content.push(c);
            continue;
        }
        match chars.next() {
            Some((_, c)) if c == quote => content.push(c),
            Some((_, '\\')) if quote != '/' => content.push('\\'),
            Some((_, c)) => content.extend(['\\', c]),
            None => break,
        }
    }
    Err(format!("the {quote} is never closed"))
}

fn length_while(text: &str, holds: impl Fn(char) -> bool) -> usize {
    text.find(|c| !holds(c)).unwrap_or(text.len())
}

/// A message about the whole expression, or a mistake that knows better.
enum Fault {
    Form(String),
    Mistake(Mistake),
}

impl Fault {
    fn into_mistake(self, wrong: impl FnOnce(String) -> Mistake) -> Mistake {
        match self {
            Self::Form(message) => wrong(message),
            Self::Mistake(mistake) => mistake,
        }
    }
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    place: Position,
    scope: &'a Scope<'a>,
    depth: u32,
}

impl Reader<'_> {
    fn either(&mut self) -> Result<Node, Fault> {
        let mut left = self.both()?;
        while self.takes("or") {
            let right = self.both()?;
            left = if is_true(&left) { left } else { right };
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Node, Fault> {
        let mut left = self.comparison()?;
        while self.takes("and") {
            let right = self.comparison()?;
            left = if is_true(&left) { right } else { left };
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node, Fault> {
        let left = self.negation()?;
        let Some(Token::Sign(sign)) = self.tokens.get(self.at) else {
            return Ok(left);
        };
        let sign = *sign;
        if matches!(sign, "and" | "or" | "not" | "(" | ")") {
            return Ok(left);
        }
        if sign == "=" {
            return Err(Fault::Form("`=` is no operator; expected `==`".to_owned()));
        }
        self.at += 1;
        let right = self.negation()?;
        let holds = match sign {
            "==" => is_same(&left, &right),
            "!=" => !is_same(&left, &right),
            "starts-with" => text(&left)?.starts_with(&text(&right)?),
            "=~" => self
                .scope
                .patterns
                .is_found(&text(&right)?, &text(&left)?)
                .map_err(|message| Fault::Mistake(Mistake::at(self.place, message)))?,
            _ => is_ordered(number(&left)?, sign, number(&right)?),
        };
        Ok(self.truth(holds))
    }

    fn negation(&mut self) -> Result<Node, Fault> {
        if !self.takes("not") {
            return self.operand();
        }
        self.deeper()?;
        let value = self.negation()?;
        self.depth -= 1;
        Ok(self.truth(!is_true(&value)))
    }

    fn operand(&mut self) -> Result<Node, Fault> {
        let Some(token) = self.tokens.get(self.at).cloned() else {
            return Err(Fault::Form("expected a value, found the end".to_owned()));
        };
        self.at += 1;
        match token {
            Token::Text(text) | Token::Pattern(text) => Ok(Node::scalar(self.place, text, false)),
            Token::Number(text) => Ok(Node::scalar(self.place, text, true)),
            Token::Name(name) if matches!(&*name, "true" | "false" | "null") => {
                Ok(Node::scalar(self.place, name, true))
            }
            Token::Name(name) => self.scope.value(&name, self.place).map_err(Fault::Mistake),
            Token::Sign("(") => {
                self.deeper()?;
                let value = self.either()?;
                self.depth -= 1;
                if self.takes(")") {
                    return Ok(value);
                }
                Err(Fault::Form("a `(` is never closed".to_owned()))
            }
            Token::Sign(sign) => Err(Fault::Form(format!("expected a value, found `{sign}`"))),
        }
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::Form(format!(
                "more than {DEPTH_MAX} parentheses or `not`s within each other; that is the limit"
            )));
        }
        Ok(())
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let is_next =
            matches!(self.tokens.get(self.at), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn truth(&self, holds: bool) -> Node {
        Node::scalar(self.place, if holds { "true" } else { "false" }, true)
    }
}

fn text(node: &Node) -> Result<String, Fault> {
    match node.as_text() {
        Some(text) => Ok(text.to_owned()),
        None if node.is_null() => Ok(String::new()),
        None => Err(Fault::Form(format!(
            "expected a text, found {}",
            node.kind()
        ))),
    }
}

fn number(node: &Node) -> Result<f64, Fault> {
    let parsed = node.as_text().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Fault::Form(format!("expected a number, found {}", node.kind())))
}

fn is_ordered(left: f64, sign: &str, right: f64) -> bool {
    match sign {
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}
